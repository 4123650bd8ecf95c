"""What the host side of a device reads of the compiler's manifest.json."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyloc.boards.errors import UserError
from tinyloc.device.results import Buffer


class GeneratedError(UserError):
    """A directory that does not hold generated code; the message says what to do."""


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class GeneratedLayer(_Read):
    """One generated C function."""

    name: str
    operators: list[str]
    macs: int
    constant_bytes: int


class Generated(_Read):
    """The part of manifest.json that an evaluation needs."""

    model_id: str
    name: str
    arithmetic: Literal["int8", "int16x8"]
    inputs: int
    classes: int
    window: int
    hop: int
    state_bytes: int
    layers: list[GeneratedLayer]
    plan: list[Buffer]
    plan_steps: list[str]


def load_generated(directory: Path) -> Generated:
    """Read `directory/manifest.json`. Raises GeneratedError."""
    path = directory / "manifest.json"
    if not path.is_file():
        raise GeneratedError(f"{directory}: no manifest.json here; run `tinyloc codegen` first")
    try:
        return Generated.model_validate_json(path.read_text())
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise GeneratedError(f"{path}: {problems}; run `tinyloc codegen` again") from error
