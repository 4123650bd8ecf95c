"""Recipes: found by name or path, strict, and all problems at once."""

from pathlib import Path

import pytest
import tomli_w

from tinyloc.training.errors import RecipeError
from tinyloc.training.recipe import find_recipe, load_recipe, parse_recipe, recipe_names

SMALL = """
name = "small"
[data]
name = "house-a"
[window]
steps = 4
hop = 2
[model]
architecture = "mamba"
hidden = 2
crf = true
[training]
epochs = 2
batch = 4
learning_rate = 0.01
chunk = 8
"""


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipes_of_tinyloc_are_valid_and_named_like_their_file(name: str) -> None:
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_written_reads_back_equal(name: str) -> None:
    recipe = load_recipe(name)
    assert parse_recipe(tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)), "again") == recipe


def test_a_recipe_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    assert find_recipe("uji-mlp").name == "uji-mlp.toml"
    own = tmp_path / "own.toml"
    own.write_text(SMALL)
    assert load_recipe(own).name == "small"
    with pytest.raises(RecipeError, match=r"no recipe 'uji-lmp'.*house-a-mamba.*uji-mlp"):
        load_recipe("uji-lmp")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epochs = 2\nepoch = 3", r"training\.epoch: unknown key \(known here: epochs, steps"),
        ("[window]", "[windows]\n[window]", r"windows: unknown key \(known here: name, title, preset, seed, data"),
        ("epochs = 2", "", r"training: give one of epochs and steps"),
        ("epochs = 2", 'epochs = "two"', r"training\.epochs: Input should be a valid integer"),
        ('"house-a"', '"house-z"', r"data: unknown data set 'house-z'; known data sets: ujiindoorloc"),
        ("[window]", "[data.options]\nsed = 1\n[window]", r"data: house-a has no option 'sed'"),
        ("chunk = 8", "chunk = 7", r"training.chunk = 7 must be a multiple of window.steps = 4"),
        ("hop = 2", "hop = 9", r"window.hop = 9 skips samples"),
        ("crf = true", "crf = false", r"needs model.crf = true"),
        ("hidden = 2", "hidden = [2]", r"model: hidden = \[2\]: a mamba model has one hidden size"),
        ("[training]", '[build]\noptimise = "O3"\n[training]', r"build\.optimise: 'O3' must be 'Os'"),
        ("[training]", '[export]\narithmetics = ["int8"]\ndefault = "int16x8"\n[training]', r"default = 'int16x8'"),
        ("[training]", '[export]\narithmetics = ["int8", "mixed"]\n[training]', r"belong together"),
        ("[training]", '[export.widths]\nembed = "w4a8"\n[training]', r"belong together"),
        ("[training]", '[export]\narithmetics=["int8", "mixed"]\nwidths={embed="w3a8"}\n[training]', r"'w4a8', 'w8a8'"),
        ("[training]", "[training", r"not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_told_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(RecipeError, match=message):
        parse_recipe(SMALL.replace(old, new, 1), "small.toml")


def test_all_problems_are_told_at_once() -> None:
    wrong = SMALL.replace("epochs = 2", "epochs = 0\nspeed = 3").replace("house-a", "house-z")
    with pytest.raises(RecipeError) as caught:
        parse_recipe(wrong, "small.toml")
    for part in ("small.toml", "training.epochs", "training.speed", "house-z"):
        assert part in str(caught.value)
