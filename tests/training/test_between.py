"""Pseudo-scans between neighbouring places of a survey."""

import numpy as np
import torch

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.augment import Chunks
from tinyloc.training.between import Between, mixed
from tinyloc.training.data.dataset import Recording
from tinyloc.training.recipe import Augmentation

NAN = float("nan")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_mates_are_scans_of_near_places_on_the_same_floor() -> None:
    chance = np.random.default_rng(0)
    place = np.column_stack([chance.integers(0, 12, (300, 2)) * 2.0, np.zeros(300)])
    place[7] = NAN
    group = chance.integers(0, 2, 300)
    between = Between(place, group, radius_m=2.9)
    rows = torch.arange(300).repeat(40)
    mates = between.mates(rows, generator()).reshape(40, 300).numpy()
    assert (mates[:, 7] == 7).all()
    for row in range(300):
        away = np.linalg.norm(place - place[row], axis=1)
        allowed = set(np.flatnonzero((away > 0.1) & (away < 2.9) & (group == group[row])))  # the plain reference
        found = set(mates[:, row].tolist())
        assert found <= allowed if allowed else found == {row}
    assert len(set(mates[:, 0].tolist())) > 3


def test_readings_between_two_scans_are_their_mean_or_those_of_the_one_that_hears() -> None:
    own = torch.tensor([[-50.0, NAN, -60.0, NAN]]).repeat(2000, 1)
    other = torch.tensor([[-70.0, -80.0, NAN, NAN]]).repeat(2000, 1)
    found = mixed(own, other, torch.full((2000,), 0.25), generator())
    assert torch.allclose(found[:, 0], torch.tensor(-55.0)) and found[:, 3].isnan().all()
    heard = (~found.isnan()).float().mean(0)
    assert 0.2 < heard[1] < 0.3 and 0.7 < heard[2] < 0.8
    assert set(found[:, 1][~found[:, 1].isnan()].tolist()) == {-80.0}


def test_training_draws_pseudo_scans_from_sparse_and_dense_surveys_alike() -> None:
    place = np.array([[0, 0, 0], [4, 0, 0], [100, 0, 0]], np.float32)

    def drawn(points: int) -> tuple[set[float], torch.Tensor]:
        dbm = np.full((3, points), NAN, np.float32)
        dbm[:, 1] = [-40, -60, -90]
        recording = Recording("r", dbm, place, np.arange(3, dtype=np.int32), np.arange(3.0), True)
        scaling = Preprocessing(access_points=[str(n) for n in range(points)], floor_dbm=-100, ceiling_dbm=0)
        chunks = Chunks([recording], scaling, Augmentation(between=1.0, between_m=10.0), 1, 3, steps=4000)
        assert (chunks.index is None) == (points == 2)
        batches = list(chunks.epoch(generator()))
        x, where = torch.cat([one.x for one in batches])[:, 0], torch.cat([one.position_m for one in batches])[:, 0, 0]
        # the reading follows the place: -40 dBm at 0 m, -60 dBm at 4 m, and nothing between 4 and 100 m
        expected = torch.where(where > 50, 0.1, 0.6 - 0.2 * where / 4)
        assert torch.allclose(x[:, 1], expected, atol=1e-5) and not x[:, 0].any()
        label = torch.cat([one.label for one in batches])[:, 0]
        assert (label == torch.where(where > 50, 2, (where > 2).long())).all()
        return set(where.tolist()), x

    for points in (2, 40):
        places, _ = drawn(points)
        assert len(places) > 50 and not any(4 < one < 100 for one in places)
