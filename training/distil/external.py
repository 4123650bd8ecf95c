"""A finished run as a teacher: only one that knows the same access points, scaling and classes can teach."""

from collections.abc import Sequence

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.errors import TrainingError

_SHOWN = 3


def check_same(
    run: str, taught: Preprocessing, taught_classes: Sequence[str], own: Preprocessing, own_classes: Sequence[str]
) -> None:
    """Check that a teacher has the access points, scaling and classes of the student.

    Args:
        run: the teacher, for the message.
        taught, taught_classes: of the teacher.
        own, own_classes: of the student.

    Raises:
        TrainingError: every difference.
    """
    problems = []
    for what, theirs, ours in (
        ("access points", taught.access_points, own.access_points),
        ("classes", list(taught_classes), list(own_classes)),
    ):
        if list(theirs) != list(ours):
            problems.append(_difference(what, list(theirs), list(ours)))
    for key in ("floor_dbm", "ceiling_dbm", "exponent", "hold_samples"):
        theirs_value, ours_value = getattr(taught, key), getattr(own, key)
        if theirs_value != ours_value:
            problems.append(f"{key} is {theirs_value:g} there and {ours_value:g} here")
    if problems:
        raise TrainingError(
            f"teacher {run} cannot teach this student: {'; '.join(problems)}; "
            "train the teacher with the same [data] and [input] as the student"
        )


def _difference(what: str, theirs: list[str], ours: list[str]) -> str:
    """One sentence about two lists of names that are not equal."""
    alone = [name for name in theirs if name not in set(ours)], [name for name in ours if name not in set(theirs)]
    if not any(alone):
        return f"the same {what} in another order"
    parts = [f"{len(theirs)} {what} there and {len(ours)} here"]
    for names, place in zip(alone, ("there", "here"), strict=True):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            parts.append(f"only {place}: {shown}")
    return " (".join([parts[0], "; ".join(parts[1:])]) + ")"
