"""The page's state around a model at work."""

from pathlib import Path
from typing import Any

from tinyloc.files import write_whole
from tinyloc.survey.demo import Demo
from tinyloc.survey.live_model import LiveModel
from tinyloc.survey.plan import plan_of_site
from tinyloc.survey.project import FILE, Project, SurveyFile, read_survey
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


def survey_of(run: Path) -> SurveyFile | None:
    """The survey in whose folder a run was trained, FOLDER/runs/NAME; its page may be open."""
    path = run.resolve().parent.parent / FILE
    return read_survey(path) if run.resolve().parent.name == "runs" and path.is_file() else None


def live_desk(model: LiveModel, run: Path, folder: Path, board: str, demo: Demo | None = None) -> Desk:
    """Open a folder and let the recorder feed the model.

    A fresh folder gets plan, pictures and ids of the survey that the run was trained in, else the model's own plan. The
    folder inside the run follows the survey.
    """
    run = run.resolve()
    bundle = model.bundle
    plan = plan_of_site(bundle.site, bundle.preprocessing.access_points)
    if demo is not None and not plan.beacons:
        plan = plan.model_copy(update={"beacons": demo.beacons()})
    survey = survey_of(run) if demo is None else None
    project = Project(folder, plan=survey.plan if survey else plan, ids=survey.ids if survey else None)
    if survey and folder.resolve().parent == run and (project.plan, project.ids) != (survey.plan, survey.ids):
        project.set_plan(survey.plan)
        project.set_ids(survey.ids)
    for floor in project.plan.floors if survey else []:
        if floor.image and (run.parent.parent / floor.image).is_file():
            write_whole(folder / floor.image, (run.parent.parent / floor.image).read_bytes())
    recorder = Recorder(project, scan_s=model.scan_s)
    recorder.listeners.append(model.on_scan)
    return Desk(project, recorder, board, LivePage(model, demo))
