"""The record of an evaluation as a file."""

from pathlib import Path

from pydantic import ValidationError

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.errors import UserError, counted
from tinyloc.files import write_whole


class ReportError(UserError):
    """An evaluation that cannot be read back; the message says how to make it again."""


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the whole evaluation as JSON."""
    write_whole(path, evaluation.model_dump_json(indent=1) + "\n")


def load_evaluation(path: Path) -> Evaluation:
    """Read what `save_evaluation` wrote. ReportError when it is not that, or of another version."""
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        count = counted(error.error_count(), "problem")
        raise ReportError(
            f"{path}: not an evaluation of this tinyloc ({place}: {first['msg']}, {count} in all); "
            "make it again with `tinyloc emulate`"
        ) from error
