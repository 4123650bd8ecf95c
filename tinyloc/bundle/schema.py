"""The bundle: one directory that everything after training reads, and nothing else.

    bundle/
      bundle.json            this schema
      model.onnx
      model_int8.tflite      one entry of `models` each
      model_int16x8.tflite
      test.npz               TestSet: raw readings, labels, float results

Importing this module needs neither torch nor TFLite tools.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tinyloc.errors import UserError, counted

FORMAT_VERSION = 1
MISSING_DBM = 127
"""In int8 readings (bundle, link): this access point was not heard. Real readings are -128..126 dBm."""

TEST_SET = "test.npz"

Arithmetic = Literal["int8", "int16x8"]


class BundleError(UserError):
    """A bundle that is missing, damaged or of another version; the message says what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Strict):
    """From raw dBm to model input: x = clip((dBm - floor) / (ceiling - floor), 0, 1) ** exponent; not heard = 0."""

    access_points: list[str] = Field(min_length=1)
    floor_dbm: float
    ceiling_dbm: float
    exponent: float = Field(default=1.0, gt=0)
    hold_samples: int = Field(default=0, ge=0, le=254)
    """A silent access point keeps its last reading for so many further samples (forward fill)."""

    @model_validator(mode="after")
    def _ordered(self) -> "Preprocessing":
        if self.ceiling_dbm <= self.floor_dbm:
            raise ValueError("ceiling_dbm must be above floor_dbm")
        return self

    def scale(self, dbm: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Readings in dBm, NaN where not heard, any shape -> model input in 0..1, float32. No forward fill."""
        x = np.clip((dbm.astype(np.float64) - self.floor_dbm) / (self.ceiling_dbm - self.floor_dbm), 0.0, 1.0)
        return np.nan_to_num(x**self.exponent, nan=0.0).astype(np.float32)


class Window(_Strict):
    """A decision is due at sample t of a recording (from 0) when t >= steps - 1 and (t - steps + 1) % hop == 0.

    It is the most frequent class of the best path through the last `steps` samples. Online, it is the class of the
    oldest of them, sample t - (steps - 1), on the best path through the whole recording up to t: a fixed lag.
    """

    steps: int = Field(ge=1)
    hop: int = Field(ge=1)
    rate_hz: float = Field(gt=0)
    online: bool = False


class Room(_Strict):
    """A rectangle of the floor plan, metres; drawn behind the error map."""

    name: str
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)
    floor: int = 0


class Outputs(_Strict):
    """What the scores mean."""

    classes: list[str] = Field(min_length=2)
    positions_m: list[tuple[float, float, float]] | None = None
    """Position (x, y, z) in metres that a decision for the class stands for."""
    floor_plan: list[Room] = []
    position: Literal["class", "mean"] = "class"
    """Where a decision puts the user: at its class, or at the mean of all classes' positions, weighted by their squared
    probabilities (codegen/arithmetic/position.py)."""

    @model_validator(mode="after")
    def _aligned(self) -> "Outputs":
        if self.positions_m is not None and len(self.positions_m) != len(self.classes):
            positions = counted(len(self.positions_m), "position")
            raise ValueError(f"{positions} for {len(self.classes)} classes")
        if self.positions_m is None and self.position == "mean":
            raise ValueError("position = 'mean' needs positions_m")
        return self


class State(_Strict):
    """A tensor the step carries from sample to sample; starts at zero. `input` and `output` name TFLite tensors."""

    name: str
    input: str
    output: str
    shape: list[int]


class Crf(_Strict):
    """Linear-chain CRF: transitions[i][j] from class i to class j, in units of the float scores."""

    transitions: list[list[float]]
    start: list[float]
    end: list[float]


class ModelFile(_Strict):
    """One TFLite file. `input` and `output` name its reading and score tensors."""

    arithmetic: Arithmetic
    path: str
    sha256: str
    input: str
    output: str
    states: list[State] = []


class Bundle(_Strict):
    """bundle.json. `versions` and `settings` record what made it."""

    format: Literal["tinyloc-bundle"] = "tinyloc-bundle"
    version: int = FORMAT_VERSION
    name: str
    architecture: str
    seed: int
    preprocessing: Preprocessing
    window: Window
    outputs: Outputs
    crf: Crf | None = None
    models: list[ModelFile] = Field(min_length=1)
    test_sha256: str
    """Of test.npz."""
    default_arithmetic: Arithmetic
    parameters: int
    """Live trainable parameters (what is deployed)."""
    parameters_published: int
    """Counted as the study counts them, dead weights included."""
    float_metrics: dict[str, float] = {}
    budget: dict[str, float] = {}
    """Optional limits of the recipe: flash_bytes, ram_bytes, latency_ms; they override the board's when lower."""
    data: str
    licence: str
    versions: dict[str, str] = {}
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _online_has_a_path(self) -> "Bundle":
        if self.window.online and (self.crf is None or self.window.steps < 2):
            raise ValueError("an online window needs a CRF and a lag of at least one sample (steps >= 2)")
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

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **self.__dict__)

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


def load_bundle(directory: Path) -> Bundle:
    """Read and validate `directory/bundle.json`, and check that its files are there and whole.

    Raises BundleError with every problem at once.
    """
    path = directory / "bundle.json"
    if not path.is_file():
        raise BundleError(f"{directory}: no bundle.json here; make one with `tinyloc export`")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{path}: not JSON ({error}); export the run again") from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(f"{path}: bundle format {version}, this tinyloc reads {FORMAT_VERSION}; export the run again")
    try:
        bundle = Bundle.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise BundleError(f"{path}: {problems}; export the run again") from error
    problems_found = []
    hashes = {entry.path: entry.sha256 for entry in bundle.models} | {TEST_SET: bundle.test_sha256}
    for name, made in hashes.items():
        if not (directory / name).is_file():
            problems_found.append(f"{name} is missing")
        elif sha256(directory / name) != made:
            problems_found.append(f"{name} is not the file the bundle was made with (sha256 differs)")
    if problems_found:
        raise BundleError(f"{directory}: {'; '.join(problems_found)}; export the run again")
    return bundle


def load_test_set(directory: Path) -> TestSet:
    """Read `directory/test.npz`. BundleError when it is missing, damaged or lacks arrays."""
    path = directory / TEST_SET
    names = TestSet.__dataclass_fields__
    try:
        with np.load(path) as arrays:
            missing = [name for name in names if name not in arrays]
            if not missing:
                return TestSet(**{name: arrays[name] for name in names})
    except Exception as error:  # a damaged file makes np.load raise almost anything
        raise BundleError(f"{path}: cannot be read ({error}); export the run again") from error
    raise BundleError(f"{path}: holds no {', '.join(missing)}; export the run again")
