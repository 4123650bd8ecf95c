"""Students: quantised, stored, distilled."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fusion_host import any_student
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.settings import DistilSettings, FilterSettings
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR
from tinyloc.training.fusion.students.distil import divergence, likelihood, teach, train_student, train_teacher
from tinyloc.training.fusion.students.networks import (
    GruStudent,
    MambaStudent,
    MlpStudent,
    Teacher,
    make_student,
    parameters,
)
from tinyloc.training.fusion.students.quantised import quantise
from tinyloc.training.fusion.students.rollout import roll_out
from tinyloc.training.fusion.students.scaling import INPUTS, OUTPUTS, Frame
from tinyloc.training.fusion.students.student_files import load_student, save_student
from tinyloc.training.fusion.study.record import StudySettings
from tinyloc.training.fusion.study.study import run_site
from tinyloc.training.fusion.study.table import load_records, tables
from tinyloc.training.fusion.study.variants import KINDS, run_variants

FRAME = Frame((6.0, 5.0), 6.0)


def test_students_fit_twelve_kilobytes() -> None:
    assert parameters(MlpStudent()) + 3 * 92 <= 12 * 1024  # a byte each, biases of four
    assert parameters(GruStudent()) + 3 * 200 <= 12 * 1024
    assert parameters(MambaStudent()) + 3 * 200 <= 12 * 1024
    assert any_student().constant_bytes <= 12 * 1024


def test_integers_follow_the_real_network() -> None:
    torch.manual_seed(0)
    network, x = MlpStudent(), np.random.default_rng(0).normal(0, 1, (400, INPUTS))
    layers = [(m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in network.layers]
    student = quantise(layers, x[:200], FRAME)
    with torch.no_grad():
        real = network(torch.from_numpy(np.clip(x[200:], -4, 4)).float()).numpy()
    assert np.abs(student.outputs(x[200:]) - real).max() < 0.02
    assert real.std() > 0.05


@pytest.mark.parametrize("kind", ["mlp", "gru", "mamba"])
def test_students_learn_to_go_on_as_before(kind: str) -> None:
    """A student of each kind soon forecasts better than "stands still", from histories of straight walks."""
    torch.manual_seed(1)
    student = make_student(kind, (40, 28))
    optimiser = torch.optim.Adam(student.parameters(), lr=5e-3)
    generator = np.random.default_rng(2)
    for _ in range(150):
        speed = generator.normal(0, 1, (64, 1, 2))
        history = np.zeros((64, 10, 7))
        history[..., :2] = speed * np.arange(-9, 1)[None, :, None]
        x = torch.from_numpy(FRAME.inputs(history)).float()
        loss = ((student(x)[:, :2] - torch.from_numpy(speed[:, 0]).float()) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2


def test_widths_whose_sums_overflow_are_refused() -> None:
    with pytest.raises(FusionError, match="inputs overflow 32 bits"):
        quantise([(np.ones((6, 520)), np.zeros(6))], np.zeros((1, 520)), FRAME)


def test_a_student_survives_its_file(tmp_path: Path) -> None:
    student = any_student(3)
    save_student(student, tmp_path / "s.json")
    x = np.random.default_rng(1).normal(0, 1, (50, INPUTS))
    assert np.array_equal(load_student(tmp_path / "s.json").outputs(x), student.outputs(x))
    (tmp_path / "bad.json").write_text('{"layers": 3}')
    for name in ("bad.json", "none.json"):
        with pytest.raises(FusionError, match="tinyloc fusion run"):
            load_student(tmp_path / name)


def test_the_inputs_hide_the_place_when_told_to() -> None:
    history = np.random.default_rng(0).normal(0, 1, (5, 10, 7))
    moved = history.copy()
    moved[..., :2] += 40.0
    nowhere = Frame((0.0, 0.0), 0.0)
    assert np.allclose(nowhere.inputs(history), nowhere.inputs(moved))
    assert not np.allclose(FRAME.inputs(history), FRAME.inputs(moved))


def test_divergence_is_zero_only_between_equals() -> None:
    one = torch.tensor([[0.1, -0.2, -1.0, 0.5]])
    assert divergence(one, one).item() == pytest.approx(0.0, abs=1e-7)
    for column in range(OUTPUTS):
        other = one.clone()
        other[0, column] += 0.5
        assert divergence(one, other).item() > 0.01


def test_likelihood_is_best_at_the_truth() -> None:
    target, error, fixed = torch.tensor([[0.3, 0.1]]), torch.tensor([0.49]), torch.ones(1)
    best = torch.tensor([[0.3, 0.1, -6.0, float(np.log(0.49))]])
    for column, change in ((0, 0.2), (2, 1.0), (3, 0.4), (3, -0.4)):
        worse = best.clone()
        worse[0, column] += change
        assert likelihood(worse, target, error, fixed).item() > likelihood(best, target, error, fixed).item()


def test_the_teacher_does_not_see_the_future() -> None:
    torch.manual_seed(0)
    teacher, x = Teacher(8).eval(), torch.randn(1, 60, INPUTS)
    changed = x.clone()
    changed[:, 40:] += 1.0
    with torch.no_grad():
        one, other = teacher(x), teacher(changed)
    assert torch.allclose(one[:, :40], other[:, :40], atol=1e-6) and not torch.allclose(one[:, 40:], other[:, 40:])


@pytest.fixture(scope="module")
def lesson():
    torch.set_num_threads(1)
    batch = prepare([simulate(CORRIDOR, seed) for seed in range(3)])
    settings = FilterSettings(r=0.6)
    return roll_out(batch, settings, make_rule(settings, None, 3))


def test_distilling_brings_the_student_to_the_teacher(lesson) -> None:
    settings = DistilSettings(teacher_epochs=2, teacher_hidden=8, steps=80, batch=64, truth=0.0, coordinates=0.0)
    teacher = train_teacher([lesson], FRAME, settings, 0)
    said = teach(teacher, lesson, FRAME)
    x = torch.from_numpy(FRAME.inputs(lesson.history[lesson.usable]).astype(np.float32))
    wanted = torch.from_numpy(said[lesson.usable])
    near = train_student([lesson], [said], FRAME, settings, 0)
    same = train_student([lesson], [said], FRAME, settings, 0)
    alone = train_student([lesson], None, FRAME, settings, 0)
    with torch.no_grad():
        assert torch.equal(near(x), same(x))
        assert divergence(wanted, near(x)).mean() < 0.5 * divergence(wanted, alone(x)).mean()


def test_history_and_target_belong_together(lesson) -> None:
    walk = simulate(CORRIDOR, 0)
    assert np.allclose(lesson.history[0, 50, -1, :2] + lesson.target_m[0, 50], walk.truth_m[50], atol=1e-4)
    assert np.allclose(lesson.history[0, 51, -2], lesson.history[0, 50, -1])


@pytest.mark.slow
def test_a_study_in_miniature(tmp_path: Path) -> None:
    small = DistilSettings(teacher_epochs=1, teacher_hidden=8, steps=30)
    settings = StudySettings(train_walks=4, labelled_walks=2, tune_walks=2, test_walks=3, trials=4, distil=small)
    record = run_site("corridor", settings, tmp_path, lambda text: None)
    assert load_records(tmp_path)[0] == [record]
    text = tables(tmp_path)
    assert f"{record.scores['fixed'].rmse.mean:.2f} [" in text and "steered / fixed" in text
    assert load_student(tmp_path / "corridor-student.json").constant_bytes == record.student_bytes <= 12 * 1024
    kinds = run_variants("corridor", settings, tmp_path, lambda text: None)
    assert {(row.student, row.distilled) for row in kinds.rows} == {(k, d) for k in KINDS for d in (True, False)}
    assert all(0.0 < row.forecast_rmse_m < 10.0 and row.parameters <= 12 * 1024 for row in kinds.rows)
    assert "| mamba, undistilled |" in tables(tmp_path)
