"""The study: methods by settings over many seeds, from committed settings to JSON."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tinyloc.files import write_whole
from tinyloc.training.fusion.filters.batch import Batch, prepare
from tinyloc.training.fusion.filters.particle import particle_track
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.scores import Floats, Interval, Score, errors, ratio, score
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.filters.tuning import track, tune
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import Site, site
from tinyloc.training.fusion.students.distil import find_teacher, teach, train_student
from tinyloc.training.fusion.students.language import LanguageTeacher
from tinyloc.training.fusion.students.networks import MlpStudent, Teacher, parameters
from tinyloc.training.fusion.students.quantised import IntegerStudent, quantise
from tinyloc.training.fusion.students.rollout import Rollout, roll_out
from tinyloc.training.fusion.students.scaling import Frame
from tinyloc.training.fusion.students.student_files import save_student
from tinyloc.training.fusion.study.record import (
    DETOUR_SEED,
    METHODS,
    TEST_SEED,
    TRAIN_SEED,
    TUNE_SEED,
    StudyRecord,
    StudySettings,
)

Progress = Callable[[str], None]
LOOSE = FilterSettings(rule="fixed", r=1.0, acceleration=0.6, step_noise=0.15)
"""A filter that follows every fix: the third of those whose histories are learnt from."""


def frame_of(place: Site) -> Frame:
    """Frame of the networks' absolute position; a site whose people wander stands for any room and hides it."""
    if place.people:
        return Frame((0.0, 0.0), 0.0)
    low, high = place.anchors.min(axis=0), place.anchors.max(axis=0)
    middle = (low + high) / 2
    return Frame((float(middle[0]), float(middle[1])), float((high - low).max() / 2))


def integer(network: nn.Module, rollout: Rollout, frame: Frame) -> IntegerStudent:
    """The int8 form of an MLP student, calibrated on what it was trained on."""
    assert isinstance(network, MlpStudent)
    calibration = frame.inputs(rollout.history[rollout.usable][::7])
    layers = []
    for layer in network.layers:
        assert isinstance(layer, nn.Linear)
        layers.append((layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()))
    return quantise(layers, calibration, frame)


def histories(place: Site, batch: Batch, base: list[FilterSettings], settings: StudySettings) -> list[Rollout]:
    """What the base filters saw of the walks, and last what a filter sees that a first student steers."""
    frame = frame_of(place)
    rollouts = [roll_out(batch, chosen, make_rule(chosen, None, len(batch))) for chosen in base]
    plain = settings.distil.model_copy(update={"student": "mlp"})
    first = integer(train_student(rollouts, None, frame, plain, settings.seed + 7), rollouts[0], frame)
    at_work = FilterSettings(rule="variance", r=0.5, acceleration=0.5, pull=0.15)
    return [*rollouts, roll_out(batch, at_work, make_rule(at_work, first, len(batch)))]


def train_all(
    place: Site, batch: Batch, base: list[FilterSettings], settings: StudySettings, progress: Progress
) -> tuple[dict[str, IntegerStudent], Teacher | LanguageTeacher]:
    """Teacher and students on the histories of the base filters and of a student at work."""
    torch.set_num_threads(1)
    frame, distil, seed = frame_of(place), settings.distil, settings.seed
    rollouts = histories(place, batch, base, settings)
    progress("teacher")
    teacher = find_teacher(rollouts, frame, distil, seed)
    lessons = [teach(teacher, rollout, frame) for rollout in rollouts]
    few = [head(rollout, settings.labelled_walks) for rollout in rollouts]
    progress("students")
    networks = {
        "distilled": train_student(rollouts, lessons, frame, distil, seed),
        "undistilled": train_student(rollouts, None, frame, distil, seed),
        "few": train_student(few, None, frame, distil, seed),
    }
    return {name: integer(network, rollouts[-1], frame) for name, network in networks.items()}, teacher


