"""Names that the shell completes. They are read from directories; nothing heavy is imported for them."""

from collections.abc import Iterable
from pathlib import Path

import typer

from tinyloc.paths import PACKAGE_DIR, ZOO_DIR, board_files

ZOO_PREFIX = "zoo:"
ALL_BOARDS = "all"
"""Value of --board in commands that can go over every board."""


def board_names() -> list[str]:
    """Name the boards, as `tinyloc.boards.board_names` does."""
    return sorted(board_files())


def zoo_names() -> list[str]:
    """Name the models of the zoo, as `tinyloc.device.zoo.models.names` does."""
    return sorted(path.parent.name for path in ZOO_DIR.glob("*/card.json"))


def recipe_names() -> list[str]:
    """Name the recipes, as `tinyloc.training.recipe.recipe_names` does."""
    return sorted(path.stem for path in (PACKAGE_DIR / "training" / "recipes").glob("*.toml"))


BUDGETS = ("64k-ram", "32k-ram", "20k-ram", "64k-flash", "32k-flash")
"""Profiles of --budget."""


def budgets(incomplete: str) -> list[str]:
    """Complete --budget."""
    return _begin(list(BUDGETS), incomplete)


def boards(incomplete: str) -> list[str]:
    """Complete --board."""
    return _begin(board_names(), incomplete)


def boards_or_all(incomplete: str) -> list[str]:
    """Complete --board of commands that take all."""
    return _begin([ALL_BOARDS, *board_names()], incomplete)


def recipes(incomplete: str) -> list[str]:
    """Complete RECIPE."""
    return _begin(recipe_names(), incomplete)


def zoo_models(incomplete: str) -> list[str]:
    """Complete the name of a model of the zoo."""
    return _begin(zoo_names(), incomplete)


def data_sets(incomplete: str) -> list[str]:
    """Complete DATA."""
    from tinyloc.training.data.catalogue import DATA_SETS

    return _begin(DATA_SETS, incomplete)


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Complete RUN: runs below --runs-dir, and models of the zoo."""
    folder = Path(context.params.get("runs_dir") or "runs")
    found = [path.name for path in folder.glob("*") if (path / "run.json").is_file() or (path / "bundle").is_dir()]
    return _begin([*sorted(found), *(f"{ZOO_PREFIX}{name}" for name in zoo_names())], incomplete)


def studies(context: typer.Context, incomplete: str) -> list[str]:
    """Complete STUDY: studies below --results."""
    folder = Path(context.params.get("results") or "results")
    return _begin(sorted(path.parent.name for path in folder.glob("*/study.toml")), incomplete)


def flash_tools(context: typer.Context, incomplete: str) -> list[str]:
    """Complete --tool: tools of the board that --board names."""
    import tomllib

    name = str(context.params.get("board") or "")
    files = board_files().get(name, [])
    if len(files) != 1:
        return []
    flash = tomllib.loads(files[0].read_text(encoding="utf-8")).get("flash", {})
    return _begin([tool["tool"] for tool in (flash, *flash.get("other", [])) if "tool" in tool], incomplete)


def backend_lists(incomplete: str) -> list[str]:
    """Complete the last name of a list with commas."""
    from tinyloc.cli.choices import BackendChoice

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _begin(BackendChoice, last) if name not in before.split(",")]


def _begin(names: Iterable[str], incomplete: str) -> list[str]:
    return [str(name) for name in names if name.startswith(incomplete)]
