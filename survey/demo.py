"""A recorded walk that comes with a model of the zoo: readings of a person, with licence and source."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from tinyloc.bundle.quantities import Place, Point
from tinyloc.device.zoo.models import WALK, WALK_ABOUT
from tinyloc.names import Line
from tinyloc.paths import ZOO_DIR
from tinyloc.strict import Strict, problems
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.plan import Beacon
from tinyloc.survey.sources.replay import ReplaySource


class WalkFile(Strict):
    """walk.json."""

    title: Line
    licence: Line
    citation: Line
    changes: Line
    """What was changed in the recording."""
    path_m: list[Point] = Field(default_factory=list)
    """Lines that the person followed; when the person was where is not known."""
    access_point_m: dict[Line, Place] = Field(default_factory=dict)


@dataclass(frozen=True)
class Demo:
    """A walk."""

    folder: Path
    about: WalkFile

    def source(self, speed: float) -> ReplaySource:
        """The walk as a source."""
        return ReplaySource(self.folder / WALK, speed)

    @property
    def title(self) -> str:
        """What it is and whose, for the page."""
        about = self.about
        return f"{about.title}. {about.citation}. Licence {about.licence}; {about.changes}"

    def beacons(self) -> list[Beacon]:
        """Where the access points are."""
        return [Beacon(id=name, x=x, y=y, z=z) for name, (x, y, z) in self.about.access_point_m.items()]


def demo_of(run: str, zoo: Path = ZOO_DIR) -> Demo:
    """The walk of zoo:NAME or zoo:NAME-BOARD. SurveyError names the models that have one."""
    name = run.removeprefix("zoo:")
    have = sorted(path.parent.name for path in zoo.glob(f"*/{WALK}"))
    for model in have:
        if run.startswith("zoo:") and (name == model or name.startswith(f"{model}-")):
            return Demo(zoo / model, read_about(zoo / model / WALK_ABOUT))
    raise SurveyError(
        f"{run}: no walk comes with it; --demo works with {', '.join(f'zoo:{one}' for one in have)}. Replay a file: "
        "--replay FILE.csv"
    )


def read_about(path: Path) -> WalkFile:
    """Read walk.json. Raises SurveyError."""
    try:
        return WalkFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = "; ".join(problems(error)) if isinstance(error, ValidationError) else error
        raise SurveyError(f"{path}: {why}; use the zoo of this version") from error
