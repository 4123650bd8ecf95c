"""The bundle: one directory that everything after training reads, and nothing else.

    bundle/
      bundle.json            this schema
      model.onnx
      model_float.tflite     of an own network: its step before quantisation
      model_int8.tflite      one entry of `models` each
      model_int16x8.tflite
      test.npz               TestSet: raw readings, labels, float results

Importing this module needs neither torch nor TFLite tools.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, ValidationError, model_validator

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.comparison import Comparison
from tinyloc.bundle.json_text import parse_json
from tinyloc.bundle.provenance import Provenance, Source
from tinyloc.bundle.quantities import (
    Bytes,
    Count,
    Dbm,
    Distance,
    Energy,
    Exponent,
    Figure,
    Held,
    Hertz,
    Index,
    Milliseconds,
    Once,
    Place,
    Samples,
    Score,
    Share,
    Size,
)
from tinyloc.bundle.site import Site
from tinyloc.bundle.version1 import from_version_1
from tinyloc.errors import UserError, counted
from tinyloc.files import write_whole
from tinyloc.names import FileName, Line, Sha256, printable, repeated
from tinyloc.strict import Strict, problems

FORMAT = "tinyloc-bundle"
FORMAT_VERSION = 2
MISSING_DBM = 127
"""In int8 readings (bundle, link): this access point was not heard. Real readings are -128..126 dBm."""
WIDEST_MEAN_M = 2_000_000
DEEPEST_SETTING = 12
"""Tables within tables of `settings`."""

BUNDLE = "bundle.json"
TEST_SET = "test.npz"

Arithmetic = Literal["int8", "int16x8", "mixed"]
"""Activations of 8 bits, of 16, or as the table of widths in the recipe says; weights of 8 bits, there also of 4."""
Width = Annotated[str, Field(pattern=r"^w(4|8|16)a(8|16)$")]
TfliteName = Annotated[FileName, Field(pattern=r"\.tflite$")]


class BundleError(UserError):
    """A bundle that is missing, damaged or of another version; the message says what to do."""


def plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Give back settings of plain JSON: finite numbers, not nested too deeply. Raises ValueError."""
    _check_plain(settings, "settings", 0)
    return settings


def _check_plain(value: Any, place: str, depth: int) -> None:
    if depth > DEEPEST_SETTING:
        raise ValueError(f"{printable(place)} is nested more than {DEEPEST_SETTING} deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_plain(inner, f"{place}.{key}", depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_plain(inner, f"{place}.{number}", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{printable(place)} is {value}; it must be a finite number")


