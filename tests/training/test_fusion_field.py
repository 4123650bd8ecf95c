"""The simulator that assumes no answer, the measured range errors, the guarded filter's study, and its TOML."""

from pathlib import Path

import numpy as np
import pytest

from tests.fusion_host import any_student
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.filters.dead_reckoning import reckon
from tinyloc.training.fusion.filters.rules import GuardedRule
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.filters.trilaterate import ROBUST_SCALE_M, reweigh, trilaterate
from tinyloc.training.fusion.filters.tuning import track
from tinyloc.training.fusion.simulation.buildings import building
from tinyloc.training.fusion.simulation.field import FieldWalk, semi_real, simulate_field, with_imu
from tinyloc.training.fusion.simulation.range_errors import KINDS, LEVELS, load_errors, summary
from tinyloc.training.fusion.simulation.simulate import Walk
from tinyloc.training.fusion.simulation.sites import crossings
from tinyloc.training.fusion.simulation.walker import along, person, readings, swing
from tinyloc.training.fusion.study.field import load_settings
from tinyloc.training.fusion.study.field_walks import pieces

ERRORS = load_errors()


@pytest.fixture(scope="module")
def field_walk() -> FieldWalk:
    return simulate_field(building(3), 0, ERRORS, stops=3)


def test_a_walk_comes_again_from_its_seed(field_walk: FieldWalk) -> None:
    again, other = (simulate_field(building(3), seed, ERRORS, stops=3).walk for seed in (0, 1))
    walk = field_walk.walk
    assert walk.imu is not None and again.imu is not None
    assert np.array_equal(again.ranges_m, walk.ranges_m, equal_nan=True)
    assert np.array_equal(again.imu.acceleration, walk.imu.acceleration)
    assert len(other.time_s) != len(walk.time_s)


def test_nobody_walks_through_walls_but_by_doors() -> None:
    for number in range(4):
        place = building(number)
        walk = simulate_field(place, 0, ERRORS, stops=4).walk
        between = (walk.truth_m[1:] + walk.truth_m[:-1]) / 2
        for index, wall in enumerate(place.site.walls):
            if wall.material.excess_m > 0.3:  # a shaft stands in the corner of a room
                continue
            low = np.minimum((wall.x0, wall.y0), (wall.x1, wall.y1)) - 1e-6
            high = np.maximum((wall.x0, wall.y0), (wall.x1, wall.y1)) + 1e-6
            on = ((between > low) & (between < high)).all(axis=1)
            assert not on.any(), (number, index)
        assert crossings(place.site, walk.truth_m).any()


def test_the_gait_is_not_the_estimator_s_law() -> None:
    """Weinberg's constant is another for each person and pace: no inversion of the estimator."""
    generator = np.random.default_rng(0)
    constants = []
    for _ in range(40):
        who = person(generator)
        for speed in (0.8, 1.4):
            step = np.sqrt(who.walk_ratio * 60 * speed)
            constants.append(step / swing(who, np.array([step]), np.array([speed / step]))[0] ** 0.25)
    assert 0.03 < np.std(constants) / np.mean(constants) < 0.3


def test_dead_reckoning_finds_the_steps_of_another_gait(field_walk: FieldWalk) -> None:
    walk = field_walk.walk
    assert walk.imu is not None
    found = reckon(walk.imu, walk.time_s, 0.487, walk.start_heading)
    walked = np.linalg.norm(np.diff(walk.truth_m, axis=0), axis=1).sum()
    assert sum(step.length_m for step in found.steps) == pytest.approx(walked, rel=0.3)


def test_errors_have_the_measured_quantiles() -> None:
    generator = np.random.default_rng(1)
    time, walked = np.arange(40_000) * 0.2, np.arange(40_000) * 0.25
    for index, name in enumerate(KINDS):
        drawn = ERRORS.draw(np.full((len(time), 1), index), walked, time, generator)[:, 0]
        wanted = np.array(ERRORS.kinds[name].quantiles_m)
        for level in (0.1, 0.5, 0.9):
            low, high = np.interp([level - 0.03, level + 0.03], LEVELS, wanted)
            assert low - 0.02 <= np.quantile(drawn, level) <= high + 0.02, (name, level)


