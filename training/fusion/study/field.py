"""The study of the guarded filter: tuned on training and validation walks, judged once on people, buildings, routes and
recordings that nobody was trained on; several network seeds, intervals over walks and seeds, paired with the fixed
filter."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.files import write_whole
from tinyloc.names import printable
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import Batch, prepare
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.scores import Floats, errors
from tinyloc.training.fusion.filters.settings import DistilSettings, FilterSettings
from tinyloc.training.fusion.filters.tuning import track, tune
from tinyloc.training.fusion.students.distil import teach, train_student, train_teacher
from tinyloc.training.fusion.students.quantised import IntegerStudent
from tinyloc.training.fusion.students.rollout import Rollout, roll_out
from tinyloc.training.fusion.students.scaling import Frame
from tinyloc.training.fusion.students.student_files import save_student
from tinyloc.training.fusion.study.field_walks import Group, Sizes, test_groups, training_group, validation_groups
from tinyloc.training.fusion.study.study import LOOSE, Progress, head, integer

ANYWHERE = Frame((0.0, 0.0), 0.0)
"""The student does not see where it is: it has to serve buildings that it never saw."""
SETTINGS = Path(__file__).with_name("field.toml")
PLAIN = ("fixed", "gated", "robust")
"""Filters without a student."""
MOST_UNBLOCKED = 1.01
"""While choosing, the 95th percentile of unblocked walks may be so much of the fixed filter: .01 below the goal."""
GATE: dict[str, tuple[float, ...]] = {
    "engage": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0),
    "doubt_limit": (1.0, 1.5, 2.0, 3.0, 5.0, 11.0),
    "doubt_memory": (0.03, 0.1, 0.3),
    "trust": (0.0, 0.3, 1.0, 3.0, 10.0),
    "surprise": (0.0, 0.1, 0.3, 1.0, 3.0),
    "pull": (0.0, 0.02, 0.05, 0.1, 0.2, 0.4),
}


class FieldSettings(Sizes):
    """Content of field.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: tuple[int, ...] = Field(min_length=1)
    fixed_trials: int = Field(ge=1)
    gate_trials: int = Field(ge=1)
    few_walks: int = Field(ge=1, le=6)
    distil: DistilSettings


class WalkRow(BaseModel):
    """One test walk: errors of each method in m; methods with a student have one value per seed."""

    name: str
    blocked: bool
    epochs: int
    rmse: dict[str, list[float]]
    maximum: dict[str, list[float]]


class GroupRow(BaseModel):
    """A group of test walks."""

    name: str
    kind: str
    what: str
    walks: list[WalkRow]


class FieldRecord(BaseModel):
    """All that the tables need."""

    settings: FieldSettings
    tuned: dict[str, list[FilterSettings]]
    """Per method; those with a student have one entry per seed."""
    validation: list[dict[str, float]]
    """Per seed, what the choice was made by: mean RMSE / fixed of blocked walks, 95th percentile of unblocked ones."""
    student_bytes: int
    forecast_rmse_m: dict[str, list[float]]
    """One epoch ahead, in new buildings, per seed."""
    groups: list[GroupRow]


