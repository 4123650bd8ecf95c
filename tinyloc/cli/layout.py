"""Where the stages of a run keep their files, and which command makes what is missing."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tinyloc.errors import UserError
from tinyloc.files import write_whole

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.bundle.schema import Arithmetic

ZOO_PREFIX = "zoo:"
TABLE_WIDTH = 112
"""Columns that a wide table takes at the least; a narrower terminal wraps it."""
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run directory, or its name below --runs-dir, or zoo:NAME (`zoo list`).")
]
RunsDirOption = Annotated[Path, typer.Option("--runs-dir", help="Where runs are kept.")]


def _board_of_zoo(context: typer.Context, board: str) -> str:
    """A callback of --board: where it is not given, a model of the zoo runs on the board that it was made for."""
    run = str(context.params.get("run") or "")
    source = context.get_parameter_source("board")
    if not run.startswith(ZOO_PREFIX) or source is None or source.name != "DEFAULT":
        return board
    from tinyloc.device.zoo.models import resolve

    return resolve(run.removeprefix(ZOO_PREFIX))[1]


BoardOption = Annotated[
    str,
    typer.Option(
        "--board",
        help="Board; `tinyloc board list` names them. A model of the zoo brings its own.",
        callback=_board_of_zoo,
    ),
]
ArithmeticOption = Annotated[
    str | None, typer.Option("--arithmetic", help="int8 or int16x8; without it the bundle's default.")
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="PROFILE", help="Hold to another budget than the board's: 64k-ram, 32k-ram, 64k-flash, ..."
    ),
]


class OutputError(UserError):
    """A file that cannot be written; found before the work that would fill it begins."""


def checked_output(path: Path | None) -> Path | None:
    """A callback of options that name an output file. Raises OutputError when it could not be written."""
    if path is None:
        return None
    if path.is_dir():
        raise OutputError(f"{path} is a directory; name a file")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise OutputError(f"{path} cannot be written: {parent} is a file; name another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: no permission to write in {parent}; name another place")
    return path


JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write what was measured as JSON.", callback=checked_output),
]

NATIVE = "native"
BackendOption = Annotated[
    str, typer.Option("--backend", help="Whose kernels run: native, cmsis_nn or tflm; docs/backends.md tells of them.")
]
DebugLayersOption = Annotated[
    bool, typer.Option("--debug-layers", help="Of the image that tells a checksum of every layer's result.")
]

RUNS_DIR = Path("runs")
DEFAULT_BOARD = "stm32l4"


def board_within(name: str, budget: str | None) -> "Board":
    """The board, with the budget of a profile when one is asked for."""
    from tinyloc.boards import load_board
    from tinyloc.boards.profiles import with_profile

    board = load_board(name)
    return board if budget is None else with_profile(board, budget)


def with_arithmetic(arithmetic: str | None) -> str:
    """The option as it was given, for the command that a hint names."""
    return f"--arithmetic {arithmetic}" if arithmetic else ""


def with_backend(backend: str) -> str:
    """The same of --backend."""
    return "" if backend == NATIVE else f"--backend {backend}"


def _variant(name: str, backend: str) -> str:
    """Back ends lie beside each other; the plain name is the native one's."""
    return name if backend == NATIVE else f"{name}-{backend}"


class RunError(UserError):
    """A run, or a part of one, that is not there; the message names the command that makes it."""


@dataclass(frozen=True)
class RunLayout:
    """Paths of one run directory, `runs/<name>/`."""

    path: Path

    @property
    def bundle(self) -> Path:
        return self.path / "bundle"

    def generated(self, arithmetic: str, backend: str = NATIVE) -> Path:
        return self.path / "generated" / _variant(arithmetic, backend)

    def firmware(self, board: str, backend: str = NATIVE, debug_layers: bool = False) -> Path:
        return self.path / "firmware" / (_variant(board, backend) + ("-layers" if debug_layers else ""))

    def evaluation(self, board: str, backend: str = NATIVE) -> Path:
        return self.path / f"evaluation-{_variant(board, backend)}.json"

    def report(self, board: str, backend: str = NATIVE) -> Path:
        return self.path / f"report-{_variant(board, backend)}.html"

    def arithmetic(self, wanted: str | None) -> "Arithmetic":
        """The arithmetic asked for, checked against the bundle, or the bundle's default."""
        from tinyloc.bundle.schema import load_bundle

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
        from tinyloc.bundle.schema import load_bundle

        level = wanted or load_bundle(self.bundle).settings.get("recipe", {}).get("build", {}).get("optimise", "Os")
        if level == "Os":
            return "Os"
        if level == "O2":
            return "O2"
        raise RunError(f"--optimise {level}: must be Os (size) or O2 (speed)")

    def need_generated(self, arithmetic: str | None, backend: str = NATIVE) -> Path:
        """The generated code of that arithmetic, or of the bundle's default."""
        path = self.generated(self.arithmetic(arithmetic), backend)
        return self.need(path, "codegen", with_arithmetic(arithmetic), with_backend(backend))

    def need_firmware(
        self, board: str, arithmetic: str | None = None, backend: str = NATIVE, debug_layers: bool = False
    ) -> Path:
        """The build for a board."""
        options = [f"--board {board}", with_arithmetic(arithmetic), with_backend(backend)]
        options += ["--debug-layers"] if debug_layers else []
        return self.need(self.firmware(board, backend, debug_layers), "build", *options)

    def need(self, path: Path, command: str, *options: str) -> Path:
        """`path` if it exists, else RunError with the command that makes it."""
        if not path.exists():
            made_by = " ".join(part for part in ("tinyloc", command, str(self.path), *options) if part)
            raise RunError(f"{path} is not there; make it with `{made_by}`")
        return path


def new_run(name: str, runs_dir: Path) -> Path:
    """Directory of a run that is to be made. Raises RunError when the name would lead out of `runs_dir`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise RunError(
            f"--run {name}: a name is made of letters, digits, '.', '_' and '-', and begins with a letter or digit; "
            "say with --runs-dir where runs are kept"
        )
    return runs_dir / name


def find_run(run: str, runs_dir: Path) -> RunLayout:
    """RUN as a directory, a name below `runs_dir`, or zoo:NAME, a model that comes with tinyloc.

    What holds a run goes before what only has its name.
    """
    if run.startswith(ZOO_PREFIX):
        from tinyloc.cli.zoo import zoo_run

        return zoo_run(run, runs_dir)
    places = [path for path in (Path(run), runs_dir / run) if path.is_dir()]
    for path in places:
        if (path / "run.json").is_file() or (path / "bundle").is_dir():
            return RunLayout(path)
    if places:
        return RunLayout(places[-1])
    have = sorted(path.name for path in runs_dir.glob("*") if path.is_dir()) if runs_dir.is_dir() else []
    known = f"there are {', '.join(have)}" if have else "there are no runs yet"
    raise RunError(f"no run {run!r} here or below {runs_dir}; {known}; `tinyloc train RECIPE --run {run}` makes one")


def write_json(path: Path | None, content: Any) -> None:
    """Write the content of `--json`, if it was asked for."""
    if path is not None:
        write_whole(path, json.dumps(content, indent=2) + "\n")
