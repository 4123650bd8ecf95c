"""Walks that the live view can play: a site of the study (simulated), an own or a published recording (real)."""

import json
from dataclasses import dataclass
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.codegen.fusion import compile_fusion
from tinyloc.device.fusion.fusion_image import FusionImage, build_fusion
from tinyloc.paths import FUSION_RESULTS_DIR
from tinyloc.survey.errors import SurveyError
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import K_DEFAULT
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.recordings.own import load_walk
from tinyloc.training.fusion.recordings.published import LIAS, TREK, load_recordings, recordings_folder
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import site
from tinyloc.training.fusion.students.student_files import load_student
from tinyloc.training.fusion.study.record import TEST_SEED

SITES = ("corridor", "loop")
SITE_METHOD, RECORDED_METHOD = "steered", "fixed"
"""A site's student knows its routes; of a recording's place no student knows anything."""
WITH_IMU, WITHOUT = ("corridor", "a simulated corridor"), ("real", "a simulated room")
"""Record of the study whose settings a recording gets, and where these were tuned: walks with the same sensors."""
ROOM_STUDENT = "room-student.json"
PUBLISHED = {"lias": (LIAS, "a trolley with motion capture"), "trek": (TREK, "a person or a stand, with Vicon")}
TEST_WALK = 1
RANGES = "ranges.csv"


@dataclass(frozen=True)
class PlayedWalk:
    """A walk with the filter that follows it."""

    walk: Walk
    settings: FilterSettings
    student: str
    """Name of the student's file; the fixed rule does not ask it."""
    lines: list[str]
    """What it is, whether real or simulated, and whose, for the page."""
    anchor_names: list[str]
    k: float = K_DEFAULT
    """Weinberg's constant of the wearer."""


def find_walk(name: str) -> PlayedWalk:
    """Find a walk.

    Args:
        name: corridor or loop, the folder of an own recording, or the name of a published recording, as trek-m1l.

    Raises:
        SurveyError: There is no such walk.
        FusionError: The recording is not sound; the message names all problems.
    """
    if name in SITES:
        return _of_site(name)
    if (Path(name) / RANGES).is_file():
        return _of_folder(Path(name))
    if name.split("-")[0] in PUBLISHED:
        return _of_data_set(name)
    known = f"{' and '.join(SITES)} (simulated), the folder of an own recording (it holds {RANGES}), "
    raise SurveyError(
        f"fusion:{name}: no such walk; there are {known}and recordings of {LIAS} and {TREK}, as lias-mid-t0 and "
        "trek-m1l"
    )


def build_walk(found: PlayedWalk, board: Board, folder: Path) -> FusionImage:
    """Compile the filter for the walk's anchors and build its image below `folder`."""
    student = load_student(FUSION_RESULTS_DIR / found.student)
    compile_fusion(student, found.settings, found.walk.anchors_m, folder / "generated")
    (folder / "firmware").mkdir()
    return build_fusion(folder / "generated", board, folder / "firmware", "Os")


def _of_site(name: str) -> PlayedWalk:
    walk = simulate(site(name), TEST_SEED + TEST_WALK)
    lines = [
        f"{site(name).title}, walk {TEST_WALK}. The walk, its ranges and its inertial readings are simulated.",
        "Filter: covariance and position steered by a student that was trained on other walks along this route.",
    ]
    return PlayedWalk(walk, _tuned(name, SITE_METHOD), f"{name}-student.json", lines, _numbered(walk))


def _of_folder(folder: Path) -> PlayedWalk:
    own = load_walk(folder)
    lines = [f"Own recording {own.walk.name}.", *own.lines()]
    return _recorded(own.walk, lines, list(own.anchor_names), own.settings.k)


def _of_data_set(name: str) -> PlayedWalk:
    recordings = {one.walk.name: one for one in load_recordings(recordings_folder())}
    if name not in recordings:
        raise SurveyError(f"fusion:{name}: no such recording; there are {', '.join(recordings)}")
    found = recordings[name]
    source, who = PUBLISHED[name.split("-")[0]]
    blocked = "; a person blocks one anchor" if found.blocked else ""
    line = f"Recording {name} of {source}: real ranges of {who}{blocked}. Licence MIT. It has no inertial sensor."
    return _recorded(found.walk, [line], _numbered(found.walk), K_DEFAULT)


def _recorded(walk: Walk, lines: list[str], names: list[str], k: float) -> PlayedWalk:
    record, where = WITHOUT if walk.imu is None else WITH_IMU
    line = f"Filter: fixed covariance, tuned on walks in {where}; nothing was tuned on this recording."
    return PlayedWalk(walk, _tuned(record, RECORDED_METHOD), ROOM_STUDENT, [*lines, line], names, k)


def _numbered(walk: Walk) -> list[str]:
    return [f"anchor {number}" for number in range(1, len(walk.anchors_m) + 1)]


def _tuned(record: str, method: str) -> FilterSettings:
    """Settings that the study found. The record is read as plain JSON: its model needs the training's packages."""
    path = FUSION_RESULTS_DIR / f"{record}.json"
    try:
        return FilterSettings.model_validate(json.loads(path.read_text(encoding="utf-8"))["tuned"][method])
    except (OSError, ValueError, KeyError) as error:
        raise FusionError(f"{path}: not results of this version ({error}); run `tinyloc fusion run` again") from None
