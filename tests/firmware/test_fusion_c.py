"""firmware/fusion against the reference in double precision, over whole walks, and on every kind of bad input.

Tolerances: position 2 mm, variance of the fix 1 % and 1 cm², heading 1 mrad (single against double precision over
minutes; an int16 activation may round the other way).
"""

from pathlib import Path

import numpy as np
import pytest

from tests.fusion_host import HostFusion, any_student
from tinyloc.training.fusion.filters.batch import K_DEFAULT, prepare
from tinyloc.training.fusion.filters.ekf import run
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.filters.trilaterate import trilaterate
from tinyloc.training.fusion.simulation.simulate import simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR, LOOP, ROOM

SETTINGS = {
    "fixed": FilterSettings(rule="fixed"),
    "gated": FilterSettings(rule="gated", gate=2.0),
    "adaptive": FilterSettings(rule="adaptive", k1=1.0, k2=2.5, persistence=2, r=0.3),
    "clean": FilterSettings(rule="adaptive", k1=1.0, k2=2.5, clean=True, r=1.0),
    "variance": FilterSettings(rule="variance"),
    "steered": FilterSettings(rule="variance", pull=0.1),
    "robust": FilterSettings(rule="robust", still_noise=0.5),
    "guarded": FilterSettings(rule="guarded", pull=0.1, r=0.5, engage=1.2, doubt_limit=1.0, doubt_memory=0.2),
}


@pytest.mark.parametrize("site", [CORRIDOR, LOOP, ROOM], ids=lambda s: s.name)
@pytest.mark.parametrize("name", SETTINGS)
def test_whole_walks_equal_the_reference(name: str, site, tmp_path: Path) -> None:
    settings, student, walk = SETTINGS[name], any_student(), simulate(site, 5)
    batch = prepare([walk])
    track = run(batch, settings, make_rule(settings, student, 1))
    found = HostFusion(tmp_path, student, settings, walk.anchors_m, K_DEFAULT, walk.start_heading).walk(walk)
    assert np.array_equal(found[:, 0].astype(bool), track.started[0])
    assert np.abs(found[:, 1:3] - track.position_m[0])[track.started[0]].max() < 2e-3
    used = (found[:, 3] > 0) & track.started[0]
    assert used.sum() > 50
    assert np.allclose(found[used, 3], track.variance[0][used], rtol=1e-2, atol=1e-4)


def test_bad_input_is_counted_like_the_reference_and_gives_no_nan(tmp_path: Path) -> None:
    walk = simulate(CORRIDOR, 2)
    time, ranges = walk.time_s.copy(), walk.ranges_m.copy()
    time[50], time[51] = time[49] - 1.0, time[49]  # backwards, and standing still
    time[120:] += 9.0  # a gap
    ranges[20, 0], ranges[21, 1], ranges[22, 2] = -3.0, 1e9, np.inf
    ranges[30:34] = np.nan
    ranges[40:44, :2] = np.nan
    ranges[140:] += 300.0  # all absurd
    bad = type(walk)(walk.name, walk.anchors_m, time, ranges, walk.truth_m, None, walk.start_heading)
    settings = SETTINGS["adaptive"]
    student = any_student()
    batch = prepare([bad])
    track = run(batch, settings, make_rule(settings, student, 1))
    host = HostFusion(tmp_path, student, settings, bad.anchors_m, K_DEFAULT, bad.start_heading)
    found = host.walk(bad)
    assert np.isfinite(found).all() and np.isfinite(track.position_m).all()
    assert np.abs(found[:, 1:3] - track.position_m[0])[track.started[0]].max() < 2e-3
    counts = host.counts()
    assert counts["backwards"] == track.trouble.backwards[0] == 2
    assert counts["gaps"] == track.trouble.gaps[0] == 1
    assert counts["bad_ranges"] == batch.bad_ranges[0] > 3
    assert [counts[k] for k in ("few", "collinear", "far")] == batch.statuses[0][1:].tolist()
    assert counts["few"] >= 8


def test_a_filter_that_ran_away_starts_again_at_the_next_fix(tmp_path: Path) -> None:
    anchors = np.array([[0.0, 0.0], [150.0, 0.0], [150.0, 150.0], [0.0, 150.0]])
    host = HostFusion(tmp_path, None, FilterSettings(acceleration=0.1), anchors, K_DEFAULT, 0.0)
    near, there = np.hypot(*(anchors - [10.0, 10.0]).T), np.hypot(*(anchors - [120.0, 100.0]).T)
    for n in range(40):
        host.ranges(0.2 * n + 0.2, near)
    jumped = host.ranges(8.4, there)
    assert host.counts()["diverged"] == 1
    assert np.abs(jumped[1:3] - [120.0, 100.0]).max() < 0.1


def test_collinear_anchors_are_refused(tmp_path: Path) -> None:
    anchors = np.array([[0.0, 0.0], [5.0, 0.001], [10.0, 0.0], [15.0, 0.0]])
    host = HostFusion(tmp_path, None, FilterSettings(), anchors, K_DEFAULT, 0.0)
    assert host.ranges(0.2, [5.0, 4.0, 6.0, 9.0])[0] == 0
    assert host.counts()["collinear"] == 1


