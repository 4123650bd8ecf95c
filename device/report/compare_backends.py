"""One model on several back ends: generated, built, run on the same board over the same test set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyloc.boards import Board
from tinyloc.bundle.schema import Arithmetic
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.backends.compile import compile_for
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluation.evaluate import MEASURED_SAMPLES, evaluate
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.image.backends import extras_of
from tinyloc.device.image.build import BuildResult, Optimise, build_firmware
from tinyloc.device.report.summary import summary
from tinyloc.errors import UserError

Places = Callable[[Backend], tuple[Path, Path]]
"""Back end -> directories of its generated code and of its firmware."""


@dataclass(frozen=True)
class Row:
    """A back end's figures, or why there are none."""

    backend: Backend
    evaluation: Evaluation | None
    reason: str = ""

    @property
    def equality(self) -> str:
        """What the answers equal, as a clause."""
        if self.evaluation is None:
            return ""
        e = self.evaluation
        if e.mismatches:
            return f"{e.mismatches:,} of {e.samples:,} answers differ from its own reference"
        if e.litert is None or not e.litert.samples:
            return f"LiteRT on all {e.samples:,} samples"
        return (
            f"its own reference; {e.litert.samples:,} of {e.samples:,} samples differ from LiteRT's by up to "
            f"{e.litert.largest}, {e.litert.decisions:,} decisions"
        )


def compare_backends(
    bundle: Path,
    arithmetic: Arithmetic,
    board: Board,
    optimise: Optimise,
    backends: Sequence[Backend],
    places: Places,
    *,
    measured: int = MEASURED_SAMPLES,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Generate, build and emulate a bundle's model on each back end.

    Args:
        optimise: for the code that is compiled here; libraries are as their user built them.
        measured: samples whose cycles are modelled, 0 for all.
        tell: called with what is done next.
    A back end that is not installed, cannot run the model or does not fit gives a row with the reason: the others are
    compared all the same.
    """

    def row(backend: Backend) -> Row:
        generated, firmware = places(backend)
        tell(f"{backend}: code")
        try:
            manifest = compile_for(backend, bundle, generated, arithmetic)
            tell(f"{backend}: firmware")
            build: BuildResult = build_firmware(generated, board, firmware, optimise, extras=extras_of(manifest, board))
            tell(f"{backend}: emulated test set")
            device = EmulatedDevice(build.elf, board)
            return Row(backend, evaluate(bundle, generated, build, board, device, measured=measured))
        except EmulatorCrash as crash:
            return Row(backend, None, str(crash))
        except UserError as error:
            return Row(backend, None, str(error))

    return [row(backend) for backend in backends]


def figures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for machines: the summary of each evaluation, or the reason why there is none."""
    return [
        {"backend": row.backend, "reason": row.reason, **(summary(row.evaluation) if row.evaluation else {})}
        for row in rows
    ]


def times_native(rows: Sequence[Row], quantity: Callable[[Evaluation], float | None]) -> dict[Backend, float]:
    """Each back end's quantity over native's, where both were measured."""
    values = {row.backend: quantity(row.evaluation) for row in rows if row.evaluation is not None}
    base = values.get("native")
    return {backend: value / base for backend, value in values.items() if base and value is not None}
