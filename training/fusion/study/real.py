"""The study on real recordings: everything is trained and tuned on the simulated room, nothing on the recordings."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from tinyloc.files import write_whole
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.scores import Floats, errors
from tinyloc.training.fusion.filters.settings import DistilSettings, FilterSettings
from tinyloc.training.fusion.filters.tuning import track, tune
from tinyloc.training.fusion.recordings.published import Recording, load_recordings
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import ROOM
from tinyloc.training.fusion.students.student_files import save_student
from tinyloc.training.fusion.study.record import TRAIN_SEED, TUNE_SEED, StudySettings
from tinyloc.training.fusion.study.study import LOOSE, Progress, train_all

METHODS = {"fixed": None, "gated": None, "adaptive": "distilled", "variance": "distilled", "steered": "distilled"}


def real_settings() -> StudySettings:
    """The room's walks have twice the epochs of the others: fewer of them, and fewer trials."""
    distil = DistilSettings(teacher_epochs=16, steps=2000)
    return StudySettings(train_walks=36, trials=16, tune_walks=8, distil=distil)


class RealRow(BaseModel):
    """One recording: errors of each method in metres."""

    name: str
    blocked: bool
    moving: bool
    epochs: int
    anchor_bias_m: list[float]
    """Mean excess of each anchor's ranges."""
    rmse: dict[str, float]
    maximum: dict[str, float]


class RealRecord(BaseModel):
    """All recordings and how the methods were set."""

    settings: StudySettings
    tuned: dict[str, FilterSettings]
    student_bytes: int
    rows: list[RealRow]


def run_real(data: Path, settings: StudySettings, out: Path, progress: Progress) -> RealRecord:
    """Train and tune in the simulated room, run on the recordings; writes real.json and room-student.json."""
    recordings = load_recordings(data)
    progress("room: walks to train on")
    training = prepare([simulate(ROOM, TRAIN_SEED + i) for i in range(settings.train_walks)])
    tuning = prepare([simulate(ROOM, TUNE_SEED + i) for i in range(settings.tune_walks)])
    tuned = {m: tune(tuning, m, None, settings.trials, settings.seed) for m in ("fixed", "gated")}
    students, _ = train_all(ROOM, training, [tuned["fixed"], tuned["gated"], LOOSE], settings, progress)
    for method, whose in METHODS.items():
        if whose is not None:
            progress(f"room: {method}")
            tuned[method] = tune(tuning, method, students[whose], settings.trials, settings.seed)
    rows = []
    for recording in recordings:
        progress(recording.walk.name)
        batch = prepare([recording.walk])
        found = {}
        for method, whose in METHODS.items():
            result = track(batch, tuned[method], students[whose] if whose else None)
            found[method] = errors(result.position_m, batch.truth_m, result.started & batch.valid)[0]
        found["uwb"] = errors(batch.fix_m, batch.truth_m, batch.fixed)[0]
        rows.append(_row(recording, found))
    record = RealRecord(settings=settings, tuned=tuned, student_bytes=students["distilled"].constant_bytes, rows=rows)
    out.mkdir(parents=True, exist_ok=True)
    save_student(students["distilled"], out / "room-student.json")
    write_whole(out / "real.json", record.model_dump_json(indent=1) + "\n")
    return record


def _row(recording: Recording, found: dict[str, Floats]) -> RealRow:
    walk = recording.walk
    distance = np.linalg.norm(walk.truth_m[:, None] - walk.anchors_m[None], axis=2)
    return RealRow(
        name=walk.name,
        blocked=recording.blocked,
        moving=recording.moving,
        epochs=len(found["fixed"]),
        anchor_bias_m=[round(float(v), 3) for v in np.nanmean(walk.ranges_m - distance, axis=0)],
        rmse={m: round(float(np.sqrt((e * e).mean())), 4) for m, e in found.items()},
        maximum={m: round(float(e.max()), 4) for m, e in found.items()},
    )
