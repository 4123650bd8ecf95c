"""The base of every schema that reads a file: unknown keys, NaN and infinities are errors, all told at once."""

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyloc.names import printable

MOST_TOLD = 20
"""Problems of one file that a message names; the rest is counted."""


class Strict(BaseModel):
    """A frozen record without unknown keys, whose numbers are finite; text and booleans are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def problems(error: ValidationError, whole: str = "file") -> list[str]:
    """Each problem as "place: what is wrong"; `whole` names a problem of no single place."""
    found = error.errors(include_url=False)
    told = [
        f"{'.'.join(printable(str(part)) for part in one['loc']) or whole}: {one['msg'].removeprefix('Value error, ')}"
        for one in found[:MOST_TOLD]
    ]
    return told if len(found) <= MOST_TOLD else [*told, f"and {len(found) - MOST_TOLD} more problems"]
