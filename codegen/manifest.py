"""manifest.json: what the compiler decided and why. Written beside the C files, read by build, device and report."""

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyloc.errors import UserError

MANIFEST_VERSION = 1

Reference = Literal["litert", "tinyloc"]
"""Whose integer arithmetic the code equals: LiteRT's operator by operator, or tinyloc's own where it has one that is
better (operators/selective_scan.py). A model without such a part equals LiteRT's whatever was asked for."""


class ManifestError(UserError):
    """A generated directory that is missing or of another version."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerRecord(_Strict):
    """One generated function."""

    name: str
    operators: list[str]
    macs: int
    constant_bytes: int
    form: str | None = None  # "fast" or "small" of a layer that has both, see codegen/lowering/kernel_selection.py
    form_why: str = ""
    form_cycles: int | None = None  # of that form, an estimate
    usual_kernel: str | None = None  # what its kind usually takes, see codegen/lowering/cliffs.py
    hints: list[str] = []  # what makes it slow, and what would help


class PlannedBuffer(_Strict):
    """One buffer of the arena, alive from step `first` to step `last`, both included."""

    name: str
    offset: int
    size: int
    first: int
    last: int


class StateRecord(_Strict):
    """A member of the state struct."""

    name: str
    bytes: int
    element: str
    shape: list[int]


class LibraryRecord(_Strict):
    """The user's build of a library that buffers were sized for; an image must be linked with the same."""

    core: str
    sha256: str  # of the archive


class ModelManifest(_Strict):
    """What is known of any generated model. Sizes are bytes."""

    version: int = MANIFEST_VERSION
    model_id: str  # 16 hex digits, also in the image and in HELLO
    name: str
    arithmetic: str
    backend: str
    reference: Reference = "litert"
    library: LibraryRecord | None = None
    arena_bytes: int
    arena_lower_bound: int
    arena_split: int | None = None  # of an arena in two banks: what is planned from here on lies in the second
    state_bytes: int
    constant_bytes: int
    macs: int
    states: list[StateRecord]
    layers: list[LayerRecord]
    plan: list[PlannedBuffer]
    plan_steps: list[str]
    decisions: list[str]
    notes: list[str] = []
    """What a user must know of the answers, such as where they differ from LiteRT's."""
    generator: str


class UpdatableRecord(_Strict):
    """Of code whose model is data: what runs any model of the program, and what there is room for."""

    program_id: str  # 16 hex digits over code without numbers, kernels and capacities
    access_points: int
    classes: int
    bytes: int  # of the struct of constants


class Manifest(ModelManifest):
    """A localiser's step."""

    updatable: UpdatableRecord | None = None

    inputs: int
    classes: int
    window: int
    hop: int
    sparse: bool


class ArgumentRecord(_Strict):
    """An input or output of a plain network. `scale` is None for integers that stand for themselves, such as
    indices."""

    argument: str  # its name in C
    tensor: str
    element: str
    shape: list[int]
    size: int  # elements
    scale: float | None
    zero_point: int | None
    arena_offset: int | None = None  # where an input lies that the caller writes into the arena


class GraphManifest(ModelManifest):
    """A plain network: arrays in, arrays out."""

    inputs: list[ArgumentRecord]
    outputs: list[ArgumentRecord]


_Kind = TypeVar("_Kind", bound=ModelManifest)


def read_manifest(directory: Path) -> Manifest:
    """Read `directory/manifest.json`; ManifestError says which command makes it."""
    return _read(directory, Manifest)


def is_updatable(directory: Path) -> bool:
    """Whether generated code is an updatable program; a network compiled without a bundle is none."""
    path = directory / "manifest.json"
    return path.is_file() and json.loads(path.read_bytes()).get("updatable") is not None


def read_graph_manifest(directory: Path) -> GraphManifest:
    """The same for a network that was compiled without a bundle."""
    return _read(directory, GraphManifest)


def _read(directory: Path, kind: type[_Kind]) -> _Kind:
    path = directory / "manifest.json"
    if not path.is_file():
        raise ManifestError(f"{directory}: no generated code here; make it with `tinyloc codegen`")
    try:
        manifest = kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ManifestError(
            f"{path}: not a manifest of this tinyloc; run `tinyloc codegen` again ({error.errors()[0]['msg']})"
        ) from error
    if manifest.version != MANIFEST_VERSION:
        raise ManifestError(
            f"{path}: version {manifest.version}, this tinyloc reads {MANIFEST_VERSION}; run `tinyloc codegen` again"
        )
    return manifest