def run_site(name: str, settings: StudySettings, out: Path, progress: Progress) -> StudyRecord:
    """The whole study of one simulated site; writes NAME.json and the student's NAME-student.json into `out`."""
    place = site(name)
    progress(f"{name}: {settings.train_walks} walks to train on")
    training = prepare([simulate(place, TRAIN_SEED + i) for i in range(settings.train_walks)])
    tuning = prepare([simulate(place, TUNE_SEED + i) for i in range(settings.tune_walks)])
    walks = [simulate(place, TEST_SEED + i) for i in range(settings.test_walks)]
    testing = prepare(walks)
    tuned = {m: tune(tuning, m, None, settings.trials, settings.seed) for m in ("fixed", "gated")}
    students, teacher = train_all(place, training, [tuned["fixed"], tuned["gated"], LOOSE], settings, progress)
    owner = {
        "fixed": None, "gated": None, "adaptive_undistilled": "undistilled", "adaptive": "distilled",
        "variance": "distilled", "steered_few": "few", "steered_undistilled": "undistilled", "steered": "distilled",
    }  # fmt: skip
    found, trouble = {}, {"backwards": 0, "gaps": 0, "diverged": 0}
    for method, whose in owner.items():
        progress(f"{name}: {method}")
        student = students[whose] if whose else None
        if method not in tuned:
            tuned[method] = tune(tuning, method.split("_")[0], student, settings.trials, settings.seed)
        result = track(testing, tuned[method], student)
        found[method] = errors(result.position_m, testing.truth_m, result.started & testing.valid)
        for kind in trouble:
            trouble[kind] += int(getattr(result.trouble, kind).sum())
    found["uwb"] = errors(testing.fix_m, testing.truth_m, testing.fixed)
    found["pdr"] = errors(reckoned(testing), testing.truth_m, testing.valid & (np.cumsum(testing.fixed, axis=1) > 0))
    if not place.people:
        progress(f"{name}: particle filter")
        started = np.cumsum(testing.fixed, axis=1) > 0
        tracks = np.zeros_like(testing.fix_m)
        for row, walk in enumerate(walks):
            tracks[row, : len(walk.time_s)] = particle_track(walk, place, settings.seed + row)
        found["particle"] = errors(tracks, testing.truth_m, testing.valid & started)
    scores = {method: score(found[method], place.rate_hz) for method in METHODS if method in found}
    record = StudyRecord(
        site=name,
        title=place.title,
        settings=settings,
        tuned=tuned,
        scores=scores,
        ratios=_ratios(scores),
        student_bytes=students["distilled"].constant_bytes,
        teacher_parameters=parameters(teacher if isinstance(teacher, nn.Module) else teacher.model),
        forecast_rmse_m=_forecasts(testing, students, teacher, frame_of(place), tuned["steered"]),
        trouble=trouble,
        off_route=detour(place, tuned, students["distilled"], settings.test_walks) if place.detour_m else {},
    )
    out.mkdir(parents=True, exist_ok=True)
    save_student(students["distilled"], out / f"{name}-student.json")
    write_whole(out / f"{name}.json", record.model_dump_json(indent=1) + "\n")
    return record


def detour(place: Site, tuned: dict[str, FilterSettings], student: IntegerStudent, walks: int) -> dict[str, Score]:
    """Scores of the filters on walks along another route of the same site."""
    elsewhere = replace(place, route_m=place.detour_m)
    batch = prepare([simulate(elsewhere, DETOUR_SEED + i) for i in range(walks)])
    scores = {}
    for method in ("fixed", "gated", "adaptive", "variance", "steered"):
        found = track(batch, tuned[method], student)
        scores[method] = score(errors(found.position_m, batch.truth_m, found.started & batch.valid), place.rate_hz)
    return scores


def reckoned(batch: Batch) -> Floats:
    """Dead reckoning alone from the first fix, (B, N, 2)."""
    position = np.zeros_like(batch.fix_m)
    velocity, here, begun = np.zeros((len(batch), 2)), np.zeros((len(batch), 2)), np.zeros(len(batch), dtype=bool)
    for n in range(batch.time_s.shape[1]):
        dt = batch.time_s[:, n] - batch.time_s[:, n - 1] if n else np.zeros(len(batch))
        velocity = np.where(batch.stepped[:, n, None], batch.velocity_mps[:, n], velocity)
        velocity = np.where((batch.still[:, n] & ~batch.stepped[:, n])[:, None], 0.0, velocity)
        here = here + velocity * (dt * begun)[:, None]
        new = ~begun & batch.fixed[:, n]
        here[new], begun = batch.fix_m[new, n], begun | new
        position[:, n] = here
    return position


def _ratios(scores: dict[str, Score]) -> dict[str, Interval]:
    result = {}
    for method in ("adaptive", "variance", "steered"):
        for rival in ("fixed", "gated", f"{method}_undistilled", "steered_few"):
            if rival in scores and not (rival == "steered_few" and method != "steered"):
                one, other = scores[method], scores[rival]
                result[f"{method} / {rival}"] = ratio(one.rmse_of_walk, other.rmse_of_walk)
                result[f"max {method} / {rival}"] = ratio(one.max_of_walk, other.max_of_walk)
    return result


def _forecasts(
    batch: Batch, students: dict[str, IntegerStudent], teacher: Teacher | LanguageTeacher, frame: Frame,
    settings: FilterSettings,
) -> dict[str, float]:  # fmt: skip
    rollout = roll_out(batch, settings, make_rule(settings, students["distilled"], len(batch)))
    said = {n: s.outputs(frame.inputs(rollout.history[rollout.usable]))[:, :2] for n, s in students.items()}
    said["teacher"] = teach(teacher, rollout, frame)[rollout.usable][:, :2].astype(float)
    truth = rollout.target_m[rollout.usable]
    return {n: round(float(np.sqrt(((o - truth) ** 2).sum(axis=1).mean())), 4) for n, o in said.items()}


def head(rollout: Rollout, walks: int) -> Rollout:
    return Rollout(
        history=rollout.history[:walks],
        target_m=rollout.target_m[:walks],
        fix_error_m2=rollout.fix_error_m2[:walks],
        usable=rollout.usable[:walks],
        fixed=rollout.fixed[:walks],
    )
