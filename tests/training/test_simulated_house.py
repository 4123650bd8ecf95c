"""The simulated house: counts, physics, walks; everything follows from one seed."""

import numpy as np
import pytest

from tinyloc.training.data import house, radio, walks
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.floor_plans import HOUSES, STOREY_M, House
from tinyloc.training.errors import DataError

COUNTS = {"house-a": (8, 4), "house-b": (11, 11), "house-c": (11, 9), "house-d": (11, 10)}


@pytest.fixture(scope="module")
def house_a() -> DataSet:
    return house.load("house-a", living_minutes=5)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_real_set(name: str) -> None:
    plan = HOUSES[name]
    assert (len(plan.access_points), len(plan.spaces)) == COUNTS[name]


@pytest.mark.parametrize("plan", HOUSES.values(), ids=lambda plan: plan.name)
def test_spaces_do_not_overlap_and_every_door_touches_both_of_its_spaces(plan: House) -> None:
    for first in plan.spaces:
        for second in plan.spaces:
            if first.name < second.name and first.floor == second.floor:
                wide = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
                high = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
                assert wide <= 1e-9 or high <= 1e-9, (first.name, second.name)
    for door in plan.doors:
        for space in map(plan.space, door.spaces):
            assert space.x - 1e-9 <= door.x <= space.x + space.width + 1e-9, (door, space.name)
            assert space.y - 1e-9 <= door.y <= space.y + space.height + 1e-9, (door, space.name)


@pytest.mark.parametrize("name", COUNTS)
def test_every_space_can_be_reached_and_is_walked_through_in_training(name: str) -> None:
    plan = HOUSES[name]
    for space in plan.spaces[1:]:
        path = walks.route(plan, plan.spaces[0].name, space.name)
        assert path[-1][0] == space.name
    track = walks.fingerprint_walk(plan, np.random.default_rng(0))
    assert set(track.label.tolist()) == set(range(len(plan.spaces)))


@pytest.mark.parametrize("name", COUNTS)
def test_the_label_is_the_space_that_the_position_lies_in(name: str) -> None:
    plan = HOUSES[name]
    track = walks.living_walk(plan, np.random.default_rng(1), 300)
    for position, label in zip(track.position_m, track.label, strict=True):
        space = plan.spaces[label]
        assert space.x - 0.01 <= position[0] <= space.x + space.width + 0.01
        assert space.y - 0.01 <= position[1] <= space.y + space.height + 0.01
        low, high = (0.0, STOREY_M) if space.kind == "stairs" else (space.floor * STOREY_M,) * 2
        assert low - 0.01 <= position[2] <= high + 0.01


def test_nobody_jumps() -> None:
    track = walks.living_walk(HOUSES["house-d"], np.random.default_rng(2), 600)
    speed = np.linalg.norm(np.diff(track.position_m, axis=0), axis=1) * walks.RATE_HZ
    assert speed.max() < 1.5  # m/s


def test_same_seed_same_data_and_another_seed_another_house(house_a: DataSet) -> None:
    again, other = house.load("house-a", living_minutes=5), house.load("house-a", seed=2, living_minutes=5)
    assert np.array_equal(house_a.test[0].rssi_dbm, again.test[0].rssi_dbm, equal_nan=True)
    assert not np.array_equal(house_a.test[0].label, other.test[0].label)


def test_splits_are_walks_of_their_own(house_a: DataSet) -> None:
    recordings = [recording for split in house_a.splits.values() for recording in split]
    prints = {recording.rssi_dbm[:200].tobytes() for recording in recordings}
    assert len(prints) == len(recordings)
    assert len({recording.name for recording in recordings}) == len(recordings)


def test_readings_are_whole_dbm_at_5_hz_with_gaps(house_a: DataSet) -> None:
    for recording in house_a.test:
        heard = recording.rssi_dbm[~np.isnan(recording.rssi_dbm)]
        assert np.array_equal(heard, np.rint(heard))
        assert heard.min() >= radio.LOWEST_DBM
        assert heard.max() <= radio.HIGHEST_DBM
        assert np.allclose(np.diff(recording.time_s), 0.2)
        assert 0.05 < np.isnan(recording.rssi_dbm).mean() < 0.6


