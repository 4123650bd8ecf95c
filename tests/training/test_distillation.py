"""Distillation: each loss against a plain formula, its limits and gradients; what a run makes of it; refusals."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_recipe import tiny_recipe
from tinyloc.training.distil import losses
from tinyloc.training.distil.guide import Guide
from tinyloc.training.distil.hidden import pairs, watch
from tinyloc.training.distil.settings import Distillation
from tinyloc.training.errors import RecipeError, TrainingError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.crf import CRF
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe, parse_recipe
from tinyloc.training.run import TrainedRun, train

TEACHER = {"model": {"architecture": "mlp", "hidden": [5]}, "epochs": 1}


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(kind: str, hidden: int | list[int], crf: bool = False, seed: int = 0, **more: object) -> Localiser:
    torch.manual_seed(seed)
    settings = ModelSettings.model_validate({"architecture": kind, "hidden": hidden, "crf": crf, **more})
    return build_model(settings, 6, 3).eval()


def settings(**changes: object) -> Distillation:
    return Distillation.model_validate({"teachers": [TEACHER], **changes})


def test_softened_scores_follow_the_formula() -> None:
    scores, taught, temperature = numbers(2, 3, 4), numbers(2, 3, 4, seed=1), 2.5
    total = 0.0
    for own, known in zip(scores.reshape(-1, 4).tolist(), taught.reshape(-1, 4).tolist(), strict=True):
        p, q = ([math.exp(v / temperature) for v in row] for row in (known, own))
        p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert float(losses.softened(scores, taught, temperature)) == pytest.approx(temperature**2 * total / 6)


def test_softened_scores_cost_nothing_when_equal_and_their_gradient_keeps_its_size() -> None:
    scores = numbers(2, 3, 4)
    assert float(losses.softened(scores, scores + 7.0, 2.0)) == pytest.approx(0.0, abs=1e-12)
    sizes = []
    for temperature in (100.0, 1000.0):  # T^2 * KL tends to a limit: half the squared difference of centred scores
        own = scores.clone().requires_grad_()
        losses.softened(own, numbers(2, 3, 4, seed=1), temperature).backward()
        sizes.append(float(own.grad.norm()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02) and sizes[0] > 0.01


def all_paths(crf: CRF, emissions: torch.Tensor) -> torch.Tensor:
    """(S, C) marginals of one window (S, C) by summing over every path."""
    steps, classes = emissions.shape
    total = torch.zeros(steps, classes, dtype=torch.float64)
    for path in itertools.product(range(classes), repeat=steps):
        score = crf.start[path[0]] + crf.end[path[-1]] + sum(emissions[t, c] for t, c in enumerate(path))
        score = score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
        for t, c in enumerate(path):
            total[t, c] += score.exp()
    return total / total.sum(1, keepdim=True)


def test_marginals_are_the_sums_over_all_paths() -> None:
    torch.manual_seed(3)
    crf = CRF(3).double()
    emissions = 2 * numbers(2, 5, 3)
    found = losses.log_marginals(crf, emissions).exp()
    for window, expected in zip(found, (all_paths(crf, one) for one in emissions), strict=True):
        assert torch.allclose(window, expected, atol=1e-12)
    alone = losses.log_marginals(crf, emissions[:, :1]).exp()
    assert torch.allclose(alone, torch.softmax(emissions[:, :1] + crf.start + crf.end, -1))


def test_marginals_as_targets_are_met_by_the_teacher_alone_and_move_all_of_the_crf() -> None:
    torch.manual_seed(3)
    crf = CRF(3).double()
    emissions = numbers(2, 5, 3).requires_grad_()
    taught = losses.log_marginals(crf, emissions).exp().detach()
    losses.marginal(crf, emissions, taught).backward()
    assert float(emissions.grad.norm()) == pytest.approx(0.0, abs=1e-12)
    losses.marginal(crf, emissions, taught.flip(-1)).backward()
    assert all(float(p.grad.norm()) > 1e-3 for p in (emissions, crf.transitions, crf.start, crf.end))


def test_decided_is_cross_entropy_to_the_path() -> None:
    emissions, path = numbers(2, 4, 3), torch.tensor([[0, 1, 1, 2], [2, 2, 0, 0]])
    plain = [-math.log(math.exp(e[c]) / sum(map(math.exp, e))) for e, c in
             zip(emissions.reshape(-1, 3).tolist(), path.flatten().tolist(), strict=True)]  # fmt: skip
    assert float(losses.decided(emissions, path)) == pytest.approx(np.mean(plain))


def test_relations_are_the_differences_of_normed_distances() -> None:
    learnt, taught = numbers(5, 3), numbers(5, 7, seed=1)

    def normed(rows: list[list[float]]) -> list[float]:
        distances = [math.dist(a, b) for a in rows for b in rows]
        return [d / np.mean(distances) for d in distances]

    differences = [abs(a - b) for a, b in zip(normed(learnt.tolist()), normed(taught.tolist()), strict=True)]
    plain = np.mean([d - 0.5 if d >= 1 else d * d / 2 for d in differences])
    assert float(losses.relations(learnt, taught)) == pytest.approx(plain, rel=1e-5)
    turned = taught @ torch.linalg.qr(numbers(7, 7, seed=2)).Q * 3 + 1
    assert float(losses.relations(turned, taught)) == pytest.approx(0.0, abs=1e-9)
    same = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    losses.relations(same, taught[:4]).backward()
    assert torch.isfinite(same.grad).all()


def test_long_batches_are_thinned_out_evenly() -> None:
    rows = numbers(3 * losses.MOST_RELATED, 4)
    thin = losses.relations(rows[::3], rows[::3].flip(1)[:, :2])
    assert float(losses.relations(rows, rows.flip(1)[:, :2])) == pytest.approx(float(thin))


def test_hidden_distance_has_no_unit() -> None:
    learnt, taught = numbers(2, 5, 4), numbers(2, 5, 4, seed=1)
    assert float(losses.hidden_distance(10 * learnt, 10 * taught)) == pytest.approx(
        float(losses.hidden_distance(learnt, taught))
    )
    assert float(losses.hidden_distance(torch.zeros_like(taught) + taught.mean(), taught)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "hidden", "more", "sizes"),
    [
        ("mlp", [7, 5], {}, [7, 5]),
        ("mamba", 4, {"layers": 3}, [4, 4, 4]),
        ("lstm", 8, {"dense": 5}, [8, 5]),
        ("gru", 8, {"dense": 0}, [8]),
        ("mdcsa", 4, {"context": 5}, [4]),
    ],
)
def test_hidden_states_are_those_between_the_layers(kind: str, hidden: object, more: dict, sizes: list[int]) -> None:
    one = model(kind, hidden, **more)
    seen = watch(one)
    scores = one.network(torch.rand(2, 5, 6))
    assert [state.shape[-1] for state in seen.states] == sizes
    assert torch.allclose(one.get_submodule("head")(seen.states[-1]), scores, atol=1e-6)


def test_layers_are_matched_from_the_last() -> None:
    assert pairs(1, 3) == [2]
    assert pairs(2, 4) == [1, 3]
    assert pairs(3, 3) == [0, 1, 2]
    assert pairs(3, 1) == [0, 0, 0]


def guide_for(student: Localiser, *teachers: Localiser, steps: int = 5, **changes: object) -> Guide:
    torch.manual_seed(1)
    return Guide(settings(**changes), teachers, student, steps)


X = torch.rand(4, 10, 6, generator=torch.Generator().manual_seed(5))


def test_at_its_ends_alpha_leaves_one_loss() -> None:
    student, teacher = model("mlp", [4]), model("mlp", [9], seed=1)
    scores, own = student.network(X), torch.tensor(0.25)
    assert guide_for(student, teacher, alpha=0.0).loss(X, scores, own).item() == pytest.approx(0.25)
    alone = guide_for(student, teacher, alpha=1.0).loss(X, scores, own)
    assert alone.item() == pytest.approx(float(losses.softened(scores, teacher.network(X), 2.0)))


def test_the_study_weighs_the_students_own_crf_loss_with_a_tenth() -> None:
    student, teacher = model("mamba", 2, crf=True), model("lstm", 8, crf=True, seed=1)
    scores, own = student.network(X), torch.tensor(4.0)
    emissions, known = scores.reshape(8, 5, 3), teacher.network(X).reshape(8, 5, 3)
    decided = losses.decided(emissions, teacher.crf.decode(known))
    found = guide_for(student, teacher, method="crf").loss(X, scores, own)
    assert found.item() == pytest.approx(0.1 * 4.0 + 0.9 * float(decided))
    soft = losses.marginal(student.crf, emissions, losses.log_marginals(teacher.crf, known).exp())
    found = guide_for(student, teacher, method="marginals").loss(X, scores, own)
    assert found.item() == pytest.approx(0.1 * 4.0 + 0.9 * float(soft))


def test_several_teachers_teach_the_mean_of_their_probabilities() -> None:
    student, first, second = model("mlp", [4]), model("mlp", [9], seed=1), model("mlp", [7], seed=2)
    mean = (first.network(X).softmax(-1) + second.network(X).softmax(-1)) / 2
    found = guide_for(student, first, second, choose="mean").scores(X)
    assert torch.allclose(found.softmax(-1), mean, atol=1e-6)


def test_hidden_states_and_relations_train_student_and_projections_and_never_the_teacher() -> None:
    student, teacher = model("mlp", [4, 3]), model("mlp", [9, 8], seed=1)
    guide = guide_for(student, teacher, alpha=0.0, hidden_weight=1.0, relation_weight=1.0)
    assert [tuple(p.weight.shape) for p in guide.projections] == [(9, 4), (8, 3)]
    guide.loss(X, student.network(X), torch.tensor(0.0)).backward()
    for part in (guide.projections, student.hidden):
        assert all(float(p.grad.norm()) > 0 for p in part.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert {name for name, _ in guide.named_parameters()} == {
        f"projections.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")
    }


def test_a_projection_learns_to_read_the_teacher_off_a_student_that_knows_as_much() -> None:
    student, teacher = model("mlp", [6]), model("mlp", [6], seed=0)  # the same weights
    guide = guide_for(student, teacher, alpha=0.0, hidden_weight=1.0)
    optimiser = torch.optim.Adam(guide.parameters(), lr=0.05)
    for _ in range(400):
        loss = guide.loss(X, student.network(X), torch.tensor(0.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss) < 1e-3


MLP = """
name = "student"
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 1.0 }
[model]
architecture = "mlp"
hidden = [4]
[training]
epochs = 2
batch = 256
learning_rate = 0.02
chunk = 4
"""


def taught(text: str) -> Recipe:
    return parse_recipe(MLP + text, "student")


@pytest.fixture(scope="module")
def by_three(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    recipe = taught("""
[distillation]
hidden_weight = 0.5
relation_weight = 0.5
assistant = { model = { architecture = "mlp", hidden = [6] }, epochs = 1 }
teachers = [
  { model = { architecture = "mlp", hidden = [12] }, epochs = 3 },
  { model = { architecture = "lstm", hidden = 6 }, epochs = 1, learning_rate = 1e-6 },
]
""")
    return train(recipe, tmp_path_factory.mktemp("runs") / "student")


def test_the_teacher_of_the_best_validation_teaches(by_three: TrainedRun) -> None:
    told = by_three.metrics["teachers"]
    assert [teacher["name"] for teacher in told] == ["teacher 1: mlp 12", "teacher 2: lstm 6"]
    best = max(told, key=lambda teacher: teacher["macro_f1"])
    assert [teacher["teaches"] for teacher in told] == [teacher is best for teacher in told]


def test_a_finished_run_teaches_as_it_is(by_three: TrainedRun, tmp_path: Path) -> None:
    run = train(taught(f"[distillation]\nteachers = [{{ run = '{by_three.directory}' }}]"), tmp_path / "second")
    told = run.metrics["teachers"]
    assert told[0]["macro_f1"] == pytest.approx(by_three.record.validation["macro_f1"])


def test_a_teacher_of_another_house_or_scaling_is_told(by_three: TrainedRun, tmp_path: Path) -> None:
    text = f"[distillation]\nteachers = [{{ run = '{by_three.directory}' }}]\n[input]\nexponent = 2.0\n"
    other = parse_recipe((MLP + text).replace("house-a", "house-b"), "student")
    with pytest.raises(TrainingError) as caught:
        train(other, tmp_path / "run")
    for part in ("cannot teach this student", "8 access points there and 11 here", "4 classes there and 11 here",
                 "only here: ", "exponent is 1 there and 2 here"):  # fmt: skip
        assert part in str(caught.value)
    with pytest.raises(TrainingError, match="no finished run here"):
        train(taught("[distillation]\nteachers = [{ run = 'nowhere' }]"), tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("teachers = []", "at least 1 item"),
        ("teachers = [{}]", "name either run"),
        ("teachers = [{ run = 'a', epochs = 3 }]", "leave them out beside run"),
        ("teachers = [{ run = 'a' }]\nmethod = 'crf'", "needs crf = true in the model and its teachers"),
        ("teachers = [{ run = 'a' }]\nchoose = 'mean'\nrelation_weight = 1.0", "distillation.choose = 'best'"),
        (
            "teachers = [{ model = { architecture = 'mlp' } }]",
            r"distillation.teachers.0.model: hidden = \[\]: name at least one",
        ),
        ("teachers = [{ runs = 'a' }]", r"teachers.0.runs: unknown key \(known here: run, model, count"),
    ],
)
def test_a_wrong_distillation_is_told(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        taught(f"[distillation]\n{text}")


def test_crfs_teach_each_other_in_a_run(tmp_path: Path) -> None:
    teacher = '{ model = { architecture = "lstm", hidden = 6, crf = true }, epochs = 1 }'
    for method in ("crf", "marginals"):
        recipe = tiny_recipe(f'training.epochs = 1\ndistillation = {{ method = "{method}", teachers = [{teacher}] }}')
        assert train(recipe, tmp_path / method).record.epochs == 1
