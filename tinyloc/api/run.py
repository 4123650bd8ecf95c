"""A finished training as an object: `run.export()`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.api.notebook import table
from tinyloc.api.run_layout import RunLayout

if TYPE_CHECKING:
    from tinyloc.api.bundle import Bundle
    from tinyloc.training.run import TrainedRun


@dataclass(frozen=True)
class Run:
    """A run directory with a trained model.

    Attributes:
        trained: Model, test set and record (tinyloc.training.run).
    """

    trained: "TrainedRun"

    @classmethod
    def open(cls, directory: str | Path) -> "Run":
        """Open a finished run.

        Args:
            directory: Of the run, such as `runs/uji-mlp`.

        Returns:
            The run, its model on the CPU in evaluation mode.

        Raises:
            TrainingError: No finished run there, or a damaged one.
        """
        from tinyloc.training.run import load_run

        return cls(load_run(Path(directory)))

    @property
    def name(self) -> str:
        """Name of the run's model."""
        return self.trained.name

    @property
    def directory(self) -> Path:
        """Directory of the run."""
        return self.trained.directory

    @property
    def parameters(self) -> int:
        """Trainable parameters that are deployed."""
        return self.trained.record.parameters

    @property
    def validation(self) -> dict[str, float]:
        """Figures on the validation split: macro_f1 and accuracy in 0..1, errors in metres."""
        return dict(self.trained.record.validation)

    @property
    def test(self) -> dict[str, float]:
        """The same of the float model on the test split. Choose nothing by it."""
        return dict(self.trained.record.test)

    def export(self, *, tell: Callable[[str], None] = lambda line: None) -> "Bundle":
        """Export the model as ONNX and quantised TFLite, check both, and write the bundle.

        Args:
            tell: Gets lines of text: what is done, then the table of stages.

        Returns:
            The bundle, in the directory of the run.

        Raises:
            ExportError: A stage fails or departs from the one before; a tool is missing.
        """
        from tinyloc.api.bundle import Bundle
        from tinyloc.export.pipeline import export_run

        export_run(self.directory, tell=tell)
        return Bundle(RunLayout(self.directory))

    def _repr_html_(self) -> str:
        rows: list[tuple[str, Any]] = [("directory", self.directory), ("parameters", f"{self.parameters:,}")]
        rows += [(f"validation {name}", f"{value:.3f}") for name, value in self.validation.items() if "_f1" in name]
        return table(f"Run {self.name}", rows)
