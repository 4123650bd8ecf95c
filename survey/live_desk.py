"""The page's state around a model at work."""

from pathlib import Path
from typing import Any

from tinyloc.survey.demo import Demo
from tinyloc.survey.live_model import LiveModel
from tinyloc.survey.plan import plan_of_site
from tinyloc.survey.project import Project
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.state import Desk


class LivePage:
    """A model with what the page draws behind it."""

    def __init__(self, model: LiveModel, demo: Demo | None) -> None:
        self.model, self._path = model, demo.about.path_m if demo is not None else []

    def about(self) -> dict[str, Any]:
        """The model's, and the path that was walked."""
        return {**self.model.about(), "path": [list(point) for point in self._path]}

    def snapshot(self) -> dict[str, Any]:
        """The model's."""
        return self.model.snapshot()

    def truth(self, room: str | None, x: float | None, y: float | None, floor: int) -> None:
        """The model gets it with the next scan."""
        self.model.truth(room, x, y, floor)

    def close(self) -> None:
        """Stop the model."""
        self.model.close()


def live_desk(model: LiveModel, folder: Path, board: str, demo: Demo | None = None) -> Desk:
    """Open a folder, with the model's own plan where it has none, and let the recorder feed the model."""
    bundle = model.bundle
    plan = plan_of_site(bundle.site, bundle.preprocessing.access_points)
    if demo is not None and not plan.beacons:
        plan = plan.model_copy(update={"beacons": demo.beacons()})
    project = Project(folder, plan=plan)
    recorder = Recorder(project, scan_s=model.scan_s)
    recorder.listeners.append(model.on_scan)
    return Desk(project, recorder, board, LivePage(model, demo))
