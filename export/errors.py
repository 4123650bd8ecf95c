"""Errors of the export that the user can fix."""

from tinyloc.errors import UserError


class ExportError(UserError):
    """A model that cannot be exported, or an exported file that breaks its contract; the message says what to do."""
