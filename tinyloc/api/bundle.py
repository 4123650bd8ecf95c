"""A bundle as an object: opened, exported, of the zoo, or made from any network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.api.notebook import table
from tinyloc.api.run_layout import NATIVE, RunLayout, new_run
from tinyloc.bundle import schema

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from tinyloc.api.image import Image
    from tinyloc.export.network.description import Description

    Readings = npt.ArrayLike

RUNS_DIR = Path("runs")
Tell = Callable[[str], None]


def _quiet(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Bundle:
    """What everything after training reads.

    Attributes:
        layout: Paths of the run that holds the bundle.
    """

    layout: RunLayout

    @classmethod
    def open(cls, directory: str | Path) -> "Bundle":
        """Open a bundle.

        Args:
            directory: Of a run, or of the bundle in it.

        Returns:
            The bundle; its files are checked.

        Raises:
            BundleError: It is missing, damaged or of a newer version.
        """
        path = Path(directory)
        if (path / schema.BUNDLE).is_file():
            if path.name != "bundle":
                raise schema.BundleError(f"{path}: give the run, whose directory `bundle` holds the bundle")
            path = path.resolve().parent
        schema.load_bundle(path / "bundle")
        return cls(RunLayout(path))

    @classmethod
    def from_zoo(cls, name: str, directory: str | Path | None = None) -> "Bundle":
        """Unpack a model of the zoo.

        Args:
            name: As `tinyloc zoo list` shows it.
            directory: Of the run. Default: `runs/zoo-NAME`.

        Returns:
            The bundle.

        Raises:
            UserError: No such model.
        """
        from tinyloc.device.zoo.models import resolve, unpack

        known, _ = resolve(name)
        path = RUNS_DIR / f"zoo-{known}" if directory is None else Path(directory)
        unpack(known, path)
        return cls(RunLayout(path))

    @classmethod
    def from_network(
        cls,
        network: "nn.Module | str | Path",
        /,
        *,
        inputs: Sequence[str] | schema.Preprocessing,
        classes: Sequence[str],
        calibration: "Readings | Mapping[str, Any]",
        test: "tuple[Readings, Readings] | Mapping[str, Any]",
        name: str = "network",
        directory: str | Path | None = None,
        tell: Tell = _quiet,
        **tables: Any,
    ) -> "Bundle":
        """Make a bundle from any network.

        Args:
            network: A torch.nn.Module that takes readings (1, P) and returns scores (1, C), takes a window (1, T, P) or
                (1, P, T), or takes a reading and states and returns scores and states; or `module:Class`, or a file
                that ends in .pt2, .onnx or .tflite (float32, or fully quantised).
            inputs: Names of the P access points in the order of the inputs; the scaling to 0..1 is fitted on the
                calibration. A `Preprocessing` says how the network was trained to see readings.
            classes: Names of the C classes in the order of the scores.
            calibration: Readings (N, P) in dBm, NaN where not heard, in the order of time; or the arrays of a
                calibration file, `{"rssi_dbm": ..., "recording": ...}`.
            test: Readings (N, P) and labels (N,), class indices or -1; or `{"rssi_dbm": ..., "label": ...,
                "recording": ..., "position_m": ...}`.
            name: Of the bundle.
            directory: Of the run that gets the bundle. Default: `runs/NAME`.
            tell: Gets lines of text: steps, notes, the table of stages.
            tables: The other tables of a description (docs/reference/own-network.md), such as
                `window={"steps": 5, "hop": 5, "rate_hz": 5.0}` or `input={"samples": 20}`.

        Returns:
            The bundle.

        Raises:
            ExportError: What does not fit: ends, classes, shapes, operators, calibration; all that is known at once.
            CompileError: What the compiler refuses.
        """
        import numpy as np

        from tinyloc.export.network.description import describe
        from tinyloc.export.network.make import Given, given_network, network_bundle
        from tinyloc.export.network.samples import from_arrays

        ends: dict[str, Any] = dict(tables.pop("input", {}))
        if isinstance(inputs, schema.Preprocessing):
            ends |= inputs.model_dump(mode="json")
        else:
            ends["access_points"] = [str(point) for point in inputs]
        output = {**tables.pop("output", {}), "classes": [str(each) for each in classes]}
        about = describe({"name": name, "input": ends, "output": output, **tables})
        given_calibration = calibration if isinstance(calibration, Mapping) else {"rssi_dbm": calibration}
        given_test = test if isinstance(test, Mapping) else dict(zip(("rssi_dbm", "label"), test, strict=True))
        samples = from_arrays(
            about,
            {key: np.asarray(value) for key, value in given_calibration.items()},
            {key: np.asarray(value) for key, value in given_test.items()},
        )
        if isinstance(network, str | Path):
            given = given_network(str(network), about, Path())
        else:
            given = Given(type(network).__name__, module=network)
        layout = RunLayout(new_run(name, RUNS_DIR) if directory is None else Path(directory))
        network_bundle(given, about, samples, layout.bundle, tell, compilable)
        return cls(layout)

    @property
    def about(self) -> schema.Bundle:
        """All that bundle.json says."""
        return schema.load_bundle(self.layout.bundle)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.about.name

    @property
    def directory(self) -> Path:
        """Directory of the bundle."""
        return self.layout.bundle

    def build(
        self,
        board: str = "stm32l4",
        *,
        arithmetic: schema.Arithmetic | None = None,
        optimise: str | None = None,
        backend: str = NATIVE,
        reference: str | None = None,
    ) -> "Image":
        """Compile the model to C, and the firmware with it for a board.

        Args:
            board: Name of the board (`tinyloc board list`).
            arithmetic: Form of the model. Default: the bundle's.
            optimise: "Os" (size) or "O2" (speed). Default: the bundle's.
            backend: "native", "cmsis_nn" or "tflm".
            reference: "tinyloc" or "litert". Default: the bundle's.

        Returns:
            The image.

        Raises:
            CompileError: What the compiler refuses, all at once.
            BuildError: No compiler, or the image is larger than the board.
        """
        from tinyloc.api.image import Image
        from tinyloc.api.steps import build_image, generate
        from tinyloc.boards import load_board

        found = load_board(board)
        generated, _ = generate(self.layout, arithmetic, backend, reference)
        built, flash = build_image(self.layout, found, arithmetic, optimise, backend)
        return Image(self.layout, found, generated, built, flash)

    def _repr_html_(self) -> str:
        about = self.about
        rows: list[tuple[str, Any]] = [
            ("architecture", about.architecture),
            ("parameters", f"{about.parameters:,}"),
            ("access points", len(about.preprocessing.access_points)),
            ("classes", len(about.outputs.classes)),
            ("forms", ", ".join(model.arithmetic for model in about.models)),
            ("data", about.data.title),
        ]
        return table(f"Bundle {about.name}", rows)


def new_bundle(network: str, about: "Description", folder: Path, directory: Path, tell: Tell = _quiet) -> Path:
    """Make the bundle of a described network.

    Args:
        network: `module:Class` or a file.
        about: The description.
        folder: The directory that the description names files in.
        directory: Of the bundle.
        tell: Gets lines of text.

    Returns:
        The directory of the bundle.

    Raises:
        ExportError: What does not fit.
        CompileError: What the compiler refuses.
    """
    from tinyloc.export.network.make import given_network, network_bundle
    from tinyloc.export.network.samples import from_files

    samples = from_files(about, folder)
    return network_bundle(given_network(network, about, folder), about, samples, directory, tell, compilable)


def compilable(directory: Path) -> None:
    """Raise CompileError with everything that the compiler refuses in any form of a bundle."""
    from tinyloc.codegen.frontend.source import read_source

    for model in schema.load_bundle(directory).models:
        read_source(directory, model.arithmetic)