def test_persistence_is_measured() -> None:
    generator = np.random.default_rng(2)
    time = np.arange(3000) * 0.1
    fresh = summary("fresh", [(time, generator.normal(size=3000))])
    lasting = summary("lasting", [(time, np.repeat(generator.normal(size=60), 50))])
    assert fresh.lasting < 0.1 and lasting.lasting > 0.7
    assert fresh.ranges == 3000 and fresh.quantiles_m[6] == pytest.approx(0.0, abs=0.1)


def test_a_measured_trajectory_drives_sensor_and_ranges() -> None:
    time = np.arange(0, 60, 0.125)
    points = np.stack([8 * np.sin(time / 8), 5 * np.cos(time / 8)], axis=1)
    found = semi_real("circle", time, points, 0, ERRORS)
    assert found.source == "semi-real" and found.walk.imu is not None
    truth = np.stack([np.interp(found.walk.time_s - 3.0, time, points[:, axis]) for axis in range(2)], axis=1)
    assert np.abs(found.walk.truth_m - truth)[20:-20].max() < 0.2
    real = Walk("real", found.walk.anchors_m, time + 100.0, np.full((len(time), 5), 4.0), points)
    walk = with_imu(real, 0)
    assert walk.imu is not None and walk.time_s[0] == 3.0 and np.array_equal(walk.ranges_m, real.ranges_m)
    turned = reckon(walk.imu, walk.time_s, 0.487, walk.start_heading).heading[-1]
    motion = along(time, points)
    away = (turned - motion.heading[-1] + np.pi) % (2 * np.pi) - np.pi
    assert abs(away) < np.radians(25)
    assert readings(motion, person(np.random.default_rng(0)), np.random.default_rng(0)).acceleration.shape[1] == 3


def test_recordings_are_cut_into_pieces() -> None:
    time = np.arange(0, 250, 0.5)
    walk = Walk("long", np.zeros((3, 2)), time, np.zeros((len(time), 3)), np.zeros((len(time), 2)))
    cut = pieces(walk)
    assert [p.name for p in cut] == ["long-1", "long-2", "long-3"]
    assert all(70 < p.time_s[-1] - p.time_s[0] < 90 for p in cut)


def test_one_long_range_does_not_pull_a_robust_fix() -> None:
    anchors = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 8.0], [0.0, 8.0], [5.0, 9.0]])
    place = np.array([4.0, 3.0])
    ranges = np.linalg.norm(anchors - place, axis=1)[None].repeat(2, axis=0)
    ranges[1, 2] += 4.0
    fixes = trilaterate(anchors, ranges)
    away = np.linalg.norm(reweigh(anchors, ranges, fixes, ROBUST_SCALE_M) - place, axis=1)
    assert away[0] < 1e-6 and away[1] < 0.1 < 1.0 < np.linalg.norm(fixes.position_m[1] - place)


def test_a_gate_that_never_opens_is_the_fixed_filter(field_walk: FieldWalk) -> None:
    batch, fixed = prepare([field_walk.walk]), FilterSettings(r=0.6)
    shut = fixed.model_copy(update={"rule": "guarded", "engage": 1e9, "pull": 0.2})
    doubting = fixed.model_copy(update={"rule": "guarded", "engage": 0.0, "doubt_limit": 1e-6, "pull": 0.2})
    plain = track(batch, fixed, None).position_m
    for settings in (shut, doubting):
        assert np.array_equal(track(batch, settings, any_student()).position_m, plain)
    wide = fixed.model_copy(update={"rule": "guarded", "engage": 0.0, "doubt_limit": 11.0, "pull": 0.2})
    assert np.abs(track(batch, wide, any_student()).position_m - plain).max() > 0.01


def test_doubt_is_one_where_the_student_knows_its_errors() -> None:
    rule = GuardedRule(FilterSettings(rule="guarded"), any_student(), 3)
    assert rule.doubt.tolist() == [1.0, 1.0, 1.0]


def test_settings_name_their_problems(tmp_path: Path) -> None:
    assert len(load_settings().seeds) == 5
    (tmp_path / "bad.toml").write_text("seeds = []\ncolour = 1\n")
    with pytest.raises(FusionError, match=r"seeds.*colour"):
        load_settings(tmp_path / "bad.toml")
    with pytest.raises(FusionError, match="no such file"):
        load_settings(tmp_path / "none.toml")
