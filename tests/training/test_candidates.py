"""Candidates of a recipe: the best by validation is trained, and only that."""

from pathlib import Path

import pytest

from tests.training.test_carrying_over import site
from tinyloc.training import run
from tinyloc.training.data import catalogue
from tinyloc.training.errors import RecipeError
from tinyloc.training.recipe import parse_recipe

TEXT = """
name = "hall"
[data]
name = "house-a"
[model]
architecture = "mlp"
hidden = [12]
[output]
position = "mean"
spread_m = 2.0
[training]
steps = 80
batch = 32
learning_rate = 0.01
refit = true
[augmentation]
noise_db = 2.0
[export]
arithmetics = ["int8"]
[candidates.deaf]
augmentation = { reading_dropout = 0.98 }
[candidates.longer]
training = { steps = 240 }
[candidates.same]
input = { exponent = 1.0 }
"""


def test_the_best_by_validation_is_trained_on_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = site()
    monkeypatch.setattr(catalogue, "load", lambda *_: hall)
    recipe = parse_recipe(TEXT, "hall")
    found = run.train(recipe, tmp_path / "hall")
    tried = {one["name"]: one for one in found.metrics["candidates"]}
    assert list(tried) == ["deaf", "longer", "same"] and tried["deaf"]["figure"] == "error_mean_m"
    assert tried["longer"]["high"] < 0 < tried["deaf"]["low"]
    assert tried["same"]["low"] == tried["same"]["high"] == 0
    assert [name for name, one in tried.items() if one["chosen"]] == ["longer"]
    assert found.recipe.training.steps == 240 and not found.recipe.candidates
    assert found.record.samples["train"] == 680  # with the validation scans, which candidates did not see
    plain = run.train(found.recipe, tmp_path / "again")  # the run's recipe says it all
    assert plain.record.test == found.record.test


def test_no_clear_difference_keeps_the_recipe_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = site()
    monkeypatch.setattr(catalogue, "load", lambda *_: hall)
    text = TEXT.replace("steps = 80", "steps = 400")
    near = text[: text.index("[candidates")] + "[candidates.near]\ntraining = { batch = 31 }\n"
    found = run.train(parse_recipe(near, "hall"), tmp_path / "hall")
    (one,) = found.metrics["candidates"]
    assert one["low"] < 0 < one["high"] and not one["chosen"] and found.recipe.training.batch == 32


def test_a_blind_training_leaves_candidates_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hall = site()
    monkeypatch.setattr(catalogue, "load", lambda *_: hall)
    found = run.train(parse_recipe(TEXT, "hall"), tmp_path / "hall", blind=True)
    assert found.metrics["candidates"] == [] and found.recipe.training.steps == 80


def test_candidates_are_checked_with_the_recipe() -> None:
    strange = "[candidates.larger]\nmodel = { hidden = [64] }\n[candidates.odd]\ntraining = { speed = 3 }\n"
    with pytest.raises(RecipeError) as error:
        parse_recipe(TEXT + strange, "hall")
    assert "candidates.larger changes model; candidates change input, output, training, augmentation" in str(
        error.value
    )
    assert "candidates.odd: training.speed: unknown key" in str(error.value)


def test_candidates_of_a_preset_are_for_mlps() -> None:
    text = 'name = "a"\npreset = "wifi-positions"\n[data]\nname = "house-a"\n[model]\narchitecture = '
    assert list(parse_recipe(f'{text}"mlp"\nhidden = [4]\n', "a").candidates) == ["steady"]
    assert not parse_recipe(f'{text}"gru"\nhidden = 4\n', "a").candidates
