"""A page with its state behind it, for tests."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tinyloc.survey.project import Project
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.serve import serving
from tinyloc.survey.state import Desk


@contextlib.contextmanager
def survey_page(folder: Path) -> Iterator[tuple[Desk, str]]:
    """Serve a survey in `folder`; gives its state and address."""
    project = Project(folder)
    desk = Desk(project, Recorder(project), "cc2650")
    try:
        with serving(desk) as address:
            yield desk, address
    finally:
        desk.close()
