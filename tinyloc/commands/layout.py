"""Where the stages of a run keep their files, and which command makes what is missing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tinyloc.boards.errors import UserError
from tinyloc.boards.files import write_whole

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.export.bundle import Arithmetic

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run directory, or its name below --runs-dir.")]
RunsDirOption = Annotated[Path, typer.Option("--runs-dir", help="Where runs are kept.")]
BoardOption = Annotated[str, typer.Option("--board", help="Board; `tinyloc board list` names them.")]
ArithmeticOption = Annotated[
    str | None, typer.Option("--arithmetic", help="int8 or int16x8; without it the bundle's default.")
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="PROFILE", help="Hold to another budget than the board's: 64k-ram, 32k-ram, 64k-flash, ..."
    ),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write what was measured as JSON.")]

RUNS_DIR = Path("runs")
DEFAULT_BOARD = "stm32l4"


def board_within(name: str, budget: str | None) -> "Board":
    """The board, with the budget of a profile when one is asked for."""
    from tinyloc.boards import load_board
    from tinyloc.boards.profiles import with_profile

    board = load_board(name)
    return board if budget is None else with_profile(board, budget)


class RunError(UserError):
    """A run, or a part of one, that is not there; the message names the command that makes it."""


@dataclass(frozen=True)
class RunLayout:
    """Paths of one run directory, `runs/<name>/`."""

    path: Path

    @property
    def bundle(self) -> Path:
        return self.path / "bundle"

    def generated(self, arithmetic: str) -> Path:
        return self.path / "generated" / arithmetic

    def firmware(self, board: str) -> Path:
        return self.path / "firmware" / board

    def evaluation(self, board: str) -> Path:
        return self.path / f"evaluation-{board}.json"

    def report(self, board: str) -> Path:
        return self.path / f"report-{board}.html"

    def arithmetic(self, wanted: str | None) -> "Arithmetic":
        """The arithmetic asked for, checked against the bundle, or the bundle's default."""
        from tinyloc.export.bundle import load_bundle

        bundle = load_bundle(self.need(self.bundle, "export"))
        if wanted is None:
            return bundle.default_arithmetic
        known = [entry.arithmetic for entry in bundle.models]
        for arithmetic in known:
            if arithmetic == wanted:
                return arithmetic
        raise RunError(f"{self.bundle} has no {wanted} model; it has {', '.join(known)}")

    def optimise(self, wanted: str | None) -> Literal["Os", "O2"]:
        """What the model is compiled for: as asked for, else as the recipe says, else size."""
        from tinyloc.export.bundle import load_bundle

        level = wanted or load_bundle(self.bundle).settings.get("recipe", {}).get("build", {}).get("optimise", "Os")
        if level == "Os":
            return "Os"
        if level == "O2":
            return "O2"
        raise RunError(f"--optimise {level}: must be Os (size) or O2 (speed)")

    def need(self, path: Path, command: str, options: str = "") -> Path:
        """`path` if it exists, else RunError with the command that makes it."""
        if not path.exists():
            made_by = " ".join(part for part in ("tinyloc", command, str(self.path), options) if part)
            raise RunError(f"{path} is not there; make it with `{made_by}`")
        return path


def find_run(run: str, runs_dir: Path) -> RunLayout:
    """RUN as a directory, or as a name below `runs_dir`."""
    for path in (Path(run), runs_dir / run):
        if path.is_dir():
            return RunLayout(path)
    have = sorted(path.name for path in runs_dir.glob("*") if path.is_dir()) if runs_dir.is_dir() else []
    known = f"there are {', '.join(have)}" if have else "there are no runs yet"
    raise RunError(f"no run {run!r} here or below {runs_dir}; {known}; `tinyloc train RECIPE --run {run}` makes one")


def write_json(path: Path | None, content: Any) -> None:
    """Write the content of `--json`, if it was asked for."""
    if path is not None:
        write_whole(path, json.dumps(content, indent=2) + "\n")
