"""Classes that are places: soft labels, positions as means, and a run that decides positions."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.uji_files import row, text
from tinyloc.training.data import uji
from tinyloc.training.errors import DataError, RecipeError, TrainingError
from tinyloc.training.places import mean_position
from tinyloc.training.recipe import parse_recipe
from tinyloc.training.run import train
from tinyloc.training.spread_labels import SpreadLabels
from tinyloc.training.train import LEAST_PROBABILITY, group_loss


def test_the_mean_is_weighted_by_squared_probabilities() -> None:
    scores = np.array([[1.0, 2.0, -1.0], [300.0, -300.0, 299.0]])
    places = np.array([[0.0, 0.0, 1.0], [10.0, 4.0, 1.0], [6.0, -8.0, 1.0]])
    expected = []
    for line in scores:
        probability = [math.exp(s - max(line)) for s in line]
        squares = [(p / sum(probability)) ** 2 for p in probability]
        expected.append([sum(w * place[axis] for w, place in zip(squares, places, strict=True)) / sum(squares)
                         for axis in range(3)])  # fmt: skip
    assert np.allclose(mean_position(scores, places), expected)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two floors, five places 4 m apart on each, eight scans a place; a test scan lies between two places."""
    rows = []
    for floor in (0, 1):
        for place in range(5):
            levels = {f"WAP{k + 1:03d}": -50 - 7 * abs(place - k) - 20 * floor for k in range(5)}
            rows += [row(-7600.0 + 4 * place, 4864800.0, floor, **levels)] * 8
    test = [row(-7600.0 + 4 * 2 + 1, 4864800.0, 1, WAP003=-70, WAP004=-78)]
    for name, lines in ((uji.TRAINING_FILE, rows), (uji.TEST_FILE, test)):
        (tmp_path / name).write_text(text(lines))
    return tmp_path


def test_each_place_is_a_class_and_a_test_scan_belongs_to_the_nearest_of_its_floor(scans: Path) -> None:
    data_set = uji.load(scans, places=1)
    assert len(data_set.classes) == 10
    assert sorted(set(data_set.class_group)) == ["B0 F0", "B0 F1"]
    label = int(data_set.test[0].label[0])
    assert data_set.class_group[label] == "B0 F1"
    assert data_set.class_position_m[label].tolist() == [8.0, 0.0, 0.0]


def test_places_in_one_cell_are_one_at_the_mean_of_their_scans(scans: Path) -> None:
    data_set = uji.load(scans, places=1, place_m=9.0)  # x = 0, 4, 8 | 12, 16
    assert data_set.class_position_m is not None
    assert data_set.class_position_m[:, 0].tolist() == [4.0, 14.0] * 2
    assert data_set.class_group[int(data_set.test[0].label[0])] == "B0 F1"
    with pytest.raises(DataError, match="place_m = 0 must be above 0 metres"):
        uji.load(scans, places=1, place_m=0)


def test_labels_spread_over_the_floor_and_no_further(scans: Path) -> None:
    data_set = uji.load(scans, places=1)
    aside = torch.from_numpy(data_set.class_position_m) + torch.tensor([0.7, 0.0, 0.0])
    spread = SpreadLabels(data_set, 4.0)(aside, torch.arange(10))
    assert torch.allclose(spread.sum(1), torch.ones(10))
    for c, own in enumerate(data_set.class_position_m):
        for d, other in enumerate(data_set.class_position_m):
            same = data_set.class_group[c] == data_set.class_group[d]
            near = math.exp((0.7**2 - (own[0] + 0.7 - other[0]) ** 2) / 32) if same else 0.0
            assert float(spread[c, d] / spread[c, c]) == pytest.approx(near, rel=1e-5)


