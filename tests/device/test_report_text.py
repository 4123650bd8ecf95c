"""What the terminal and machines are told."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.evaluation_samples import golden_evaluation, house_evaluation, uji_evaluation
from tinyloc.bundle.comparison import EVALUATION, Baseline, Comparison, Difference
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.html import render_html
from tinyloc.device.report.numbers import (
    grouped,
    measured,
    metres,
    microjoules,
    milliseconds,
    operators_in_short,
    size,
)
from tinyloc.device.report.summary import summary
from tinyloc.device.report.text import verdict

OVER = {"name": "ram", "used": 2240.0, "limit": 2048.0, "unit": "B", "source": "recipe"}


def shown(evaluation: Evaluation, report: Path | None = None) -> str:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        console.print(verdict(evaluation, report))
    return capture.get()


def test_verdict_names_every_key_figure() -> None:
    text = shown(house_evaluation(), Path("runs/house/report-stm32l4.html"))
    for figure in (
        "Passed",
        "0.871",
        "0.902",
        "0.873",
        "float PyTorch",
        "host int16x8",
        "14.6 KB",
        "2.2 KB",
        "arena 260 B",
        "state 744 B",
        "localiser's buffers 204 B",
        "stack 512 B",
        "static 520 B",
        "11,840 cycles",
        "0.148 ms",
        "37.3 µJ",
        "latency (largest of 500 modelled)",
        "median of 500 modelled; largest 14,551",
        "; estimated from cycles",
        "the stack counts with its measured high-water mark, 512 B; the image reserves 2.0 KB for it",
        "runs/house/report-stm32l4.html",
    ):
        assert figure in text


def test_over_budget_is_said_with_the_limit() -> None:
    text = shown(house_evaluation(budget=[OVER]))
    assert "Over budget" in text and "RAM 2.2 KB of 2.0 KB" in text and "OVER" in text and "Passed" not in text


def test_a_latency_over_budget_is_the_largest_that_was_counted():
    line = {"name": "latency", "used": 300.0, "limit": 200.0, "unit": "ms", "source": "board"}
    counted = house_evaluation(budget=[line], measured_samples=1111, cycles_kind="counted by the device")
    words = " ".join(shown(counted).split())
    assert "Over budget: latency (largest of 1,111 counted by the device) 300 ms of 200 ms" in words


def test_mismatches_outweigh_the_budget() -> None:
    text = shown(house_evaluation(mismatches=3, budget=[OVER]))
    assert text.startswith("Answers differ")
    assert "3 of 24,020 answers" in text


def test_unseen_classes_are_reported() -> None:
    assert "3 decisions belong to classes that were never trained" in shown(uji_evaluation())


def test_names_are_not_read_as_markup() -> None:
    assert "[bold]x[/bold]" in shown(house_evaluation(name="[bold]x[/bold]", board="[b]"))


def test_verdict_without_measured_cycles() -> None:
    text = shown(house_evaluation(cycles=None, instructions=None, energy=None))
    assert "cycles" not in text and "0.871" in text


def test_summary_has_the_keys_that_the_issue_names() -> None:
    content = json.loads(json.dumps(summary(house_evaluation())))
    assert content["samples"] == 24_020 and content["mismatches"] == 0 and content["passed"] is True
    assert (content["macro_f1"], content["accuracy"]) == (0.871, 0.902)
    assert (content["flash_bytes"], content["ram_bytes"]) == (14_976, 2240)
    assert (content["cycles_median"], content["instructions_median"], content["energy_uj"]) == (11_840, 8_912, 37.3)
    assert content["latency_ms"] == pytest.approx(0.148)


def test_summary_of_what_was_not_measured_is_null() -> None:
    content = summary(house_evaluation(cycles=None, instructions=None, energy=None))
    assert content["cycles_median"] is None and content["latency_ms"] is None and content["energy_uj"] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (grouped(12_345.6), "12,346"),
        (grouped(0.1), "0.1"),
        (grouped(6.0), "6"),
        (size(1023), "1,023 B"),
        (size(1024), "1.0 KB"),
        (metres(2.0), "2.00 m"),
        (metres(12.34), "12.3 m"),
        (milliseconds(0.15), "0.150 ms"),
        (milliseconds(200.0), "200 ms"),
        (microjoules(0.5), "0.500 µJ"),
        (microjoules(1234.0), "1,234 µJ"),
        (operators_in_short(["MUL #3 a/Mul", "ADD #4 a/Add", "MUL #5 b"]), "MUL ×2, ADD"),
        (operators_in_short(["MUL #3 a/Mul"]), "MUL a/Mul"),
        (measured(2048, "B"), "2.0 KB"),
        (measured(3.5, "mA"), "3.5 mA"),
    ],
)
def test_numbers_as_text(text: str, expected: str) -> None:
    assert text == expected


def test_the_floor_is_shown_where_there_are_several() -> None:
    quality = {"macro_f1": 0.7, "accuracy": 0.8, "floor_hit": 0.958}
    evaluation = uji_evaluation(device=quality, host_int=quality)
    assert "0.958" in shown(evaluation) and "floor" in shown(evaluation)
    assert summary(evaluation)["floor_hit"] == 0.958
    assert " floor " not in shown(house_evaluation()) and summary(house_evaluation())["floor_hit"] is None


def test_simple_methods_stand_beside_the_model_with_their_bytes_and_no_more_is_said_than_was_measured() -> None:
    def beside(mean: float, low: float, high: float) -> Comparison:
        difference = Difference(mean=mean, low=low, high=high)
        near = Baseline(
            name="nearest neighbours", settings="k = 3", data_bytes=204_800, figures={"error_mean_m": 6.5},
            intervals={"error_mean_m": (5.0, 8.0)}, differences={"error_mean_m": difference},
        )  # fmt: skip
        return Comparison(unit="recorder", units=11, positions=True, baselines=[near])

    quality = {"macro_f1": 0.7, "accuracy": 0.8, "building_hit": 0.991, "evaal_m": 9.25,
               "errors_m": {"mean": 7.0, "p50": 5.0, "p75": 9.0, "p90": 15.0, "max": 99.0},
               "intervals": {"error_mean_m": (6.1, 8.2)}}  # fmt: skip
    worse = uji_evaluation(device=quality, host_int=quality, comparison=beside(0.5, 0.2, 0.9))
    for text in ("200.0 KB", "BEHIND nearest", "+0.50 m", "11 recorders", "6.10 m to 8.20 m", "0.991", "9.25 m"):
        assert text in shown(worse) and text in render_html(worse)
    even = shown(uji_evaluation(comparison=beside(0.5, -0.2, 0.9)))
    assert "No clear difference" in even and "BEHIND" not in even
    assert "ahead of nearest" in shown(uji_evaluation(comparison=beside(-0.5, -0.9, -0.2)))
    assert summary(worse)["comparison"]["protocol"]["evaluation"] == EVALUATION
    assert summary(uji_evaluation())["comparison"] is None


NOT_QUALITY = "agreement with the float model on 64 made-up scans, not quality"


def test_scores_on_golden_scans_are_not_shown_as_quality() -> None:
    assert NOT_QUALITY in shown(golden_evaluation())
    assert "made-up" not in shown(uji_evaluation())
    assert summary(golden_evaluation())["samples_from"] == "golden scans"
    assert summary(golden_evaluation())["scores_are"] == NOT_QUALITY
    assert summary(uji_evaluation())["scores_are"] == "quality on the test set"
