"""An evaluation as an object: figures, layers, and its report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.api.notebook import table
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import grouped, microjoules, milliseconds, score, size
from tinyloc.device.report.record import load_evaluation
from tinyloc.device.report.summary import latency_ms, summary
from tinyloc.device.report.verdict import headline

if TYPE_CHECKING:
    from tinyloc.device.evaluation.evaluation_record import Layer


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Attributes:
        record: Everything, as JSON and report are made of it (tinyloc.device.evaluation.evaluation_record).
        path: The file that holds the record.
    """

    record: Evaluation
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Result":
        """Read an evaluation-BOARD.json of a run. Raises ReportError when it is none."""
        return cls(load_evaluation(Path(path)), Path(path))

    @property
    def passed(self) -> bool:
        """Whether every gate holds and every answer equals the host's."""
        return self.record.passed

    @property
    def verdict(self) -> str:
        """ "Passed", or the worst problem."""
        return headline(self.record)

    @property
    def macro_f1(self) -> float:
        """Macro F1 on the device, 0..1; on golden scans agreement with the float model."""
        return self.record.device.macro_f1

    @property
    def accuracy(self) -> float:
        """Accuracy on the device, 0..1."""
        return self.record.device.accuracy

    @property
    def errors_m(self) -> dict[str, float] | None:
        """Mean, p50, p75, p90 and max of the position error in metres; None without positions."""
        return None if self.record.device.errors_m is None else dict(self.record.device.errors_m)

    @property
    def flash_bytes(self) -> int:
        """Flash of the whole image, in bytes."""
        return self.record.flash.total

    @property
    def ram_bytes(self) -> int:
        """RAM with the used stack, in bytes."""
        return self.record.ram.total

    @property
    def cycles(self) -> float | None:
        """Median cycles per sample; None where none were counted."""
        return None if self.record.cycles is None else self.record.cycles.median

    @property
    def latency_ms(self) -> float | None:
        """Median time per sample in milliseconds at the board's clock."""
        return latency_ms(self.record)

    @property
    def energy_uj(self) -> float | None:
        """Energy per inference in microjoules, estimated from cycles and currents."""
        return None if self.record.energy is None else self.record.energy.microjoule

    @property
    def layers(self) -> "list[Layer]":
        """The generated layers: operators, MACs, bytes of constants, median cycles."""
        return list(self.record.layers)

    def summary(self) -> dict[str, Any]:
        """Give the key figures as flat JSON, the same as `--json` writes."""
        return summary(self.record)

    def html(self) -> str:
        """Give the report as one HTML document."""
        from tinyloc.device.image.library_record import load_sizes
        from tinyloc.device.report.html import render_html

        return render_html(self.record, load_sizes(self.path.parent, self.record.model_id))

    def report(self, path: str | Path) -> Path:
        """Write the report.

        Args:
            path: File that ends in .html, .md (a summary for a pull request), .xml (JUnit) or .json (key figures).

        Returns:
            The path.

        Raises:
            ReportError: Another ending.
        """
        import json

        from tinyloc.device.report.junit import junit
        from tinyloc.device.report.markdown import markdown
        from tinyloc.device.report.record import ReportError
        from tinyloc.files import write_whole

        target = Path(path)
        kinds: dict[str, Callable[[], str]] = {
            ".html": self.html,
            ".md": lambda: markdown([self.record]),
            ".xml": lambda: junit([self.record]),
            ".json": lambda: json.dumps(self.summary(), indent=1) + "\n",
        }
        if target.suffix not in kinds:
            raise ReportError(f"{target}: a report ends in {', '.join(kinds)}")
        write_whole(target, kinds[target.suffix]())
        return target

    def _repr_html_(self) -> str:
        found = self.record
        rows: list[tuple[str, Any]] = [
            ("verdict", self.verdict),
            ("macro F1", score(self.macro_f1)),
            ("accuracy", score(self.accuracy)),
            ("flash", size(self.flash_bytes)),
            ("RAM", size(self.ram_bytes)),
        ]
        if self.cycles is not None and self.latency_ms is not None:
            rows.append(("per sample", f"{grouped(self.cycles)} cycles = {milliseconds(self.latency_ms)}"))
        if self.energy_uj is not None:
            rows.append(("energy", f"{microjoules(self.energy_uj)} (estimate)"))
        return table(f"{found.name} ({found.arithmetic}) on {found.board_title}, {found.transport}", rows)
