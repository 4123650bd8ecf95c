"""Recipes that cannot fit are told before anything is trained: the state in RAM."""

from pathlib import Path

import pytest

from tests.tiny_recipe import tiny_recipe
from tinyloc.boards import load_board
from tinyloc.study.check import impossible
from tinyloc.study.spec import Cell
from tinyloc.training.errors import TrainingError
from tinyloc.training.run import train

MDCSA = 'model = { architecture = "mdcsa", hidden = 64, context = 200, crf = true }\n'
STATE = 3 * 199 * 64 + 2 * 64
"""Values, keys and mixed rows of the 199 samples before the newest, and two attended rows."""


def test_a_state_that_exceeds_the_budget_is_told_before_training(tmp_path: Path) -> None:
    recipe = tiny_recipe(MDCSA + f"[budget]\nram_bytes = {STATE - 1}\nflash_bytes = 100")
    with pytest.raises(TrainingError, match=rf"bytes of flash .*state takes at least {STATE} bytes of RAM"):
        train(recipe, tmp_path / "run", lambda done: pytest.fail("trained"))
    assert not (tmp_path / "run").exists()


def test_a_study_tells_of_boards_whose_ram_is_too_small() -> None:
    assert load_board("cc2650").region("ram").size < STATE < load_board("stm32l4").region("ram").size
    cell = Cell("house", "mdcsa", "plain", 1, ("cc2650", "stm32l4"), tiny_recipe(MDCSA))
    why = impossible([cell])[cell.id]
    assert f"cannot fit cc2650: a state of {STATE:,} values" in why and "stm32l4" not in why
