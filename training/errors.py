"""Errors of this area that the user can mend."""

from tinyloc.errors import UserError


class DataError(UserError):
    """A data set that is unknown, missing or malformed; the message says where and what to do."""


class RecipeError(UserError):
    """A recipe that does not exist or has wrong keys; the message lists every problem."""


class TrainingError(UserError):
    """A training that cannot start, go on or be read back; the message says what to change."""


def one_line(error: Exception) -> str:
    """Kind and message of somebody else's error, for a message of ours."""
    return " ".join(f"{type(error).__name__}: {error}".split())
