"""What a study of a site is made from and what it found: the content of results/fusion/SITE.json."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.scores import Interval, Score
from tinyloc.training.fusion.filters.settings import DistilSettings, FilterSettings

TRAIN_SEED, TUNE_SEED, TEST_SEED, DETOUR_SEED = 1_000, 20_000, 30_000, 40_000
"""First seeds of the groups of walks."""


class StudySettings(BaseModel):
    """How much is simulated and searched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_walks: int = 80
    labelled_walks: int = 6
    tune_walks: int = 10
    test_walks: int = 24
    trials: int = 32
    seed: int = 0
    distil: DistilSettings = DistilSettings()


class StudyRecord(BaseModel):
    """Everything that the tables need, and how it came about."""

    site: str
    title: str
    settings: StudySettings
    tuned: dict[str, FilterSettings]
    scores: dict[str, Score]
    ratios: dict[str, Interval]
    """RMSE of "method / rival" over the same walks; "max method / rival" for the greatest errors."""
    student_bytes: int
    teacher_parameters: int
    forecast_rmse_m: dict[str, float]
    """Of the next position, one epoch ahead, on test walks: each student, and the teacher."""
    trouble: dict[str, int]
    off_route: dict[str, Score] = {}
    """The same filters on walks along the site's detour, which no student and no search has seen."""


METHODS = {
    "uwb": "trilateration alone",
    "pdr": "dead reckoning alone",
    "fixed": "EKF, fixed R",
    "gated": "EKF, innovation gate",
    "adaptive_undistilled": "adaptive EKF, published rule, undistilled student",
    "adaptive": "adaptive EKF, published rule, distilled student",
    "variance": "R from the distilled student's variance",
    "steered_few": "R and position from a student trained on the labelled walks only",
    "steered_undistilled": "R and position from the undistilled student",
    "steered": "R and position from the distilled student",
    "particle": "particle filter, offline, knows the walls",
}


def load_record(results: Path, site: str) -> StudyRecord:
    """The record of one site. Raises FusionError when there is none or it is of another version."""
    path = results / f"{site}.json"
    if not path.is_file():
        raise FusionError(f"{path}: no results here; make them with `tinyloc fusion run {site}`")
    try:
        return StudyRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FusionError(f"{path}: not results of this version ({error}); run `tinyloc fusion run` again") from None
