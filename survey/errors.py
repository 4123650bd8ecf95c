"""Errors of a survey that the user can fix."""

from tinyloc.errors import UserError


class SurveyError(UserError):
    """A source, folder, plan or command of the page that does not work; the message says what to do."""
