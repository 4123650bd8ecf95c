"""Errors of this area that the user can mend."""

from tinyloc.errors import UserError


class FusionError(UserError):
    """A setting, recording or result that is missing or wrong; the message says where and what to do."""
