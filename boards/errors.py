"""The one base class of errors that the user can mend."""


class UserError(ValueError):
    """What was found, where, and what to do next, in one message. The command line prints it and exits with 2."""
