"""What a TOML file says of a network of your own (docs/reference/own-network.md). Unknown keys are errors."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.quantities import Dbm, Exponent, Held, Index, Once, Place, Samples, Size
from tinyloc.bundle.schema import Arithmetic, Budget, Build, Crf, Unknown, Width, Window
from tinyloc.bundle.site import Site
from tinyloc.export.errors import ExportError
from tinyloc.names import FileName, Line, OptionalLine
from tinyloc.strict import Strict, problems

Order = Literal["samples, access points", "access points, samples"]


class Input(Strict):
    """[input]: How readings become the input of the network: scaled to 0..1, 0 where an access point is not heard."""

    access_points: Annotated[list[Line], Once, Field(min_length=1, max_length=65535)] | None = None
    """Ids of the access points in the order of the network's inputs. Left out: those of samples.data."""
    floor_dbm: Dbm | None = None
    """Reading in dBm that the network was trained to see as 0. Left out: fitted on the calibration."""
    ceiling_dbm: Dbm | None = None
    """Reading in dBm that it was trained to see as 1. Left out: fitted on the calibration."""
    exponent: Exponent = 1.0
    """Power of the scaled reading."""
    hold_samples: Held = 0
    """A silent access point keeps its last reading for so many further samples."""
    combine: Combine = "mean"
    """What several readings of an access point within a sample become."""
    missing: list[float] = Field(default=[100.0, 127.0])
    """Values in the arrays that stand for "not heard", beside NaN."""
    samples: Samples | None = None
    """Length of the window that a PyTorch module takes. Left out: one sample. A file knows its own."""
    order: Order | None = None
    """Axes of such a window, where their sizes do not tell."""


class Output(Strict):
    """[output]: What the scores mean."""

    classes: Annotated[list[Line], Once, Field(min_length=2, max_length=32767)] | None = None
    """Names of the classes in the order of the scores. Left out: those of samples.data."""
    positions_m: list[Place] | None = None
    """Position x, y, z of each class in metres."""
    floors: list[Index] | None = None
    """Index in site.floors of each class."""
    position: Literal["class", "mean"] = "class"
    """"class": where the class is. "mean": the mean of all classes' places, weighted by squared probabilities."""
    unknown: Unknown | None = None
    """When a decision is "unknown"."""


class NetworkState(Strict):
    """[[network.states]]: A tensor that one sample leaves for the next; starts at zero."""

    name: FileName
    """Name in reports."""
    input: Line | None = None
    """Name of the file's input. A PyTorch module takes its states after the reading, in the order of this list."""
    output: Line | None = None
    """Name of the file's output. A PyTorch module returns them after the scores, in the same order."""
    shape: list[Size] | None = None
    """Shape that a PyTorch module takes, batch included."""


class Network(Strict):
    """[network]: The network itself."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the class."""
    weights: str | None = None
    """File with the state dict (torch.save of model.state_dict()); read as tensors only."""
    input: Line | None = None
    """Name of the input that takes the readings, where a file has several."""
    output: Line | None = None
    """Name of the output that gives the scores, where a file has several."""
    states: list[NetworkState] = Field(default_factory=list)


class SampleFiles(Strict):
    """[samples]: Calibration and test samples: two .npz files, or a radio map."""

    calibration: str | None = None
    """.npz with `rssi_dbm` (N, P) and, for several recordings, `recording` (N,)."""
    test: str | None = None
    """.npz with `rssi_dbm` (N, P), `label` (N,), and where known `recording` (N,) and `position_m` (N, 2 or 3)."""
    data: str | None = None
    """Description of a radio map (docs/reference/own-data.md): its training scans calibrate, its test scans test."""
    sequential: bool = True
    """False: samples do not follow one another."""


class Forms(Strict):
    """[export]: Integer forms to make of a float network."""

    arithmetics: list[Arithmetic] = Field(default=["int8"], min_length=1)
    """int8, int16x8, or mixed, see widths."""
    default: Arithmetic | None = None
    """The form that is built when no other is asked for. Left out: the first."""
    widths: dict[Line, Width] = Field(default_factory=dict)
    """For mixed: layer pattern -> width."""


class Description(Strict):
    """A network of your own: its ends, its samples, and what follows it."""

    name: FileName
    """Name of the bundle."""
    title: OptionalLine = ""
    """Name of the data in reports."""
    licence: OptionalLine = "not stated"
    """Licence of the samples."""
    citation: OptionalLine = ""
    """Publication to cite."""
    architecture: FileName | None = None
    """Kind of network in reports. Left out: the name of its class or file."""
    input: Input = Input()
    window: Window = Window(steps=1, hop=1, rate_hz=1.0)
    output: Output = Output()
    crf: Crf | None = None
    network: Network = Network()
    samples: SampleFiles = SampleFiles()
    export: Forms = Forms()
    build: Build = Build()
    budget: Budget = Budget()
    site: Site = Site()


def read_description(path: Path) -> Description:
    """Read and check a description. A file that describes a radio map stands for `[samples] data` with it.

    Raises:
        ExportError: every problem of the file at once.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: not valid TOML: {error}") from error
    if "columns" in content:
        content = {"name": content.get("name", path.stem), "samples": {"data": path.name}}
    return describe(content, str(path))


def describe(content: dict[str, Any], where: str = "description") -> Description:
    """Check a description as a dictionary. Raises ExportError with every problem; `where` is named in it."""
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        known = ", ".join(Description.model_fields)
        raise ExportError(f"{where}: {'; '.join(problems(error))}; its tables and keys are {known}") from error