class Preprocessing(Strict):
    """From raw dBm to model input: x = clip((dBm - floor) / (ceiling - floor), 0, 1) ** exponent; not heard = 0."""

    access_points: Annotated[list[Line], Once, Field(min_length=1, max_length=65535)]
    """Ids of the access points in the order of the network's inputs, as a radio reports them where the data have such
    ids."""
    floor_dbm: Dbm
    """Reading in dBm that becomes 0."""
    ceiling_dbm: Dbm
    """Reading in dBm that becomes 1."""
    exponent: Exponent = 1.0
    """Bends the scale: above 1, weak readings count less."""
    hold_samples: Held = 0
    """A silent access point keeps its last reading for so many further samples (forward fill)."""
    combine: Combine = "mean"
    """What several readings of one access point within a sample become: their mean in dBm, rounded to a whole dBm,
    halves to the even one; the strongest; or the latest. A device combines as the training data were."""

    @model_validator(mode="after")
    def _ordered(self) -> "Preprocessing":
        if self.ceiling_dbm <= self.floor_dbm:
            raise ValueError("ceiling_dbm must be above floor_dbm")
        return self

    def scale(self, dbm: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Readings in dBm, NaN where not heard, any shape -> model input in 0..1, float32. No forward fill."""
        x = np.clip((dbm.astype(np.float64) - self.floor_dbm) / (self.ceiling_dbm - self.floor_dbm), 0.0, 1.0)
        return np.nan_to_num(x**self.exponent, nan=0.0).astype(np.float32)


class Window(Strict):
    """A decision is due at sample t of a recording (from 0) when t >= steps - 1 and (t - steps + 1) % hop == 0.

    It is the most frequent class of the best path through the last `steps` samples. Online, it is the class of the
    oldest of them, sample t - (steps - 1), on the best path through the whole recording up to t: a fixed lag.
    """

    steps: Samples
    """Samples that a decision looks at."""
    hop: Samples
    """Samples from one decision to the next."""
    rate_hz: Hertz
    """Samples per second."""
    online: bool = False
    """True: decide with a lag as the recording goes on."""


class Unknown(Strict):
    """When the device decides "unknown" instead of a class."""

    margin: Annotated[float, Field(ge=0, le=1e5)] = 0.0
    """Least distance from the best score to the second best, in units of the float scores."""
    least_heard: Annotated[int, Field(ge=0, le=65535)] = 1
    """Least number of access points that the sample hears, held readings included."""


class Outputs(Strict):
    """What the scores mean."""

    classes: Annotated[list[Line], Once, Field(min_length=2, max_length=32767)]
    """Names of the classes in the order of the network's scores."""
    positions_m: list[Place] | None = None
    """Position x, y, z in metres that a decision for each class stands for."""
    floors: list[Index] | None = None
    """Index in `site.floors` of each class."""
    position: Literal["class", "mean"] = "class"
    """Where a decision puts the user: at its class, or at the mean of all classes' positions, weighted by their squared
    probabilities (codegen/arithmetic/position.py)."""
    unknown: Unknown | None = None
    """Null: every sample gets a class, even one that hears nothing."""

    @model_validator(mode="after")
    def _aligned(self) -> "Outputs":
        wrong = []
        for values, what in ((self.positions_m, "position"), (self.floors, "floor")):
            if values is not None and len(values) != len(self.classes):
                wrong.append(f"{counted(len(values), what)} for {len(self.classes)} classes")
        if self.position == "mean":
            if self.positions_m is None:
                wrong.append("position = 'mean' needs positions_m")
            elif any(abs(metres) > WIDEST_MEAN_M for place in self.positions_m for metres in place[:2]):
                wrong.append(
                    f"position = 'mean' is computed in whole millimetres of 32 bits: positions_m must lie within "
                    f"{WIDEST_MEAN_M:,} m of the origin; move the origin of the data set to the site"
                )
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class State(Strict):
    """A tensor the step carries from sample to sample; starts at zero. `input` and `output` name TFLite tensors."""

    name: Line
    """Name of the state in reports."""
    input: Line
    """Name of the TFLite tensor that takes the value of the sample before."""
    output: Line
    """Name of the TFLite tensor that gives the value for the next sample."""
    shape: Annotated[list[Size], Field(min_length=1, max_length=8)]
    """Shape of both tensors."""


class Crf(Strict):
    """Linear-chain CRF: transitions[i][j] from class i to class j, in units of the float scores."""

    transitions: list[list[Score]]
    """C rows of C scores: a row per class that is left, a column per class that is entered."""
    start: list[Score]
    """C scores of beginning in each class."""
    end: list[Score]
    """C scores of ending in each class."""

    @model_validator(mode="after")
    def _square(self) -> "Crf":
        classes = len(self.transitions)
        rows = {f"row {number} of transitions": row for number, row in enumerate(self.transitions)}
        vectors = {**rows, "start": self.start, "end": self.end}
        wrong = [f"{name} has {len(values)}" for name, values in vectors.items() if len(values) != classes]
        if wrong:
            raise ValueError(f"transitions has {counted(classes, 'row')}, but {'; '.join(wrong[:5])}")
        return self


class ModelFile(Strict):
    """One TFLite file. `input` and `output` name its reading and score tensors."""

    arithmetic: Arithmetic
    """int8: weights and activations of 8 bits. int16x8: activations of 16 bits. mixed: by layer, see widths."""
    path: TfliteName
    """Name of the file beside bundle.json."""
    sha256: Sha256
    """SHA-256 of the file."""
    input: Line
    """Name of the TFLite tensor that takes the readings."""
    output: Line
    """Name of the TFLite tensor that gives the scores."""
    states: list[State] = Field(default_factory=list)
    """What the network carries from sample to sample."""
    widths: dict[Line, Width] = Field(default_factory=dict)
    """Bits of weights and activations by pattern of layer names, the last that matches: {"*": "w8a16"}."""


QUALITY_GATES = frozenset({"macro_f1_min", "accuracy_min", "mean_error_m_max", "p90_error_m_max", "floor_hit_min"})
"""Limits that need the real test set."""


class Budget(Strict):
    """Limits of the image and gates of quality and energy. Null is no limit of its own.

    Limits of bytes and latency override the board's when lower. Quality counts on the real test set, never on golden
    scans.
    """

    flash_bytes: Bytes | None = None
    """The whole image, in bytes."""
    ram_bytes: Bytes | None = None
    """All RAM with the used stack, in bytes."""
    latency_ms: Milliseconds | None = None
    """From a sample to its answer, in milliseconds."""
    macro_f1_min: Share | None = None
    """Least macro F1 on the device, 0 to 1."""
    accuracy_min: Share | None = None
    """Least accuracy on the device, 0 to 1."""
    mean_error_m_max: Distance | None = None
    """Largest mean position error on the device, in metres."""
    p90_error_m_max: Distance | None = None
    """Largest 90th percentile of the position error, in metres."""
    floor_hit_min: Share | None = None
    """Least share of decisions on the true floor, 0 to 1."""
    energy_uj_max: Energy | None = None
    """Largest energy of one inference, in microjoules; estimated from cycles and the board's currents."""
    current_ua_max: Energy | None = None
    """Largest average current, in microamperes: sleep and inferences at the sample rate; an estimate without radio."""

    def limits(self) -> dict[str, float]:
        """Those that are set."""
        return {name: float(value) for name, value in self.model_dump().items() if value is not None}

    @property
    def gates_quality(self) -> bool:
        """Whether any limit is one of quality."""
        return any(name in QUALITY_GATES for name in self.limits())


class Build(Strict):
    """What the compiler optimises for, and whose integer arithmetic it keeps to (docs/concepts/exactness.md)."""

    optimise: Literal["Os", "O2"] = "Os"
    """Os: size. O2: speed."""
    reference: Literal["tinyloc", "litert"] = "tinyloc"
    """tinyloc: a selective scan is one operator with its own arithmetic. litert: every operator as LiteRT has it."""
    updatable: bool = False
    """Whether the model of a device can be replaced over the link (docs/concepts/update.md)."""
    most_access_points: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Access points that a later model of an updatable device may have; null: as many as this one."""
    most_classes: Annotated[int, Field(ge=2, le=32767)] | None = None
    """Classes that a later model of an updatable device may have; null: as many as this one."""
    link_key: bool = False
    """Whether an image must have a key of the link (docs/reference/link.md); the key itself is never in a bundle."""


SamplesFrom = Literal["test set", "golden scans"]
"""Golden scans are made up: scores on them are agreement with the float model, not quality."""


class Bundle(Strict):
    """Everything after training reads this file and the files beside it, and nothing else."""

    format: Literal["tinyloc-bundle"] = "tinyloc-bundle"
    """Marks the file as a bundle."""
    version: Literal[2] = 2
    """Number of this format."""
    name: FileName
    """Name of the model in generated code, reports and messages."""
    architecture: FileName
    """Kind of network, such as mlp, lstm or mamba; reports show it."""
    preprocessing: Preprocessing
    window: Window
    outputs: Outputs
    site: Site = Site()
    crf: Crf | None = None
    models: list[ModelFile] = Field(min_length=1)
    default_arithmetic: Arithmetic
    """Arithmetic of the model that is built when none is asked for."""
    build: Build = Build()
    budget: Budget = Budget()
    data: Source
    provenance: Provenance = Provenance()
    test_sha256: Sha256
    """SHA-256 of test.npz."""
    samples_from: SamplesFrom = "test set"
    """What test.npz holds: the real test set, or golden scans (random readings that the float model labels)."""
    parameters: Count
    """Number of trainable parameters that are deployed."""
    parameters_published: Count
    """Number of parameters as the study counts them, dead weights included."""
    float_metrics: dict[Line, Figure] = Field(default_factory=dict)
    """Figures of the float model on the test set; errors in metres."""
    comparison: Comparison | None = None
    """Simple methods on the same split, and the rules of the figures; null where they were not computed."""
    settings: Annotated[dict[str, Any], AfterValidator(plain_settings)] = Field(default_factory=dict)
    """The recipe and the parity table, for the report. No tool reads a decision from them."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Bundle":
        wrong = []
        classes, points = len(self.outputs.classes), len(self.preprocessing.access_points)
        if self.window.online and (self.crf is None or self.window.steps < 2):
            wrong.append("an online window needs a CRF and a lag of at least one sample (steps >= 2)")
        if self.crf is not None and len(self.crf.start) != classes:
            wrong.append(f"crf is of {counted(len(self.crf.start), 'class', 'classes')}, outputs has {classes}")
        if self.outputs.position == "mean" and self.window.steps != 1:
            wrong.append("outputs.position = 'mean' is there for models of one sample only (window.steps = 1)")
        known = self.site.access_point_m
        if known is not None and len(known) != points:
            wrong.append(f"site.access_point_m has {counted(len(known), 'position')} for {points} access points")
        lost = [floor for floor in self.outputs.floors or [] if floor >= len(self.site.floors)]
        if lost:
            wrong.append(f"outputs.floors names floor {max(lost)} of {counted(len(self.site.floors), 'floor')}")
        for what in ("arithmetic", "path"):
            if twice := repeated(str(getattr(entry, what)) for entry in self.models):
                wrong.append(f"models have the same {what} twice: {', '.join(twice)}")
        for entry in self.models:
            ends = [(state.input, state.output) for state in entry.states]
            for names in zip(*ends, strict=True) if ends else ():
                if twice := repeated(names):
                    wrong.append(f"{entry.path}: states share the tensor {', '.join(twice)}")
        if self.default_arithmetic not in {entry.arithmetic for entry in self.models}:
            wrong.append(f"default_arithmetic is {self.default_arithmetic}, of which there is no model")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def model(self, arithmetic: Arithmetic | None = None) -> ModelFile:
        """The TFLite file of that arithmetic (default: `default_arithmetic`)."""
        wanted = arithmetic or self.default_arithmetic
        for entry in self.models:
            if entry.arithmetic == wanted:
                return entry
        have = ", ".join(entry.arithmetic for entry in self.models)
        raise BundleError(f"bundle {self.name} has no {wanted} model (it has {have}); export it again with that form")


@dataclass(frozen=True)
class TestSet:
    """test.npz: N samples in time order. `recording` changes where a new recording starts (state is reset)."""

    __test__ = False  # not a pytest class

    rssi_dbm: npt.NDArray[np.int8]  # (N, P), MISSING_DBM where not heard
    recording: npt.NDArray[np.int32]  # (N,)
    label: npt.NDArray[np.int32]  # (N,) class index, -1 = a class never trained
    position_m: npt.NDArray[np.float32]  # (N, 3), NaN where unknown
    float_scores: npt.NDArray[np.float32]  # (N, C) of the PyTorch model, streamed
    float_class: npt.NDArray[np.int32]  # (N,) PyTorch decision, -1 where none is due
    unit: npt.NDArray[np.int32] | None = None  # (N,) what a bootstrap draws as a whole; None in older bundles

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Those that are there, by name."""
        return {name: array for name, array in self.__dict__.items() if array is not None}

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **self.arrays())

    def sparse(self, index: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int8]]:
        """Sample `index` as (access point indices, dBm), only what was heard."""
        row = self.rssi_dbm[index]
        heard = np.flatnonzero(row != MISSING_DBM)
        return heard.astype(np.uint16), row[heard]

    @property
    def apart(self) -> bool:
        """Each sample is a recording of its own: scans that do not follow one another, for a model with state."""
        return len(self.recording) > 1 and bool(np.diff(self.recording).all())

    def recordings(self) -> Iterator[slice]:
        """Slices of samples, one a recording."""
        edges = np.flatnonzero(np.diff(self.recording)) + 1
        starts = [0, *edges.tolist(), len(self.recording)]
        for begin, end in itertools.pairwise(starts):
            if end > begin:
                yield slice(begin, end)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_bundle(directory: Path) -> Bundle:
    """Read and validate `directory/bundle.json`, of this format or of format 1; its files are not looked at.

    Raises BundleError with every problem at once.
    """
    path = directory / BUNDLE
    if not path.is_file():
        raise BundleError(f"{directory}: no bundle.json here; make one with `tinyloc export`")
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"{path}: not JSON ({error}); export the run again") from error
    try:
        return Bundle.model_validate(_of_this_version(path, content))
    except ValidationError as error:
        raise BundleError(f"{path}: {'; '.join(problems(error))}; export the run again") from error


def _of_this_version(path: Path, content: Any) -> dict[str, Any]:
    """The content in format FORMAT_VERSION; BundleError when it is no bundle, or of a format that is not known."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleError(f'{path}: not a bundle of tinyloc (no "format": "{FORMAT}"); export the run again')
    version = content.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        shown = printable(repr(version), 20)
        raise BundleError(f"{path}: version is {shown}, not the number of a bundle format; export the run again")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{path}: bundle format version {printable(str(version), 20)} is of a newer tinyloc, this one reads 1 and "
            f"{FORMAT_VERSION}; update tinyloc, or export the run again with this one"
        )
    return from_version_1(content) if version == 1 else content


