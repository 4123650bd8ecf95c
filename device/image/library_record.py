"""What a model takes as a library, kept beside its run so that reports can show it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tinyloc.files import write_whole
from tinyloc.strict import Strict

FILE = "library-sizes.json"


class LibrarySizes(Strict):
    """Sizes of one model alone, on one board, in bytes; without application, start-up and self-test."""

    core: str
    compiler: str
    code_bytes: int
    constant_bytes: int
    context_bytes: int
    """RAM of one context: state, buffers and arena."""
    arena_bytes: int
    stack_bytes: dict[str, int]
    """Public function -> worst stack, with what it calls."""
    largest_stack_bytes: int
    """Worst stack of the calls that a product makes: without the self-test."""
    cycles: int | None
    """Modelled cycles per sample with wait states, median of the golden samples; None for a fusion."""
    selftest: str
    """"equal", "differs", or why it was not run."""


class LibraryRecord(Strict):
    """The file beside a run."""

    model_id: str
    boards: dict[str, LibrarySizes]


def save_sizes(run: Path, model_id: str, boards: Mapping[str, Mapping[str, Any]]) -> None:
    """Write RUN/library-sizes.json; `boards`: board -> the fields of LibrarySizes."""
    sizes = {board: LibrarySizes.model_validate(fields) for board, fields in boards.items()}
    write_whole(run / FILE, LibraryRecord(model_id=model_id, boards=sizes).model_dump_json(indent=1) + "\n")


def load_sizes(run: Path, model_id: str) -> dict[str, LibrarySizes]:
    """Board -> sizes; empty where none were measured, or those of another model."""
    try:
        record = LibraryRecord.model_validate_json((run / FILE).read_bytes())
    except (OSError, ValidationError):
        return {}
    return record.boards if record.model_id == model_id else {}
