"""The decisions in order, the confidence curve, arrows and access points of the report."""

import itertools

import numpy as np
import pytest

from tests.evaluation_samples import house_evaluation
from tinyloc.device.evaluation.evaluation_record import Timeline
from tinyloc.device.report.comparison import render_comparison
from tinyloc.device.report.html import render_html
from tinyloc.device.report.numbers import metres
from tinyloc.device.report.position_errors import error_figure
from tinyloc.device.report.timeline import SHOWN, STRIPS, confidence_curve, timeline_figure

CHANCE = np.random.default_rng(9)


def line(count: int, recordings: int) -> Timeline:
    label = np.repeat(CHANCE.integers(0, 4, count // 10 + 1), 10)[:count]
    decided = np.where(CHANCE.random(count) < 0.2, CHANCE.integers(0, 4, count), label)
    return Timeline(
        sample=list(range(count)), recording=(np.arange(count) * recordings // count).tolist(), label=label.tolist(),
        decided=decided.tolist(), margin=CHANCE.random(count).round(3).tolist(), rate_hz=5.0,
    )  # fmt: skip


def test_the_confidence_curve_is_the_accuracy_of_what_is_left() -> None:
    right, margin = (CHANCE.random(200) < 0.7).tolist(), CHANCE.random(200).tolist()
    order = np.argsort(margin, kind="stable")
    for share, accuracy in confidence_curve(right, margin):
        kept = order[round(share * 2) :]
        assert accuracy == pytest.approx(100 * np.mean([right[i] for i in kept]))
    assert confidence_curve([True], [0.0]) == [(0.0, 100.0)]


def test_strips_cover_every_decision_once() -> None:
    found = timeline_figure(house_evaluation(timeline=line(900, 2)))
    assert found is not None and len(found.strips) == STRIPS and found.left_out == 900 - 2 * SHOWN - 50
    for strip in found.strips:
        for runs in (strip.true, strip.decided):
            assert sum(run.width for run in runs) == pytest.approx(100)
            assert all(a.left + a.width == pytest.approx(b.left) for a, b in itertools.pairwise(runs))
    assert timeline_figure(house_evaluation()) is None
    assert timeline_figure(house_evaluation(timeline=line(9, 1), samples_from="golden scans")) is None


def test_the_page_shows_them_with_arrows_access_points_and_one_p50() -> None:
    evaluation = house_evaluation(timeline=line(300, 2), date="2026-11-30T12:00:00Z", commit="0123456789ab")
    errors = error_figure(
        evaluation.positions, evaluation.site.rooms, [(1.0, 1.0, 1.0), None], {"p50": 1.234, "p75": 2.0, "p90": 3.0}
    )
    assert errors is not None and errors.floors[0].access_points == [(1.0, -1.0)]
    assert 0 < len(errors.floors[0].arrows) <= 60
    assert [label for _, _, label in errors.marks] == ["P50 1.23 m", "P75 2.00 m", "P90 3.00 m"]
    page = render_html(evaluation)
    assert 'href="#time-line"' in page and "commit 0123456789ab" in page and "prefers-color-scheme: dark" in page
    assert evaluation.device.errors_m is not None
    assert page.count(f"P50 {metres(evaluation.device.errors_m['p50'])}") == 1


def test_the_comparison_links_pages_and_shows_changes() -> None:
    first, second = house_evaluation(), house_evaluation(name="z<b>")
    second = second.model_copy(update={"flash": second.flash.model_copy(update={"total": 2 * first.flash.total})})
    page = render_comparison([first, second], ["a/report.html", "b&c.html"])
    assert '<a href="a/report.html">' in page and '<a href="b&amp;c.html">z&lt;b&gt;</a>' in page
    assert "+100 %" in page and 'class="membar" style="width:50.0%"' in page