def load_bundle(directory: Path) -> Bundle:
    """Read `directory/bundle.json` as `read_bundle` does, and check that its files are there and whole.

    Raises BundleError with every problem at once.
    """
    bundle = read_bundle(directory)
    wrong = []
    hashes = {entry.path: entry.sha256 for entry in bundle.models} | {TEST_SET: bundle.test_sha256}
    for name, made in hashes.items():
        if not (directory / name).is_file():
            wrong.append(f"{name} is missing")
        elif sha256(directory / name) != made:
            wrong.append(f"{name} is not the file the bundle was made with (sha256 differs)")
    if wrong:
        raise BundleError(f"{directory}: {'; '.join(wrong)}; export the run again")
    return bundle


def write_bundle(bundle: Bundle, directory: Path) -> None:
    """Write `directory/bundle.json`: in ASCII, a line for each key."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in bundle.model_dump(mode="json").items()]
    write_whole(directory / BUNDLE, "{\n" + ",\n".join(lines) + "\n}\n")


_ARRAYS = {
    "rssi_dbm": ("int8", "NP"), "recording": ("int32", "N"), "label": ("int32", "N"), "position_m": ("float32", "N3"),
    "float_scores": ("float32", "NC"), "float_class": ("int32", "N"), "unit": ("int32", "N"),
}  # fmt: skip
"""Type and shape of each array of test.npz."""
_OPTIONAL = ("unit",)


def load_test_set(directory: Path, bundle: Bundle | None = None) -> TestSet:
    """Read `directory/test.npz`, for `bundle` where it is given.

    Raises BundleError when it is missing or damaged, or with all that is wrong: arrays that lack or are of another type
    or shape, numbers that are none, classes that the bundle has not.
    """
    path = directory / TEST_SET
    try:
        with np.load(path) as arrays:
            missing = [name for name in _ARRAYS if name not in arrays and name not in _OPTIONAL]
            found = {name: arrays[name] for name in _ARRAYS if name in arrays}
    except Exception as error:  # a damaged file makes np.load raise almost anything
        raise BundleError(f"{path}: cannot be read ({error}); export the run again") from error
    if missing:
        raise BundleError(f"{path}: holds no {', '.join(missing)}; export the run again")
    if wrong := _array_problems(found, bundle):
        raise BundleError(f"{path}: {'; '.join(wrong)}; export the run again")
    return TestSet(**found)


def _array_problems(found: dict[str, npt.NDArray[Any]], bundle: Bundle | None) -> list[str]:
    sizes = {"3": 3}
    if bundle is not None:
        sizes |= {"P": len(bundle.preprocessing.access_points), "C": len(bundle.outputs.classes)}
    wrong = []
    for name, array in found.items():
        element, letters = _ARRAYS[name]
        fits = array.ndim == len(letters) and all(
            have == sizes.setdefault(letter, have) for letter, have in zip(letters, array.shape, strict=True)
        )
        if array.dtype != np.dtype(element) or not fits:
            wanted = ", ".join(str(sizes.get(letter, letter)) for letter in letters)
            wrong.append(f"{name} is {array.dtype} of shape {list(array.shape)}, not {element} of [{wanted}]")
        elif array.dtype.kind == "f" and np.isinf(array).any():
            wrong.append(f"{name} holds infinities")
    if not wrong:
        wrong += [
            f"{name} holds {int(found[name].min())} to {int(found[name].max())}; classes are -1 to {sizes['C'] - 1}"
            for name in ("label", "float_class")
            if len(found[name]) and not (found[name].min() >= -1 and found[name].max() < sizes["C"])
        ]
        if not sizes["N"]:
            wrong.append("it holds no samples")
        elif "unit" in found and found["unit"].min() < 0:
            wrong.append(f"unit holds {found['unit'].min()}; units count from 0")
    return wrong
