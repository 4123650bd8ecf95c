"""Gates of quality and energy, chance, and a baseline: what passes, what fails, and what is noise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.evaluation_samples import house_evaluation
from tinyloc.boards import load_board
from tinyloc.bundle.schema import Budget
from tinyloc.device.evaluation.budget import (
    GATES,
    RequirementError,
    average_microamp,
    budget_lines,
    joined,
    parse_requirements,
    unanswerable,
)
from tinyloc.device.evaluation.evaluation_record import BudgetLine, Chance, Energy, Evaluation, Timeline
from tinyloc.device.report.baseline import compare, mcnemar
from tinyloc.device.report.html import render_html
from tinyloc.device.report.junit import junit
from tinyloc.device.report.markdown import markdown
from tinyloc.device.report.record import save_evaluation
from tinyloc.device.report.verdict import headline
from tinyloc.main import main

CHANCE = {"metric": "macro_f1", "device": 0.3, "commonest": 0.1, "low": 0.1, "high": 0.3, "class_name": "hall"}


def test_every_key_of_a_budget_is_a_gate_with_a_name_of_its_own() -> None:
    assert set(GATES) == set(Budget.model_fields)
    assert len({gate.short for gate in GATES.values()}) == len({gate.line for gate in GATES.values()}) == len(GATES)


def test_figures_of_the_command_line() -> None:
    found = parse_requirements("ram=16K, flash=64KB,macro_f1=0.75,energy_uj_max=3")
    assert found.limits() == {"ram_bytes": 16384, "flash_bytes": 65536, "macro_f1_min": 0.75, "energy_uj_max": 3}
    assert joined(found, Budget(ram_bytes=9)).limits()["ram_bytes"] == 9
    for text, told in (
        ("ram", "'ram': write NAME=VALUE with one of flash, ram, latency, macro_f1"),
        ("speed=3", "'speed=3': write NAME=VALUE"),
        ("ram=x", "'x' is no number of bytes"),
        ("ram=1,ram=2", "ram stands twice"),
        ("macro_f1=2", "less than or equal to 1"),
        ("", "nothing is required"),
    ):
        with pytest.raises(RequirementError, match=told):
            parse_requirements(text)


def test_the_strictest_of_recipe_and_command_line_counts_and_says_where_it_is_from() -> None:
    board = load_board("stm32l4")
    used: dict[str, float | None] = {"flash_bytes": 100, "ram_bytes": 50, "latency_ms": 1.0, "macro_f1_min": 0.7}
    lines = budget_lines(board, {"macro_f1_min": 0.8, "ram_bytes": 40}, {"ram_bytes": 60, "accuracy_min": 0.1}, used)
    sources = {line.name: (line.source, line.ok) for line in lines}
    limits = {line.name: line.limit for line in lines}
    assert sources["macro F1"] == sources["ram"] == ("recipe", False)
    assert limits["macro F1"] == 0.8 and limits["ram"] == 40
    assert sources["flash"] == ("board", True) and "accuracy" not in sources  # not measured
    assert unanswerable({"floor_hit_min": 0.5}, False, used) == [
        "floor_hit is asked for and was not measured: the data or the board have no such figure"
    ]
    assert "golden scans" in unanswerable({"macro_f1_min": 0.5}, True, used)[0]


def test_the_average_current_is_sleep_and_inferences() -> None:
    energy = Energy(microjoule=3.0, study_microjoule=None, assumptions="", volts=3.0, sleep_microamp=1.5)
    assert average_microamp(energy, rate_hz=5.0) == pytest.approx(1.5 + 3e-6 * 5 / 3 * 1e6)
    assert average_microamp(None, 5.0) is None


def chance(**changes: Any) -> Evaluation:
    return house_evaluation(chance=Chance(**{**CHANCE, **changes}))


def test_no_better_than_chance_fails_unless_something_else_was_asked() -> None:
    bad = chance(low=-0.01)
    assert headline(chance()) == "Passed" and headline(bad) == "Failed: no better than chance" and not bad.passed
    assert "does not beat always naming" in render_html(bad) and "no better than chance" in markdown([bad])
    assert '<failure message="The device does not beat' in junit([bad])
    asked = BudgetLine(name="accuracy", used=0.2, limit=0.1, unit="", source="recipe", at_least=True)
    assert bad.model_copy(update={"budget": [asked]}).passed
    missed = bad.model_copy(update={"budget": [asked.model_copy(update={"limit": 0.9})]})
    assert headline(missed) == "Requirements missed" and "missed" in render_html(missed)
    metres = {"metric": "error_mean_m", "device": 2.0, "commonest": 3.0}
    assert chance(**metres, low=-2.0, high=-0.1).passed and not chance(**metres, low=-2.0, high=0.1).passed


def timeline(right: list[bool]) -> Timeline:
    label = [i % 4 for i in range(len(right))]
    decided = [t if ok else (t + 1) % 4 for t, ok in zip(label, right, strict=True)]
    count = range(len(right))
    return Timeline(
        sample=list(count),
        recording=[0] * len(right),
        label=label,
        decided=decided,
        margin=[1.0] * len(right),
        rate_hz=5,
    )


def pair(lost: int, won: int, **new: Any) -> tuple[Evaluation, Evaluation]:
    base = house_evaluation()
    before = [True] * lost + [False] * won + [True] * 50
    after = [False] * lost + [True] * won + [True] * 50
    old = base.model_copy(update={"timeline": timeline(before)})
    quality = base.device.model_copy(update={"macro_f1": base.device.macro_f1 - 0.02})
    return old, base.model_copy(update={"timeline": timeline(after), "device": quality, **new})


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 3), (9, 1), (30, 14), (1, 7)])
def test_mcnemar_is_the_exact_binomial_test(lost: int, won: int) -> None:
    expected = 1.0 if lost + won == 0 else binomtest(lost, lost + won).pvalue
    assert mcnemar(lost, won).p == pytest.approx(expected)


def test_a_worse_score_within_noise_is_called_noise_and_beyond_it_a_regression() -> None:
    old, new = pair(lost=6, won=4)
    noisy = compare(new, old)
    assert not noisy.regressions and next(d for d in noisy.deltas if d.quantity.name == "macro F1").noise
    old, new = pair(lost=20, won=2)
    clear = compare(new, old)
    assert [d.quantity.name for d in clear.regressions] == ["macro F1"] and clear.pairs is not None
    assert clear.pairs.sentence().startswith("2 decisions became right and 20 wrong") and clear.pairs.significant


def test_the_report_fails_on_a_regression_and_shows_it_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = pair(lost=20, won=2)
    flash = new.flash.model_copy(update={"weights": new.flash.weights + 4096, "total": new.flash.total + 4096})
    run = tmp_path / "run"
    save_evaluation(old, tmp_path / "old.json")
    save_evaluation(new.model_copy(update={"flash": flash}), run / f"evaluation-{new.board}.json")
    command = ["report", str(run), "--baseline", str(tmp_path / "old.json")]
    outputs = [f"--{kind}={tmp_path / name}" for kind, name in (("markdown", "it.md"), ("junit", "it.xml"))]
    assert main([*command, *outputs]) == 1
    told = capsys.readouterr().out
    assert "+4.0 KB" in told and "WORSE" in told and "McNemar" in told
    assert "🔴 **worse**" in (tmp_path / "it.md").read_text()
    assert (
        'name="flash"' in (tmp_path / "it.xml").read_text()
        and "beside the baseline" in (tmp_path / "it.xml").read_text()
    )
    assert '<span class="over">worse</span>' in next(run.glob("*.html")).read_text()
    assert main(["report", str(run), "--baseline", str(run / f"evaluation-{new.board}.json")]) == 0
    (tmp_path / "no.json").write_text(json.dumps({"a": 1}))
    assert main(["report", str(run), "--baseline", str(tmp_path / "no.json")]) == 2


def test_a_baseline_stands_beside_its_own_board_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, _ = pair(lost=0, won=0)
    slower = old.model_copy(update={"board": "aducm3029", "flash": old.flash.model_copy(update={"total": 10**6})})
    run = tmp_path / "run"
    for each in (old, slower):
        save_evaluation(each, run / f"evaluation-{each.board}.json")
    save_evaluation(old, tmp_path / "old.json")
    assert main(["report", str(run), "--baseline", str(tmp_path / "old.json")]) == 0
    assert capsys.readouterr().out.count("Beside the baseline") == 1
    assert main(["report", str(run), "--board", "aducm3029", "--baseline", str(tmp_path / "old.json")]) == 1


def test_other_test_sets_are_not_paired() -> None:
    old, new = pair(lost=5, won=5)
    assert new.timeline is not None
    other = new.model_copy(
        update={"timeline": new.timeline.model_copy(update={"label": [0] * len(new.timeline.label)})}
    )
    found = compare(other, old)
    assert found.pairs is None and any("samples are not paired" in note for note in found.notes)
    assert np.isclose(found.deltas[0].change, -0.02)
