"""A firmware image as an object: `image.emulate()`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyloc.api.notebook import table
from tinyloc.api.progress import Shown, shown
from tinyloc.api.run_layout import RunLayout

if TYPE_CHECKING:
    from tinyloc.api.result import Result
    from tinyloc.boards import Board
    from tinyloc.device.image.build import BuildResult
    from tinyloc.device.image.footprint_record import Flash


@dataclass(frozen=True)
class Image:
    """Firmware with a model, for one board.

    Attributes:
        layout: Paths of the run.
        board: The board, from its board.toml.
        generated: Directory of the generated C.
        built: Files and sizes of the image.
        flash: How its flash is used, in bytes.
    """

    layout: RunLayout
    board: "Board"
    generated: Path
    built: "BuildResult"
    flash: "Flash"

    @property
    def elf(self) -> Path:
        """The ELF file."""
        return self.built.elf

    @property
    def flash_bytes(self) -> int:
        """Bytes that are written to flash."""
        return self.built.sizes.flash

    @property
    def static_ram_bytes(self) -> int:
        """Bytes of .data and .bss, arena and state included, without the stack."""
        return self.built.sizes.static_ram

    def emulate(
        self,
        *,
        measured: int = 200,
        wait_states: int | None = None,
        flash_cache: bool = True,
        require: str | None = None,
        progress: Shown = None,
    ) -> "Result":
        """Run the image in the emulator on the whole test set, and compare every answer with the host's integers.

        Args:
            measured: Samples whose cycles are modelled, spread over the test set; 0 for all.
            wait_states: Of a flash read, in core cycles; the board's own by default.
            flash_cache: Model the board's flash cache as switched on.
            require: Gates as on the command line, such as "ram=16K,macro_f1=0.75".
            progress: "bar", or a function of ("samples", done, in all).

        Returns:
            The evaluation; it is also kept in the run, where `tinyloc report` finds it.

        Raises:
            EvaluationError: Image, code and bundle do not belong together.
            RequirementError: Requirements that cannot be read, or that these data cannot answer.
            EmulatorCrash: The firmware did what the part does not allow.
        """
        from tinyloc.api.result import Result
        from tinyloc.device.emulator import EmulatedDevice
        from tinyloc.device.emulator.flash_reads import timing_of
        from tinyloc.device.evaluation.budget import parse_requirements
        from tinyloc.device.evaluation.evaluate import NOTHING, evaluate
        from tinyloc.device.report.record import save_evaluation

        asked = NOTHING if require is None else parse_requirements(require)
        device = EmulatedDevice(self.elf, self.board, timing=timing_of(self.board, wait_states, flash_cache))
        with shown(progress) as show:

            def samples(done: int, total: int) -> None:
                show("samples", done, total)

            found = evaluate(
                self.layout.bundle, self.generated, self.built, self.board, device, measured=measured,
                progress=samples, require=asked,
            )  # fmt: skip
        record = self.layout.evaluation(found.board, found.backend)
        save_evaluation(found, record)
        return Result(found, record)

    def _repr_html_(self) -> str:
        rows = [("flash", f"{self.flash_bytes:,} bytes"), ("static RAM", f"{self.static_ram_bytes:,} bytes"),
                ("ELF", self.elf)]  # fmt: skip
        return table(f"Image for {self.board.title}", rows)
