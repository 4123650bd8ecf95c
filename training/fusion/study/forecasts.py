"""Teachers and students judged as the source judges: ATE RMSE of the next of eleven positions. Simulated walks."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from tinyloc.files import write_whole
from tinyloc.names import printable
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.simulation.buildings import building
from tinyloc.training.fusion.simulation.field import simulate_field
from tinyloc.training.fusion.simulation.range_errors import load_errors
from tinyloc.training.fusion.students.forecasters import (
    LOG_VARIANCE,
    ConstantVelocity,
    Convolutional,
    Fracast,
    Language,
    Said,
    Teacher,
    TeacherSettings,
    WindowStudent,
    fit,
    inputs,
    likelihood,
    moves,
    turned,
)
from tinyloc.training.fusion.students.windows import Windows, ate, cut
from tinyloc.training.fusion.study.study import Progress

TRAJECTORIES, TRAIN_WINDOWS, TEST_WINDOWS = 11, 6_000, 1_000
"""As published."""
STOPS = 9
TRAIN_BUILDING, TEST_BUILDING = 500, 600
"""First seeds; a walk each, so buildings, people and routes of the test are new."""
SETTINGS = Path(__file__).with_name("forecasts.toml")
TOP_K = 5
TEXT_M = 0.01
"""Positions in a prompt have two decimals."""


class ForecastSettings(BaseModel):
    """Content of forecasts.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: tuple[int, ...] = Field(min_length=1)
    few_walks: int = Field(ge=1, le=TRAJECTORIES)
    steps: int = Field(ge=1)
    more_walks: int = Field(default=40, ge=0)
    teacher: tuple[TeacherSettings, ...]


class TeacherRow(BaseModel):
    """A teacher on test windows."""

    name: str
    parameters: int
    model: str
    """Hash of a language model, else empty."""
    windows: int
    outcomes: dict[str, int]
    ate_m: list[float]
    """Per seed; one value where no seed plays a part."""
    same_windows_m: dict[str, float] = {}
    """What constant velocity and the convolutional teacher reach on the same windows."""


class StudentRow(BaseModel):
    """A student of the deployed size, per seed."""

    teacher: str
    loss: str
    truth_walks: int
    ate_m: list[float]


class ForecastRecord(BaseModel):
    """Content of forecasts.json."""

    settings: ForecastSettings
    student_parameters: int
    teachers: list[TeacherRow]
    students: list[StudentRow]