def test_a_scan_far_from_all_places_or_of_unknown_position_has_its_class_alone(scans: Path) -> None:
    data_set = uji.load(scans, places=1)
    label = torch.tensor([3, 7])
    spread = SpreadLabels(data_set, 4.0)(torch.tensor([[1e6, 0.0, 0.0], [torch.nan, 0.0, 0.0]]), label)
    assert spread.argmax(1).tolist() == [3, 7] and spread.sum(1).tolist() == [1.0, 1.0]


def test_the_loss_of_groups_is_of_the_sum_of_their_probabilities() -> None:
    groups, label = torch.tensor([0, 2, 1, 0, 2]), torch.tensor([[3], [1], [2], [0]])
    scores = torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(0)) * 4
    scores[3, 0] = torch.tensor([-400.0, 0.0, 0.0, -400.0, 0.0])  # its group's probability is 0 in single precision
    scores.requires_grad_()
    expected = []
    for line, own in zip(scores.detach()[:, 0].double(), label[:, 0], strict=True):
        share = sum(float(line.softmax(0)[c]) for c in range(5) if groups[c] == groups[own])
        expected.append(-math.log(max(share, LEAST_PROBABILITY)))
    loss = group_loss(scores, label, groups)
    assert float(loss.detach()) == pytest.approx(sum(expected) / 4, rel=1e-5)
    loss.backward()
    assert bool(torch.isfinite(scores.grad).all())


RECIPE = """
name = "places"
[data]
name = "ujiindoorloc"
options = { places = 1 }
[input]
drop_silent = true
[model]
architecture = "mlp"
hidden = [16]
[output]
position = "mean"
spread_m = 3.0
[training]
epochs = 40
batch = 8
learning_rate = 0.05
group_loss = 0.5
[augmentation]
noise_db = 2.0
deafness_db = 3.0
[export]
arithmetics = ["int8"]
"""


def test_a_run_decides_positions_between_places(scans: Path, tmp_path: Path) -> None:
    run = train(parse_recipe(RECIPE, "places"), tmp_path / "run", data_path=scans)
    assert run.outputs.position == "mean"
    assert run.record.validation["error_mean_m"] < 1.5
    found = mean_position(run.test_set.float_scores, np.array(run.outputs.positions_m))
    error = float(np.linalg.norm(found - run.test_set.position_m, axis=1)[0])
    assert run.record.test["error_mean_m"] == pytest.approx(error)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["int8"]', '["int8", "int16x8"]', "needs scores of 8 bits"),
        ("hidden = [16]", "hidden = [16]\ncrf = true", "models of one sample only"),
        ("epochs = 40", "epochs = 40\nlabel_smoothing = 0.1", "without model.crf and label_smoothing"),
    ],
)
def test_what_does_not_go_with_positions_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(RECIPE.replace(old, new, 1), "places")


def test_losses_of_groups_and_places_need_them(tmp_path: Path) -> None:
    text = RECIPE.replace('"ujiindoorloc"\noptions = { places = 1 }', '"house-a"')
    text = text.replace('position = "mean"\nspread_m = 3.0', "").replace("drop_silent = true", "")
    with pytest.raises(TrainingError, match=r"classes of house-a have no groups: remove training\.group_loss"):
        train(parse_recipe(text, "places"), tmp_path / "run")


def test_deaf_receivers_lose_the_weakest_readings_of_a_scan() -> None:
    from tinyloc.training.augment import augment
    from tinyloc.training.recipe import Augmentation

    dbm = torch.linspace(-100, -40, 61).expand(500, 1, 61)
    heard = augment(dbm, Augmentation(deafness_db=20.0), torch.Generator().manual_seed(0), -100.0)
    weakest = heard.nan_to_num(nan=0.0).amin(dim=2).flatten()
    assert float(weakest.min()) <= -99 and float(weakest.max()) == -80
    assert float(weakest.mean()) == pytest.approx(-89.5, abs=0.7)
    for line in heard[:, 0]:
        assert bool(torch.isnan(line[: int(line.isnan().sum())]).all())
