"""Numbers of boards, recipes and zoo cards: none passes that is no number, has no end, or is text."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.bundle.mutations import HUGE, NO_NUMBERS, changed, places
from tests.bundle.mutations import Path as Place
from tinyloc.boards import Board, board_names
from tinyloc.device.zoo.models import Card, names
from tinyloc.paths import BOARDS_DIR, ZOO_DIR
from tinyloc.strict import problems
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.recipe import RECIPES_DIR, Recipe, recipe_names

WRONG = (*NO_NUMBERS, *HUGE, "1", "x", True, [1], {"a": 1})


def documents() -> dict[str, tuple[type[BaseModel], Any]]:
    """Every board, every recipe and a card, as read from their files."""
    found: dict[str, tuple[type[BaseModel], Any]] = {}
    for name in board_names():
        found[f"board {name}"] = Board, _toml(BOARDS_DIR / name / "board.toml")
    for name in recipe_names():
        found[f"recipe {name}"] = Recipe, _toml(RECIPES_DIR / f"{name}.toml")
    card = names()[0]
    found[f"card {card}"] = Card, json.loads((ZOO_DIR / card / "card.json").read_text())
    return found


def _toml(path: Path) -> Any:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _numbers(content: Any) -> list[Place]:
    return [path for path, value in places(content) if isinstance(value, int | float) and not isinstance(value, bool)]


@pytest.mark.parametrize("name", documents())
def test_no_number_is_none(name: str) -> None:
    model, content = documents()[name]
    model.model_validate(content)
    passed = []
    for path in _numbers(content):
        for bad in WRONG:
            place = ".".join(map(str, path))
            try:
                model.model_validate(changed(content, path, bad))
            except ValidationError as error:
                assert str(path[0]) in " ".join(problems(error)), (place, bad)
            else:
                if not _is_legal(place, bad):
                    passed.append((place, bad))
    assert not passed, passed


def _is_legal(place: str, value: Any) -> bool:
    """Sizes may be lists, and options of data sets any number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if "options." in place:
        return is_number and abs(value) <= 10**9
    return place.endswith(("model.hidden", "compression.hidden")) and value == [1]


def test_a_budget_of_a_board_that_is_no_number_is_named() -> None:
    content = _toml(BOARDS_DIR / "stm32l4" / "board.toml")
    with pytest.raises(ValidationError, match=r"budget\.latency_ms"):
        Board.model_validate(changed(content, ("budget", "latency_ms"), float("nan")))


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["rate_hz", "held_out", "scan_s", "pause_s", "cell_m"])
def test_a_description_of_own_data_holds_numbers(key: str, bad: str) -> None:
    columns = '[columns]\naccess_points = ["ap*"]\nlabel = "room"\n'
    text = f'name = "x"\nlicence = "l"\nfile = "a.csv"\n{key} = {bad}\n{columns}'
    with pytest.raises(ValidationError, match=key):
        OwnData.model_validate(tomllib.loads(text))
