"""The page that compares evaluations, and their summaries for machines and pull requests."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browser import Page, needs_chromium, show
from tests.evaluation_samples import golden_evaluation, house_evaluation, uji_evaluation
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.comparison import joined_labels, joined_limits, numbers, pareto, render_comparison
from tinyloc.device.report.junit import junit
from tinyloc.device.report.markdown import markdown

OVER = {"name": "ram", "used": 5000.0, "limit": 4096.0, "unit": "B", "source": "recipe"}


def _evaluations() -> list[Evaluation]:
    small = house_evaluation(name="house-small", board="cc2650", cycles=None, energy=None, budget=[OVER])
    return [uji_evaluation(), house_evaluation(), small]


def test_every_evaluation_has_a_row_and_a_dot() -> None:
    page = render_comparison(_evaluations())
    words = Page(page).words()
    for text in ("uji-mlp", "house-small", "cc2650", "house-a (simulated)", "Over budget", "Passed", "11,840"):
        assert text in words, text
    dots = page.count("<circle")
    assert dots == 3 + 3 + 2 + 2  # flash, RAM; cycles and energy are not known of one
    assert "http" not in page and not Page(page).open


def test_the_order_given_does_not_matter() -> None:
    assert render_comparison(_evaluations()) == render_comparison(_evaluations()[::-1])


def test_a_front_is_one_of_its_own_data_set() -> None:
    cheap = house_evaluation(name="cheap")
    dear = house_evaluation(name="dear", flash={**cheap.flash.model_dump(), "total": 30_000})
    other = house_evaluation(name="other", data="another", flash={**cheap.flash.model_dump(), "total": 60_000})
    page = render_comparison([cheap, dear, other])
    assert "dominated" in page
    flash = page[page.index("flash, whole image</h3>") : page.index("RAM, total</h3>")]
    assert flash.count('<circle class="t0"') == 2 and flash.count('<circle class="t6"') == 1


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(POINTS)
def test_what_is_not_on_the_front_is_beaten_by_what_is(points: list[tuple[int, int]]) -> None:
    marks = pareto(points)
    front = [point for point, mark in zip(points, marks, strict=True) if mark]
    assert front
    for (cost, score), mark in zip(points, marks, strict=True):
        beaten = [(c, s) for c, s in front if c <= cost and s >= score and (c, s) != (cost, score)]
        assert bool(beaten) != mark


def test_names_cannot_break_out_of_page_or_table() -> None:
    evil = house_evaluation().model_copy(update={"name": "<script>|x\ny", "data": "<script>"})
    text = markdown([evil])
    assert "\\<script\\>\\|x y" in text
    assert "<script" not in render_comparison([evil])
    ET.fromstring(junit([evil]))


def test_markdown_names_what_is_wrong_first() -> None:
    text = markdown(_evaluations())
    rows = [line for line in text.splitlines() if line.startswith("| house") or line.startswith("| uji")]
    assert len({line.count("|") for line in rows[:3]}) == 1
    assert "**house-small, int16x8, cc2650: Over budget.**" in text
    assert "| RAM | 4.9 KB | 4.0 KB | recipe | **over** |" in text


def test_junit_counts_its_failures() -> None:
    wrong = house_evaluation(
        mismatches=2, first_mismatches=[{"index": 1, "device_class": 0, "host_class": 1, "scores_differ": 1}]
    )
    root = ET.fromstring(junit([wrong, *_evaluations()]).encode())
    assert root.attrib["failures"] == "2" == str(len(root.findall(".//failure")))
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase"))
    messages = [failure.attrib["message"] for failure in root.iter("failure")]
    assert messages[0].startswith("2 of 24,020 answers") and messages[1] == "4.9 KB of 4.0 KB (recipe)"


@needs_chromium
@pytest.mark.parametrize("width", [375, 1000])
def test_the_comparison_fits_a_phone_and_a_desk(width: int, tmp_path: Path) -> None:
    shown = show(render_comparison(_evaluations()), width, tmp_path)
    assert shown.scroll_width <= width and shown.font_pixels >= 12
    assert shown.heading == "3 evaluations compared" and shown.console == []


NOT_QUALITY = "agreement with the float model on 64 made-up scans, not quality"


def test_golden_scans_are_compared_apart_from_the_test_set() -> None:
    golden = golden_evaluation(flash={**uji_evaluation().flash.model_dump(), "total": 14_000})
    page = render_comparison([golden, uji_evaluation()])
    words = Page(page).words()
    assert f"UJIIndoorLoc: {NOT_QUALITY}" in words and 'Rows below "made-up scans"' in words
    assert page.count('<circle class="t0"') == 8 and "made-up" not in render_comparison([uji_evaluation()])


def test_markdown_and_junit_say_that_scans_are_made_up() -> None:
    for text in (markdown([golden_evaluation()]), junit([golden_evaluation()])):
        assert NOT_QUALITY in text
    for text in (markdown([uji_evaluation()]), junit([uji_evaluation()])):
        assert "made-up" not in text


def test_dots_at_one_place_share_a_label() -> None:
    page = render_comparison([house_evaluation(board=board) for board in ("a", "b", "c")])
    flash = page[page.index("flash, whole image</h3>") : page.index("RAM, total</h3>")]
    assert flash.count("<circle") == 3 and flash.count(">1–3</text>") == 1 and ">2</text>" not in flash


def test_labels_name_each_dot_once() -> None:
    labels = joined_labels([(1, 10.0, 10.0), (2, 12.0, 11.0), (3, 50.0, 10.0), (4, 50.0, 10.0), (5, 12.0, 60.0)])
    assert labels == {1: "", 2: "1, 2", 3: "3, 4", 4: "", 5: "5"}
    assert numbers([1, 2, 3, 5, 7, 8]) == "1–3, 5, 7, 8"


def test_dashed_lines_are_budgets_of_the_evaluations() -> None:
    def budget(flash: float) -> list[dict[str, object]]:
        return [{"name": "flash", "used": 14_976.0, "limit": flash, "unit": "B", "source": "board"}]

    limits = [house_evaluation(board=str(limit), budget=budget(limit)) for limit in (5120.0, 15_360.0, 131_072.0)]
    page = render_comparison(limits)
    assert page.count("stroke-dasharray") == 2 and ">5.0 KB</text>" in page and ">15.0 KB</text>" in page
    assert "Budgets beyond the axis: 128.0 KB." in page
    assert "stroke-dasharray" not in render_comparison([house_evaluation(budget=[])])


def test_labels_of_limits_do_not_overlap() -> None:
    assert joined_limits([(10.0, "a"), (50.0, "b"), (55.0, "c")]) == [(10.0, "a"), (50.0, ""), (55.0, "b, c")]
