"""Kinds of students side by side: the same teacher, the same walks, the same filter. results/fusion/variants.json.

The networks are compared in float; the MLP is the one that is quantised and deployed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel
from torch import nn

from tinyloc.files import write_whole
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.rules import Forecast, make_rule
from tinyloc.training.fusion.filters.scores import Interval, errors, score
from tinyloc.training.fusion.filters.tuning import track
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import site
from tinyloc.training.fusion.students.distil import find_teacher, teach, train_student
from tinyloc.training.fusion.students.networks import parameters
from tinyloc.training.fusion.students.rollout import roll_out
from tinyloc.training.fusion.students.scaling import Frame, forecast
from tinyloc.training.fusion.study.record import TEST_SEED, TRAIN_SEED, StudySettings, load_record
from tinyloc.training.fusion.study.study import LOOSE, Progress, frame_of, histories

KINDS = ("mlp", "gru", "mamba")


@dataclass(frozen=True)
class FloatStudent:
    """A predictor (rules.Predictor) of a float network."""

    network: nn.Module
    frame: Frame

    def __call__(self, history: npt.NDArray[np.float64]) -> Forecast:
        with torch.no_grad():
            out = self.network(torch.from_numpy(self.frame.inputs(history)).float())
        return forecast(history, out.double().numpy())


class VariantRow(BaseModel):
    """One kind of student."""

    student: str
    distilled: bool
    parameters: int  # a byte each in int8
    forecast_rmse_m: float  # one epoch ahead
    rmse: Interval  # of the steered filter with it, metres


class VariantRecord(BaseModel):
    """All kinds at one site."""

    site: str
    settings: StudySettings
    rows: list[VariantRow]


def run_variants(name: str, settings: StudySettings, results: Path, progress: Progress) -> VariantRecord:
    """Train each kind with and without the teacher and try it in the filter that the study tuned for its student."""
    torch.set_num_threads(1)
    place, tuned = site(name), load_record(results, name).tuned
    frame = frame_of(place)
    progress(f"{name}: {settings.train_walks} walks to train on")
    training = prepare([simulate(place, TRAIN_SEED + i) for i in range(settings.train_walks)])
    testing = prepare([simulate(place, TEST_SEED + i) for i in range(settings.test_walks)])
    rollouts = histories(place, training, [tuned["fixed"], tuned["gated"], LOOSE], settings)
    progress("teacher")
    teacher = find_teacher(rollouts, frame, settings.distil, settings.seed)
    lessons = [teach(teacher, rollout, frame) for rollout in rollouts]
    seen = roll_out(testing, tuned["fixed"], make_rule(tuned["fixed"], None, len(testing)))
    rows = []
    for kind in KINDS:
        for distilled in (True, False):
            progress(f"{kind}, {'distilled' if distilled else 'undistilled'}")
            distil = settings.distil.model_copy(update={"student": kind})
            network = train_student(rollouts, lessons if distilled else None, frame, distil, settings.seed)
            student = FloatStudent(network, frame)
            said = student(seen.history[seen.usable].astype(float)).position_m - seen.history[seen.usable][:, -1, :2]
            apart = said - seen.target_m[seen.usable]
            found = track(testing, tuned["steered"], student)
            scored = score(errors(found.position_m, testing.truth_m, found.started & testing.valid), place.rate_hz)
            rows.append(
                VariantRow(
                    student=kind,
                    distilled=distilled,
                    parameters=parameters(network),
                    forecast_rmse_m=round(float(np.sqrt((apart**2).sum(axis=1).mean())), 4),
                    rmse=scored.rmse,
                )
            )
    record = VariantRecord(site=name, settings=settings, rows=rows)
    write_whole(results / "variants.json", record.model_dump_json(indent=1) + "\n")
    return record


def variant_table(record: VariantRecord) -> str:
    """Markdown of the kinds of students."""
    lines = [
        f"### Kinds of students, {record.site}",
        "",
        f"{record.settings.test_walks} walks, the steered filter, networks in float; metres, mean over walks [95 %].",
        "",
        "| student | parameters | forecast RMSE | filter RMSE |",
        "|---|---|---|---|",
    ]
    for row in record.rows:
        name = f"{row.student}, {'distilled' if row.distilled else 'undistilled'}"
        interval = f"{row.rmse.mean:.2f} [{row.rmse.low:.2f}, {row.rmse.high:.2f}]"
        lines.append(f"| {name} | {row.parameters} | {row.forecast_rmse_m:.3f} | {interval} |")
    return "\n".join(lines) + "\n"
