"""The Python interface: quick to import, no torch, one family of errors, nothing printed."""

import subprocess
import sys
from pathlib import Path

import pytest

import tinyloc
from tests.evaluation_samples import house_evaluation
from tests.small_bundle import small_bundle
from tinyloc import Bundle, Recipe, Result, Run, UserError
from tinyloc.api.progress import shown
from tinyloc.device.report.record import save_evaluation
from tinyloc.device.report.summary import summary


def test_the_names_are_there_and_bring_no_torch() -> None:
    lines = "import sys, tinyloc\nfor name in tinyloc.__all__: getattr(tinyloc, name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "tensorflow", "unicorn"} & set(done.stdout.split())
    plain = subprocess.run(
        [sys.executable, "-c", "import sys, tinyloc\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not {"pydantic", "numpy"} & set(plain.stdout.split())
    assert set(tinyloc.__all__) <= set(dir(tinyloc))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = tinyloc.Nothing


def test_errors_are_of_one_family_with_the_text_of_the_command_line(tmp_path: Path) -> None:
    for call, told in (
        (lambda: Recipe.load("nothing"), "no recipe 'nothing'"),
        (lambda: Recipe.load("uji-mlp").changed(training={"epochs": 0}), "training.epochs"),
        (lambda: Run.open(tmp_path), "no finished run here"),
        (lambda: Bundle.open(tmp_path), "no bundle.json here"),
        (lambda: Bundle.from_zoo("nothing", tmp_path / "zoo"), "nothing"),
        (lambda: Result.open(tmp_path / "no.json"), "no.json"),
    ):
        with pytest.raises((UserError, OSError), match=told):
            call()


def test_a_recipe_is_changed_by_key() -> None:
    recipe = Recipe.load("uji-mlp")
    changed = recipe.changed(seed=7, training={"epochs": 3})
    assert (changed.settings.seed, changed.settings.training.epochs) == (7, 3)
    assert changed.settings.training.batch == recipe.settings.training.batch
    assert recipe.name in Recipe.names() and "uji-mlp" in recipe._repr_html_()


def test_a_bundle_opens_by_its_run_or_its_own_directory(tmp_path: Path) -> None:
    small_bundle(tmp_path / "run" / "bundle")
    for place in (tmp_path / "run", tmp_path / "run" / "bundle"):
        assert Bundle.open(place).name == "small"


def test_a_result_has_the_figures_of_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_evaluation(house_evaluation(), tmp_path / "evaluation-stm32l4.json")
    result = Result.open(tmp_path / "evaluation-stm32l4.json")
    figures = summary(house_evaluation())
    assert result.summary() == figures
    for name in ("macro_f1", "accuracy", "errors_m", "flash_bytes", "ram_bytes", "latency_ms", "energy_uj", "passed"):
        assert getattr(result, name) == figures[name]
    assert result.html().startswith("<!doctype html>") and result.cycles == figures["cycles_median"]
    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_a_function_a_bar_or_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, int, int]] = []
    with shown(lambda *step: seen.append(step)) as show:
        show("samples", 1, 2)
    assert seen == [("samples", 1, 2)]
    for quiet in (None, "bar"):
        with shown(quiet) as show:
            show("samples", 1, 2)
    assert capsys.readouterr().out == ""
