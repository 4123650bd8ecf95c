"""`tinyloc init`: from a file of radio readings to its description and a first recipe."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import BOARD_HELP, DEFAULT_BOARD
from tinyloc.errors import UserError, counted

if TYPE_CHECKING:
    from tinyloc.training.data.own.guess import Guess


class InitError(UserError):
    """Files that cannot be described; the message says what to correct."""


def init(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv", help="Radio readings with labels or positions; or a description, .toml."),
    ],
    test: Annotated[
        Path | None, typer.Option("--test", help="Test file with the same columns, in the same folder.")
    ] = None,
    board: Annotated[str, typer.Option("--board", help=BOARD_HELP, autocompletion=complete.boards)] = DEFAULT_BOARD,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; accept every guess.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the files of an earlier `tinyloc init`.")] = False,
) -> None:
    """Guess the format of a file of radio readings; write its description and a recipe that fits a board.

    Writes NAME.data.toml and NAME.recipe.toml beside the file. Of a description, such as `tinyloc survey` writes, it
    makes the recipe only. Continue with `tinyloc deploy NAME.recipe.toml`.
    """
    from tinyloc.boards import load_board
    from tinyloc.files import write_whole
    from tinyloc.training.data import own
    from tinyloc.training.data.own.guess import guess
    from tinyloc.training.data.own.start import description, first_look, safe_name
    from tinyloc.training.errors import DataError
    from tinyloc.training.suggest import suggest

    chosen = load_board(board)
    for path in (file, test):
        if path is not None and not path.is_file():
            raise InitError(f"{path}: no such file")
    if test is not None and test.resolve().parent != file.resolve().parent:
        raise InitError(f"{test} must be in the folder of {file}; the description names files by their place beside it")
    described = file.suffix == ".toml"
    if described and test is not None:
        raise InitError(f"{file} describes its test file itself; leave out --test")
    stem = file.name.removesuffix(".toml").removesuffix(".data") if described else file.stem
    name = safe_name(Path(f"{stem}.csv"))
    about = file if described else file.with_name(f"{name}.data.toml")
    recipe = file.with_name(f"{name}.recipe.toml")
    there = [str(path) for path in ([recipe] if described else [about, recipe]) if path.exists()]
    if there and not force:
        raise InitError(f"{' and '.join(there)} exist; correct them, or replace them with --force")
    found = None if described else guess(file)
    if found is not None:
        _ask(found, yes or not sys.stdin.isatty())
        write_whole(about, description(found, file.name, test.name if test else None, name))
    try:
        data_set = own.load(about)
    except DataError as error:
        told = "describes the data" if described else "holds the guesses"
        raise InitError(
            f"{error}. {about} {told}; correct it, then run `tinyloc data describe csv --data {about}`"
        ) from error
    text, _ = suggest(data_set, name, str(about), chosen.region("flash").size, sum(part.size for part in chosen.ram))
    write_whole(recipe, text)
    for line in (*data_set.notes, *first_look(data_set)):
        say(line)
    if found is not None and found.ignored:
        say(f"{counted(len(found.ignored), 'column')} not used: {', '.join(found.ignored)}")
    say(f"wrote {recipe if described else f'{about} and {recipe}'}; next: tinyloc deploy {recipe} --board {board}")


def _ask(found: "Guess", silent: bool) -> None:
    """Ask at most four questions about the guesses; `silent` accepts them."""

    def right(question: str) -> bool:
        return silent or typer.confirm(question, default=True)

    if not found.encoding_sure and not right(f"The file is not UTF-8. Read it as {found.settings['encoding']}?"):
        raise InitError("convert the file to UTF-8, or set `encoding` in its TOML file (docs/reference/data.md)")
    codes = " and ".join(f"{code:g}" for code in found.codes)
    if codes and not right(f"Readings of {codes} dBm are frequent. Do they mean that nothing was heard?"):
        found.settings["heard"] = found.codes
        found.codes = []
    columns = found.columns
    if "label" in columns and "x" in columns and not right(
        f"Predict column {columns['label']}? (No: positions from {columns['x']} and {columns['y']}.)"
    ):  # fmt: skip
        del columns["label"]
    kind = "walks: rows follow one another" if found.settings["sequential"] else "single scans"
    if "recording" in columns and not right(f"The rows look like {kind}. Is that right?"):
        found.settings["sequential"] = not found.settings["sequential"]