def load_settings(path: Path = SETTINGS) -> FieldSettings:
    """Read the study's TOML. Raises FusionError."""
    try:
        return FieldSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise FusionError(f"{path}: no such file; the study's own is {SETTINGS}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FusionError(f"{path}: not a TOML file ({printable(str(error))})") from error
    except ValidationError as error:
        found = "; ".join(f"{printable('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors())
        raise FusionError(f"{path}: {found}") from None


def walk_errors(batch: Batch, settings: FilterSettings, student: IntegerStudent | None) -> list[Floats]:
    """Distances in m of each walk's epochs."""
    found = track(batch, settings, student)
    return errors(found.position_m, batch.truth_m, found.started & batch.valid)


def rmse(walks: list[Floats]) -> Floats:
    """(B,) of the walks."""
    return np.array([np.sqrt((e * e).mean()) for e in walks])


class Together:
    """Walks of several groups side by side: the filter's cost is per epoch, hardly per walk."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self.batch = prepare([w.walk for group in groups for w in group.walks])

    def errors(self, settings: FilterSettings, student: IntegerStudent | None) -> list[list[Floats]]:
        """Distances in m: group -> walk -> epochs."""
        found = iter(walk_errors(self.batch, settings, student))
        return [[next(found) for _ in group.walks] for group in self.groups]

    def summary(self, settings: FilterSettings, student: IntegerStudent | None) -> list[list[tuple[float, float]]]:
        """RMSE and greatest error in m: group -> walk."""
        return [
            [(round(float(np.sqrt((e * e).mean())), 4), round(float(e.max()), 4)) for e in walks]
            for walks in self.errors(settings, student)
        ]


class Chooser:
    """Validation walks with the fixed filter's errors on them, and the search of the gate's settings."""

    def __init__(self, groups: list[Group], fixed: FilterSettings) -> None:
        self.fixed, self.together = fixed, Together(groups)
        self.blocked = [np.array([w.blocked for w in group.walks]) for group in groups]
        self.base = self.together.errors(fixed, None)

    def judge(self, settings: FilterSettings, student: IntegerStudent) -> dict[str, float]:
        """Means over groups, so that a group of many walks does not decide alone."""
        blocked, largest, free = [], [], []
        for found, which, base in zip(self.together.errors(settings, student), self.blocked, self.base, strict=True):
            ratio = rmse(found) / rmse(base)
            top = np.array([e.max() for e in found]) / np.array([e.max() for e in base])
            if which.any():
                blocked.append(float(ratio[which].mean()))
                largest.append(float(top[which].mean()))
            if (~which).any():
                free.append(float(np.quantile(ratio[~which], 0.95)))
        worst = max(free)
        cost = float(np.mean(blocked)) + 0.3 * float(np.mean(largest)) + 10 * max(0.0, worst - MOST_UNBLOCKED)
        return {"blocked": float(np.mean(blocked)), "largest": float(np.mean(largest)), "free_p95": worst, "cost": cost}

    def choose(self, student: IntegerStudent, trials: int, seed: int) -> tuple[FilterSettings, dict[str, float]]:
        """The best of `trials` gates: a third drawn at random, then one or two settings changed from the best."""
        generator = np.random.default_rng(seed)
        best = self.fixed.model_copy(update={"rule": "guarded", "engage": 3.0, "pull": 0.1, "surprise": 0.3})
        found = self.judge(best, student)
        for trial in range(trials):
            change = {key: float(generator.choice(values)) for key, values in GATE.items()}
            if trial >= trials // 3:
                keys = generator.choice(list(GATE), int(generator.integers(1, 3)), replace=False)
                change = {str(key): change[str(key)] for key in keys}
            candidate = best.model_copy(update=change)
            judged = self.judge(candidate, student)
            if judged["cost"] < found["cost"]:
                best, found = candidate, judged
        return best, {key: round(value, 4) for key, value in found.items()}


@dataclass
class Prepared:
    """All that the seeds share."""

    settings: FieldSettings
    tuned: dict[str, FilterSettings]
    """Of the filters without a student."""
    chooser: Chooser
    rollouts: list[Rollout]
    test: Together
    seen: Rollout
    """What the fixed filter sees of the first test group."""


@dataclass(frozen=True)
class SeedOutcome:
    """One network seed: its gate, and the errors of each method on each walk of each group."""

    gate: FilterSettings
    judged: dict[str, float]
    forecast_rmse_m: dict[str, float]
    student: IntegerStudent
    errors_m: dict[str, list[list[tuple[float, float]]]]
    """Method -> group -> walk -> RMSE and greatest error."""


def prepare_field(settings: FieldSettings, data: Path, progress: Progress) -> Prepared:
    """Simulate and read all walks, tune the filters without a student on the training walks."""
    torch.set_num_threads(1)
    progress("field: walks to train on")
    training = prepare([w.walk for w in training_group(settings).walks])
    progress("field: filters without a student")
    tuned = {method: tune(training, method, None, settings.fixed_trials, 0) for method in PLAIN}
    chooser = Chooser(validation_groups(data, settings), tuned["fixed"])
    rollouts = histories(training, [tuned["fixed"], tuned["gated"], LOOSE], settings)
    progress("field: walks to test on")
    test = Together(test_groups(data, settings))
    new, fixed = prepare([w.walk for w in test.groups[0].walks]), tuned["fixed"]
    return Prepared(settings, tuned, chooser, rollouts, test, roll_out(new, fixed, make_rule(fixed, None, len(new))))


def run_seed(field: Prepared, seed: int, progress: Progress) -> SeedOutcome:
    """Train students, choose the gate on the validation walks, judge on the test walks."""
    settings, seen = field.settings, field.seen
    students = train_students(field.rollouts, settings, seed, progress)
    forecasts = {}
    for name, student in students.items():
        said = student(seen.history[seen.usable].astype(float)).position_m - seen.history[seen.usable][:, -1, :2]
        apart = said - seen.target_m[seen.usable]
        forecasts[name] = round(float(np.sqrt((apart**2).sum(axis=1).mean())), 4)
    progress(f"field: seed {seed}, gate")
    chosen, judged = field.chooser.choose(students["student"], settings.gate_trials, seed)
    progress(f"field: seed {seed}, test")
    methods = {
        "guarded": (chosen, "student"),
        "steered": (chosen.model_copy(update={"rule": "variance"}), "student"),
        "guarded_few": (chosen, "few"),
        "guarded_few_distilled": (chosen, "few_distilled"),
    }
    found = {name: field.test.summary(one, students[whose]) for name, (one, whose) in methods.items()}
    return SeedOutcome(chosen, judged, forecasts, students["student"], found)


def gather(field: Prepared, outcomes: Sequence[SeedOutcome]) -> FieldRecord:
    """One record of the seeds, in the order of the settings."""
    rows = [
        GroupRow(
            name=group.name, kind=group.kind, what=group.what,
            walks=[WalkRow(name=w.walk.name, blocked=w.blocked, epochs=len(w.walk.time_s), rmse={}, maximum={})
                   for w in group.walks],
        )
        for group in field.test.groups
    ]  # fmt: skip
    plain = {method: field.test.summary(field.tuned[method], None) for method in PLAIN}
    for errors_m in (plain, *(outcome.errors_m for outcome in outcomes)):
        for method, groups in errors_m.items():
            for group, walks in zip(rows, groups, strict=True):
                for row, (rmse_m, most_m) in zip(group.walks, walks, strict=True):
                    row.rmse.setdefault(method, []).append(rmse_m)
                    row.maximum.setdefault(method, []).append(most_m)
    return FieldRecord(
        settings=field.settings.model_copy(update={"seeds": field.settings.seeds[: len(outcomes)]}),
        tuned={**{m: [one] for m, one in field.tuned.items()}, "guarded": [one.gate for one in outcomes]},
        validation=[one.judged for one in outcomes],
        student_bytes=outcomes[0].student.constant_bytes,
        forecast_rmse_m={n: [one.forecast_rmse_m[n] for one in outcomes] for n in outcomes[0].forecast_rmse_m},
        groups=rows,
    )


def run_field(settings: FieldSettings, data: Path, out: Path, progress: Progress) -> FieldRecord:
    """The whole study; writes field.json after each seed, and field-student.json (the first seed's) into `out`."""
    field = prepare_field(settings, data, progress)
    outcomes: list[SeedOutcome] = []
    out.mkdir(parents=True, exist_ok=True)
    for seed in settings.seeds:
        outcomes.append(run_seed(field, seed, progress))
        record = gather(field, outcomes)
        save_student(outcomes[0].student, out / "field-student.json")
        write_whole(out / "field.json", record.model_dump_json(indent=1) + "\n")
    return record


def histories(training: Batch, base: list[FilterSettings], settings: FieldSettings) -> list[Rollout]:
    """What the base filters see, and what a filter sees that a first student steers."""
    rollouts = [roll_out(training, one, make_rule(one, None, len(training))) for one in base]
    first = integer(train_student(rollouts, None, ANYWHERE, settings.distil, 77), rollouts[0], ANYWHERE)
    at_work = base[0].model_copy(update={"rule": "variance", "pull": 0.15})
    return [*rollouts, roll_out(training, at_work, make_rule(at_work, first, len(training)))]


def train_students(
    rollouts: list[Rollout], settings: FieldSettings, seed: int, progress: Progress
) -> dict[str, IntegerStudent]:
    """A student of all truth; and with the truth of few walks, one of that truth alone, and one whose teacher, of the
    same few walks, spoke to all walks."""
    progress(f"field: seed {seed}, students")
    distil = settings.distil
    few = [head(rollout, settings.few_walks) for rollout in rollouts]
    teacher = train_teacher(few, ANYWHERE, distil, seed)
    lessons = [teach(teacher, rollout, ANYWHERE) for rollout in rollouts]
    taught = distil.model_copy(update={"truth": 0.0, "coordinates": 0.0})
    networks = {
        "student": train_student(rollouts, None, ANYWHERE, distil, seed),
        "few": train_student(few, None, ANYWHERE, distil, seed),
        "few_distilled": train_student(rollouts, lessons, ANYWHERE, taught, seed),
    }
    return {name: integer(network, rollouts[-1], ANYWHERE) for name, network in networks.items()}