def test_rooms_are_used_unequally_in_free_living(house_a: DataSet) -> None:
    counts = np.bincount(np.concatenate([recording.label for recording in house_a.test]), minlength=4)
    assert counts.max() > 3 * counts.min()


def test_level_falls_with_distance_walls_and_floors() -> None:
    plan = HOUSES["house-b"]
    walls = radio.walls(plan)
    source = np.array(plan.access_points[0])  # in the living room
    near, far = np.add(source, [[1.0, 0.5, 0.0]]), np.add(source, [[3.0, 1.5, 0.0]])  # the same room, no wall between
    levels = [radio.mean_level(plan, walls, 0, place)[0] for place in (near, far)]
    assert radio.wall_loss(walls, source, far)[0] == 0
    assert levels[0] - levels[1] == pytest.approx(20 * np.log10(3))
    hall, upstairs = np.array([[4.8, 0.4, 1.2]]), np.add(source, [[0.2, 0.0, STOREY_M]])
    assert radio.wall_loss(walls, source, hall)[0] == radio.INNER_WALL_DB
    plain = radio.Channel().rssi_1m_dbm - 20 * np.log10(np.linalg.norm(upstairs - source))
    assert radio.mean_level(plan, walls, 0, upstairs)[0] == pytest.approx(plain - radio.FLOOR_DB)
    garden = np.array([[source[0], 10.0, 1.2]])
    crossed = radio.wall_loss(walls, source, garden)[0]
    assert crossed == radio.INNER_WALL_DB + radio.OUTER_WALL_DB  # dining room, then out


def test_the_body_is_in_the_way_only_of_what_is_behind() -> None:
    loss = radio.body_loss(np.array([5.0, 0.0, 1.0]), np.zeros((3, 3)), np.array([0.0, np.pi / 2, np.pi]))
    assert loss == pytest.approx([0.0, radio.BODY_DB / 2, radio.BODY_DB])


def test_shadowing_has_unit_variance_and_is_smooth() -> None:
    field = radio.random_field(np.random.default_rng(3))
    places = np.random.default_rng(4).uniform(0, 60, (4000, 3))
    assert field(places).std() == pytest.approx(1.0, abs=0.15)
    step = field(places) - field(np.add(places, [0.1, 0.0, 0.0]))
    assert step.std() < 0.2


def test_wrong_options_are_told_at_once() -> None:
    with pytest.raises(DataError, match=r"training_walks = 0.*living_minutes = 0"):
        house.load("house-a", training_walks=0, living_minutes=0)


def test_simulator_2_has_one_favourite_room_and_a_body_that_shades_what_swings() -> None:
    def share(version: int) -> float:
        label = np.concatenate(
            [r.label for r in house.load("house-b", training_walks=1, living_minutes=30, simulator=version).test]
        )
        return float(np.bincount(label).max() / len(label))

    assert share(2) > share(1) + 0.1
    plan = HOUSES["house-a"]
    track = walks.fingerprint_walk(plan, np.random.default_rng(0))
    still, swinging = (radio.free_side(track, radio.WEARERS[version]) for version in (1, 2))
    assert np.array_equal(still, track.heading_rad)
    moved = np.abs(swinging - track.heading_rad - radio.WEARERS[2].side_rad) > 1e-6
    walking = np.linalg.norm(np.diff(track.position_m[:, :2], axis=0, prepend=track.position_m[:1, :2]), axis=1) > 0.06
    assert 0.3 < moved.mean() < 1.0 and not (moved & ~walking).any()
    loss = radio.body_loss(np.array([5.0, 0.0, 1.0]), np.zeros((2, 3)), np.array([0.0, np.pi]), 14.0)
    assert loss == pytest.approx([0.0, 14.0])
    with pytest.raises(DataError, match="simulator = 3, must be one of 1, 2"):
        house.load("house-a", simulator=3)