def load_settings(path: Path = SETTINGS) -> ForecastSettings:
    """Read the study's TOML. Raises FusionError."""
    try:
        return ForecastSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise FusionError(f"{path}: no such file; the study's own is {SETTINGS}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FusionError(f"{path}: not a TOML file ({printable(str(error))})") from error
    except ValidationError as error:
        found = "; ".join(f"{printable('.'.join(map(str, e['loc'])))}: {e['msg']}" for e in error.errors())
        raise FusionError(f"{path}: {found}") from None


def training_windows(trajectories: int = TRAJECTORIES, most: int = TRAIN_WINDOWS) -> Windows:
    """Windows of the training walks."""
    errors = load_errors()
    walks = [simulate_field(building(TRAIN_BUILDING + n), n, errors, STOPS).walk for n in range(trajectories)]
    return cut(walks, most)


def test_windows() -> Windows:
    """Windows of as many other walks in other buildings."""
    errors = load_errors()
    walks = [simulate_field(building(TEST_BUILDING + n), n, errors, STOPS).walk for n in range(TRAJECTORIES)]
    return cut(walks, TEST_WINDOWS)


def evenly(windows: Windows, count: int) -> Windows:
    """So many windows, evenly from all."""
    return windows.pick(np.unique(np.linspace(0, len(windows) - 1, min(count, len(windows))).astype(np.int64)))


def published_loss(out: Tensor, said: Tensor, deviation: Tensor, shaken: Tensor) -> Tensor:
    """The published student loss, with equivalents for a student that says a Gaussian.

    Top-k divergence: the teacher's TOP_K most probable answers are its mean and four points a standard deviation away;
    the student's probabilities of the same answers, both normalised over them. Coordinates: distance to the teacher's.
    Text consistency: the student says the same of a history rounded to the decimals of a prompt. All of one weight, as
    the source gives none here; no truth takes part.

    Args:
        out: (n, 3) of the student.
        said: (n, 2) the teacher's displacement.
        deviation: (n,) the teacher's standard deviation, each axis, m.
        shaken: (n, 3) of the student for the rounded history.
    """
    offsets = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    answers = said[:, None] + deviation[:, None, None] * offsets  # (n, TOP_K, 2)
    teacher = torch.log_softmax(-0.5 * (offsets**2).sum(dim=1), dim=0)
    variance = out[:, 2].clamp(*LOG_VARIANCE).exp()
    student = torch.log_softmax(-0.5 * ((answers - out[:, None, :2]) ** 2).sum(dim=2) / variance[:, None], dim=1)
    soft = (teacher.exp() * (teacher - student)).sum(dim=1).mean()
    coordinates = (out[:, :2] - said).norm(dim=1).mean()
    return soft + coordinates + (shaken[:, :2] - out[:, :2]).norm(dim=1).mean()


def our_loss(out: Tensor, said: Tensor, deviation: Tensor, shaken: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Divergence between Gaussians, half the likelihood of the truth where it is known, a tenth of consistency."""
    log, wanted = out[:, 2].clamp(*LOG_VARIANCE), 2 * deviation.log()
    apart = ((said - out[:, :2]) ** 2).mean(dim=1)
    soft = 0.5 * (log - wanted + (wanted - log).exp() + apart / log.exp() - 1).mean()
    consistency = (shaken[:, :2] - out[:, :2]).abs().mean()
    plain = likelihood(out[known], target[known]) if known.any() else torch.zeros(())
    return soft + 0.5 * plain + 0.1 * consistency


def train_student(windows: Windows, said: Said | None, kind: str, few: int, steps: int, seed: int) -> nn.Module:
    """A student of the truth alone (`said` None; only walks below `few`), or of a teacher by "published" or "ours"."""
    torch.manual_seed(seed)
    if said is None:
        windows = windows.pick(windows.walk < few)
    else:
        answered = np.isfinite(said.next_m).all(axis=1)
        windows = windows.pick(answered)
        lesson = torch.from_numpy((said.next_m[answered] - windows.seen_m[:, -1]).astype(np.float32))
        spread = torch.from_numpy(np.maximum(said.deviation_m[answered], 0.02).astype(np.float32))
    x, target, known = inputs(windows), moves(windows), torch.from_numpy(windows.walk < few)

    def loss(network: nn.Module, rows: Tensor, turn: Tensor) -> Tensor:
        seen = turned(x[rows], turn)
        out = network(seen)
        if said is None:
            return likelihood(out, turned(target[rows], turn))
        taught, rounded = turned(lesson[rows], turn), network((seen / TEXT_M).round() * TEXT_M)
        if kind == "published":
            return published_loss(out, taught, spread[rows], rounded)
        return our_loss(out, taught, spread[rows], rounded, turned(target[rows], turn), known[rows])

    return fit(WindowStudent(), windows, loss, steps, seed)


def student_ate(network: nn.Module, windows: Windows) -> float:
    """ATE RMSE of a student in m."""
    with torch.no_grad():
        out = network(inputs(windows)).double().numpy()
    return ate(windows.seen_m[:, -1] + out[:, :2], windows)


def run_forecasts(settings: ForecastSettings, out: Path, progress: Progress) -> ForecastRecord:
    """Judge teachers, train students of each, judge them; writes forecasts.json."""
    torch.set_num_threads(1)
    training, testing = training_windows(), test_windows()
    labelled = training.pick(training.walk < settings.few_walks)
    teachers: dict[str, TeacherRow] = {}
    students: dict[tuple[str, str, int], list[float]] = {}

    def note(teacher: str, loss: str, truth: int, network: nn.Module) -> None:
        students.setdefault((teacher, loss, truth), []).append(round(student_ate(network, testing), 4))

    larger = training_windows(settings.more_walks, 10**9) if settings.more_walks else None
    for seed in settings.seeds:
        progress(f"forecasts: seed {seed}, students of the truth")
        for walks in (settings.few_walks, TRAJECTORIES):
            note("none", "truth", walks, train_student(training, None, "", walks, settings.steps, seed))
        if larger is not None:
            note("none", "truth", settings.more_walks,
                 train_student(larger, None, "", settings.more_walks, settings.steps, seed))  # fmt: skip
        for one in settings.teacher:
            if seed != settings.seeds[0] and not isinstance(one, Convolutional):
                continue  # its answers do not depend on the seed; its students, of all seeds, are trained at the first
            progress(f"forecasts: seed {seed}, {one.kind}")
            _one_teacher(one, seed, settings, (training, labelled, testing), teachers, note)
    record = ForecastRecord(
        settings=settings,
        student_parameters=sum(p.numel() for p in WindowStudent().parameters()),
        teachers=list(teachers.values()),
        students=[
            StudentRow(teacher=teacher, loss=loss, truth_walks=truth, ate_m=values)
            for (teacher, loss, truth), values in students.items()
        ],
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "forecasts.json", record.model_dump_json(indent=1) + "\n")
    return record


def _one_teacher(
    one: TeacherSettings, seed: int, settings: ForecastSettings, data: tuple[Windows, Windows, Windows],
    teachers: dict[str, TeacherRow], note: Any,
) -> None:  # fmt: skip
    training, labelled, testing = data
    # a prompt's few worked examples may be of any training walk
    teacher = Teacher(one, training if isinstance(one, Language) else labelled, seed)
    asked = evenly(testing, one.windows) if isinstance(one, Language | Fracast) else testing
    judged = teacher.forecast(asked)
    row = teachers.setdefault(
        one.kind,
        TeacherRow(
            name=one.kind, parameters=0, model=teacher.model, windows=len(asked),
            outcomes=judged.outcomes, ate_m=[],
        ),
    )  # fmt: skip
    row.parameters = teacher.parameters
    row.ate_m.append(round(ate(judged.next_m, asked), 4))
    if isinstance(one, Language | Fracast):
        row.windows = len(asked) - judged.outcomes.get("unasked", 0)
        answered = asked.pick(np.isfinite(judged.next_m).all(axis=1))
        for rival in (ConstantVelocity(), Convolutional(steps=settings.steps)):
            there = Teacher(rival, labelled, seed).forecast(answered)
            row.same_windows_m[rival.kind] = round(ate(there.next_m, answered), 4)
    if isinstance(one, Language | Fracast) and not one.students:
        return
    if isinstance(one, ConstantVelocity):
        return  # stands for what each must beat; it teaches nobody
    lessons_of = evenly(training, one.windows) if isinstance(one, Language | Fracast) else training
    said = teacher.forecast(lessons_of)
    if np.isnan(said.deviation_m).all():
        own = teacher.forecast(lessons_of.pick(lessons_of.walk < settings.few_walks), True)
        said = Said(said.next_m, np.full(len(lessons_of), own.deviation_m[0]), said.outcomes)
    seeds = (seed,) if isinstance(one, Convolutional) else settings.seeds
    for number in seeds:
        for loss, truth in (("published", 0), ("ours", settings.few_walks)):
            note(one.kind, loss, truth, train_student(lessons_of, said, loss, truth, settings.steps, number))