def test_a_spoilt_inertial_sensor_is_survived(tmp_path: Path) -> None:
    walk = simulate(CORRIDOR, 3)
    assert walk.imu is not None
    acceleration, rate, time = walk.imu.acceleration.copy(), walk.imu.rate.copy(), walk.imu.time_s.copy()
    acceleration[700], rate[800, 2], acceleration[900, 0] = np.nan, np.inf, 1e6
    time[1000] = time[990]
    keep = np.ones(len(time), bool)
    keep[1500:1700] = False  # two seconds of silence
    imu = type(walk.imu)(time[keep], acceleration[keep], rate[keep])
    bad = type(walk)(walk.name, walk.anchors_m, walk.time_s, walk.ranges_m, walk.truth_m, imu, walk.start_heading)
    settings = FilterSettings()
    batch = prepare([bad])
    track = run(batch, settings, make_rule(settings, None, 1))
    host = HostFusion(tmp_path, None, settings, bad.anchors_m, K_DEFAULT, bad.start_heading)
    found = host.walk(bad)
    assert np.isfinite(found).all()
    assert np.abs(found[:, 1:3] - track.position_m[0])[track.started[0]].max() < 2e-3
    counts, seen = host.counts(), batch.imu_counts[0]
    assert (counts["imu_bad"], counts["imu_backwards"], counts["imu_gaps"]) == (3, 1, 1)
    assert (seen.bad_samples, seen.backwards, seen.gaps) == (3, 1, 1)


def test_a_tag_outside_the_hull_is_served_and_counted(tmp_path: Path) -> None:
    anchors = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])
    places = np.array([[5.0, 5.0], [12.0, 5.0], [9.9, 0.1], [-3.0, -3.0], [5.0, 10.5]])
    ranges = np.hypot(*(anchors[None] - places[:, None]).T).T
    ranges[0, 2] = np.nan  # of the other three the hull still holds (5, 5) on its edge: that is not inside
    host = HostFusion(tmp_path, None, FilterSettings(), anchors, K_DEFAULT, 0.0)
    found = [host.ranges(0.2 * n + 0.2, row) for n, row in enumerate(ranges)]
    assert all(row[0] == 1 and np.isfinite(row).all() for row in found)
    reference = trilaterate(anchors, ranges)
    assert reference.outside[1:].tolist() == [True, False, True, True]
    assert host.counts()["outside"] in (3, 4) and reference.good.all()


@pytest.mark.parametrize("site", [CORRIDOR, LOOP], ids=lambda site: site.name)
def test_fixes_outside_the_hull_are_counted_as_in_the_reference(site, tmp_path: Path) -> None:
    walk = simulate(site, 5)
    host = HostFusion(tmp_path, None, FilterSettings(), walk.anchors_m, K_DEFAULT, walk.start_heading)
    host.walk(walk)
    assert abs(host.counts()["outside"] - int(prepare([walk]).outside[0])) <= 1  # single precision on an edge


def test_time_may_wrap(tmp_path: Path) -> None:
    walk = simulate(CORRIDOR, 4)
    settings = FilterSettings()
    shift = 2**32 / 1e6 - 20.0  # the microseconds overflow 20 s into the walk
    results = []
    for offset in (0.0, shift):
        folder = tmp_path / str(int(offset))
        folder.mkdir()
        host = HostFusion(folder, None, settings, walk.anchors_m, K_DEFAULT, walk.start_heading)
        assert walk.imu is not None
        imu = type(walk.imu)(walk.imu.time_s + offset, walk.imu.acceleration, walk.imu.rate)
        moved = type(walk)(walk.name, walk.anchors_m, walk.time_s + offset, walk.ranges_m, walk.truth_m, imu, 0.0)
        results.append(host.walk(moved))
    assert np.allclose(results[0], results[1], atol=1e-4)


def test_state_fits_the_budget_and_nothing_undefined_happens(tmp_path: Path) -> None:
    walk = simulate(ROOM, 1)
    host = HostFusion(
        tmp_path, any_student(), SETTINGS["steered"], walk.anchors_m, K_DEFAULT, 0.0,
        ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),
    )  # fmt: skip
    host.walk(walk)
    assert host.bytes() < 1024
    host.ranges(1e9 % 4000, [np.nan, -np.inf, np.inf, 3e38])


def test_the_gate_opens_and_shuts_during_a_walk_as_in_the_reference(tmp_path: Path) -> None:
    """The walk of the test above must meet both sides, or it would show nothing."""
    settings, walk = SETTINGS["guarded"], simulate(LOOP, 5)
    batch = prepare([walk])
    track = run(batch, settings, make_rule(settings, any_student(), 1))
    used = track.started[0] & batch.fixed[0]
    steered = track.variance[0][used] > settings.r**2 * 1.0001
    assert 0.1 < steered.mean() < 0.9
    found = HostFusion(tmp_path, any_student(), settings, walk.anchors_m, K_DEFAULT, walk.start_heading).walk(walk)
    assert np.array_equal(found[:, 3][used] > settings.r**2 * 1.0001, steered)
