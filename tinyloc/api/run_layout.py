"""Paths of a run directory, and the command that makes each missing part."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tinyloc.errors import UserError

if TYPE_CHECKING:
    from tinyloc.bundle.schema import Arithmetic

NATIVE = "native"


class RunError(UserError):
    """A run, or a part of one, that does not exist; the message names the command that makes it."""


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
        """Check --arithmetic against the bundle; without it give the bundle's default. Raises RunError."""
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
        """Give the level of the C compiler: --optimise, else that of the recipe, else Os. Raises RunError."""
        from tinyloc.bundle.schema import load_bundle

        level = wanted or load_bundle(self.bundle).build.optimise
        if level == "Os":
            return "Os"
        if level == "O2":
            return "O2"
        raise RunError(f"{self.bundle}: the recipe's build.optimise is {level!r}; it must be Os (size) or O2 (speed)")

    def need_generated(self, arithmetic: str | None, backend: str = NATIVE) -> Path:
        """Give the directory of the generated code. Raises RunError if it does not exist."""
        path = self.generated(self.arithmetic(arithmetic), backend)
        return self.need(path, "codegen", _arithmetic_option(arithmetic), _backend_option(backend))

    def need_firmware(
        self, board: str, arithmetic: str | None = None, backend: str = NATIVE, debug_layers: bool = False
    ) -> Path:
        """Give the directory of the image for a board. Raises RunError if it does not exist."""
        options = [f"--board {board}", _arithmetic_option(arithmetic), _backend_option(backend)]
        options += ["--debug-layers"] if debug_layers else []
        return self.need(self.firmware(board, backend, debug_layers), "build", *options)

    def built_boards(self, backend: str = NATIVE) -> list[str]:
        """Name the boards that the run has an image for."""
        from tinyloc.boards import board_names

        return [board for board in board_names() if self.firmware(board, backend).is_dir()]

    def need(self, path: Path, command: str, *options: str) -> Path:
        """Give `path` if it exists, else raise RunError with the command that makes it."""
        if not path.exists():
            made_by = " ".join(part for part in ("tinyloc", command, str(self.path), *options) if part)
            raise RunError(f"{path} does not exist; make it with `{made_by}`")
        return path


def _arithmetic_option(arithmetic: str | None) -> str:
    """Give the option as the hint of a command shows it."""
    return f"--arithmetic {arithmetic}" if arithmetic else ""


def _backend_option(backend: str) -> str:
    return "" if backend == NATIVE else f"--backend {backend}"


def _variant(name: str, backend: str) -> str:
    """Name a file of a back end; the native one has the plain name."""
    return name if backend == NATIVE else f"{name}-{backend}"


def new_run(name: str, runs_dir: Path) -> Path:
    """Give the directory of a new run. Raises RunError when the name would lead out of `runs_dir`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise RunError(
            f"--run {name}: use letters, digits, '.', '_' and '-', and begin with a letter or digit; choose the "
            "directory with --runs-dir"
        )
    return runs_dir / name
