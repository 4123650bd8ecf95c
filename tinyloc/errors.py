"""The one base class of errors that the user can fix."""


class UserError(ValueError):
    """What was found, where, and what to do next, in one message. The command line prints it and exits with the code.

    2 is for what the user can correct, 1 for a result that is negative.
    """

    exit_code = 2


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun for a message: "1 row", "2 rows"; `many` when the plural is no added s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
