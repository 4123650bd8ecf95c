"""The simulated walks: reproducible, and with the physics that they claim."""

from itertools import pairwise

import numpy as np
import pytest

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.dead_reckoning import reckon
from tinyloc.training.fusion.simulation.gait import GRAVITY, STAND_S
from tinyloc.training.fusion.simulation.ranging import measured_distance
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR, LOOP, SITES, crossings, site


@pytest.mark.parametrize("name", SITES)
def test_a_seed_is_a_walk(name: str) -> None:
    one, again, other = simulate(site(name), 7), simulate(site(name), 7), simulate(site(name), 8)
    assert np.array_equal(one.ranges_m, again.ranges_m, equal_nan=True)
    assert one.imu is None or again.imu is None or np.array_equal(one.imu.rate, again.imu.rate)
    assert not np.array_equal(one.truth_m[:20], other.truth_m[:20])


def test_an_unknown_site_names_those_that_exist() -> None:
    with pytest.raises(FusionError, match="corridor, loop, room"):
        site("attic")


def test_two_way_ranging_cancels_the_clocks() -> None:
    distance = np.full((4000, 3), 20.0)
    found = measured_distance(distance, np.random.default_rng(0))
    assert abs(found.mean() - 20.0) < 0.002
    assert 0.0005 < found.std() < 0.01  # ticks of 15.65 ps; 10 ppm of 300 µs single-sided would be 0.9 m


@pytest.mark.parametrize("place", [CORRIDOR, LOOP], ids=lambda s: s.name)
def test_ranges_are_right_in_sight_and_long_behind_walls(place) -> None:
    excess: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(4):
        walk = simulate(place, seed)
        assert walk.obstacles is not None
        away = walk.ranges_m - np.linalg.norm(walk.truth_m[:, None] - walk.anchors_m[None], axis=2)
        for blocked in (True, False):
            excess[blocked] += list(away[((walk.obstacles > 0) == blocked) & np.isfinite(away)])
    assert abs(np.mean(excess[False])) < 0.05 and np.std(excess[False]) < 0.12
    assert np.mean(excess[True]) > 0.3 and np.mean(np.array(excess[True]) < -0.2) < 0.01


def test_nobody_walks_through_a_wall() -> None:
    for place in (CORRIDOR, LOOP):
        for seed in range(3):
            track = simulate(place, seed).truth_m
            for start, end in pairwise(track):
                probe = type(place)("probe", "", ((float(end[0]), float(end[1])),), place.walls, place.route_m)
                assert not crossings(probe, start[None]).any()


def test_the_sensor_stands_still_first_and_swings_then() -> None:
    walk = simulate(CORRIDOR, 1)
    assert walk.imu is not None
    size = np.linalg.norm(walk.imu.acceleration, axis=1)
    standing = walk.imu.time_s < STAND_S - 0.5
    assert size[standing].std() < 0.1 and abs(size[standing].mean() - GRAVITY) < 0.6
    assert size[(walk.imu.time_s > 8) & (walk.imu.time_s < 20)].std() > 0.7


def test_steps_and_heading_follow_the_walk() -> None:
    ratios, misses = [], []
    for seed in range(6):
        walk = simulate(LOOP, seed)
        assert walk.imu is not None
        found = reckon(walk.imu, walk.time_s, 0.487, walk.start_heading)
        length = np.linalg.norm(np.diff(walk.truth_m, axis=0), axis=1).sum()
        ratios.append(sum(step.length_m for step in found.steps) / length)
        end = walk.truth_m[0] + sum(
            step.length_m * np.array([np.cos(step.heading), np.sin(step.heading)]) for step in found.steps
        )
        misses.append(np.linalg.norm(end - walk.truth_m[-1]))
        standing = walk.time_s < STAND_S - 0.2
        assert found.still[standing].all() and not found.fresh[standing].any()
    assert np.all(np.abs(np.array(ratios) - 1) < 0.12) and abs(np.mean(ratios) - 1) < 0.05
    assert np.median(misses) < 5.0  # of 95 m
