"""Trilateration, filter and rules, against theory and by hand."""

import numpy as np
import pytest

from tinyloc.training.fusion.filters.batch import Batch, prepare
from tinyloc.training.fusion.filters.dead_reckoning import Counts
from tinyloc.training.fusion.filters.ekf import Seen, predict, run, start, update
from tinyloc.training.fusion.filters.rules import AdaptiveRule, Forecast, GatedRule, VarianceRule, make_rule
from tinyloc.training.fusion.filters.settings import HISTORY, FilterSettings
from tinyloc.training.fusion.filters.trilaterate import RANGE_NOISE_M, Fix, trilaterate
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR, ROOM

ANCHORS = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 8.0], [0.0, 8.0]])


def distances(points: np.ndarray, anchors: np.ndarray = ANCHORS) -> np.ndarray:
    return np.linalg.norm(np.atleast_2d(points)[:, None] - anchors[None], axis=2)


def test_exact_ranges_give_the_exact_position_inside_and_outside_the_hull() -> None:
    points = np.array([[1.0, 2.0], [5.0, 4.0], [9.9, 7.9], [25.0, -10.0], [0.0, 0.0]])
    found = trilaterate(ANCHORS, distances(points))
    assert found.good.all()
    assert np.allclose(found.position_m, points, atol=1e-4)


def test_the_covariance_is_that_of_the_errors() -> None:
    generator = np.random.default_rng(1)
    point = np.array([3.0, 15.0])
    ranges = distances(np.repeat(point[None], 4000, axis=0)) + generator.normal(0, RANGE_NOISE_M, (4000, 4))
    found = trilaterate(ANCHORS, ranges)
    measured = np.cov(found.position_m.T)
    told = found.covariance.mean(axis=0)  # residuals above the assumed noise raise some
    assert np.allclose([measured[0, 0], measured[1, 1]], told[[0, 2]], rtol=0.35)
    assert np.sign(measured[0, 1]) == np.sign(told[1])


@pytest.mark.parametrize(
    ("ranges", "status", "bad"),
    [
        ([np.nan, np.nan, 3.0, 4.0], Fix.FEW, 0),
        ([5.0, -1.0, 3.0, np.inf], Fix.FEW, 2),
        ([5.0, 1e9, 7.0, 7.0], Fix.GOOD, 1),
        ([np.nan] * 4, Fix.FEW, 0),
    ],
)
def test_bad_ranges_are_dropped_and_counted(ranges: list[float], status: Fix, bad: int) -> None:
    found = trilaterate(ANCHORS, np.array([ranges]))
    assert (found.status[0], found.bad_ranges[0]) == (status, bad)
    assert all(np.isfinite(a).all() for a in (found.position_m, found.covariance, found.residual_m))


def test_collinear_anchors_are_refused() -> None:
    line = np.array([[0.0, 0.0], [5.0, 0.01], [10.0, 0.0]])
    assert trilaterate(line, distances(np.array([[3.0, 4.0]]), line)).status[0] == Fix.COLLINEAR


def test_the_filter_is_the_textbook_s() -> None:
    generator = np.random.default_rng(2)
    state = start(1)
    state.p[0] = np.eye(4)
    x, p = np.zeros(4), np.eye(4)
    for n in range(50):
        dt, q = float(generator.uniform(0.05, 0.4)), 0.7
        f = np.eye(4)
        f[0, 2] = f[1, 3] = dt
        noise = np.zeros((4, 4))
        for axis in range(2):
            noise[np.ix_([axis, axis + 2], [axis, axis + 2])] = (
                q * q * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
            )
        x, p = f @ x, f @ p @ f.T + noise
        predict(state, np.array([dt]), q)
        h = np.zeros((2, 4))
        first = 2 * (n % 2)
        h[0, first] = h[1, first + 1] = 1
        z, r = generator.normal(0, 2, 2), float(generator.uniform(0.1, 3))
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + r * np.eye(2))
        x, p = x + gain @ (z - h @ x), (np.eye(4) - gain @ h) @ p
        update(state, first, z[None], np.array([r]), np.array([True]))
        assert np.allclose(state.x[0], x, atol=1e-9) and np.allclose(state.p[0], p, atol=1e-9)


def seen(fix: tuple[float, float], batch: int = 1) -> Seen:
    state = start(batch)
    state.p[:, 0, 0] = state.p[:, 1, 1] = 0.01
    state.started[:] = True
    return Seen(
        state, np.full(batch, 0.2), np.array([fix] * batch), np.array([fix] * batch), np.ones(batch, bool),
        np.zeros(batch),
        np.zeros((batch, 2)),
        np.zeros(batch, bool), np.zeros(batch, bool), np.zeros((batch, 2)), np.zeros(batch, bool),
    )  # fmt: skip


def at_origin(history: np.ndarray) -> Forecast:
    return Forecast(np.zeros((len(history), 2)), np.full(len(history), 0.01), np.full(len(history), 0.25))


def factors(errors: list[float], **settings: object) -> list[float]:
    """What the adaptive rule multiplies r² with, for fixes that are so far from the forecast."""
    rule = AdaptiveRule(FilterSettings(rule="adaptive", r=1.0, **settings), at_origin, 1)  # type: ignore[arg-type]
    found = []
    for error in errors:
        now = seen((error, 0.0))
        found.append(float(rule.advise(now).variance[0]))
        rule.after(now, now.state)
    return found


def test_the_published_rule_by_hand() -> None:
    window = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 1.0]  # median 1.0, MAD 0.1 once ten are in
    options = {"k1": 2.0, "k2": 5.0, "moderate": 4.0, "far": 100.0, "persistence": 2}
    assert set(factors(window, **options)) == {1.0}
    assert factors([*window, 1.35], **options)[-1] == 4.0  # beyond the first threshold
    assert factors([*window, 3.0], **options)[-1] == 4.0  # beyond the second, not yet persistent
    assert factors([*window, 3.0, 3.0], **options)[-2:] == [4.0, 100.0]
    assert factors([*window, 3.0, 1.0, 3.0], **options)[-3:] == [4.0, 1.0, 4.0]  # persistence starts anew


def test_a_clean_window_does_not_get_used_to_a_blockage() -> None:
    errors = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 1.0, *[3.0] * 14]
    assert factors(errors)[-1] == 1.0  # the published window holds nothing but 3.0 by now
    assert factors(errors, clean=True)[-1] == 100.0


def test_the_gate_and_the_variance_rule() -> None:
    gate = GatedRule(FilterSettings(rule="gated", r=0.3, gate=3.0, far=50.0))
    assert gate.advise(seen((0.5, 0.0))).variance[0] == pytest.approx(0.09)
    assert gate.advise(seen((2.0, 0.0))).variance[0] == pytest.approx(0.09 * 50)
    rule = VarianceRule(FilterSettings(rule="variance", r=0.3, trust=2.0, surprise=1.0), at_origin, 1)
    first = seen((2.0, 0.0))
    assert rule.advise(first).variance[0] == pytest.approx(0.09)  # no history yet
    rule.after(first, first.state)
    assert rule.advise(seen((2.0, 0.0))).variance[0] == pytest.approx(0.09 + 2 * 0.25 + (2.0 - 0.01))


def test_walks_in_a_batch_do_not_touch_each_other() -> None:
    walks = [simulate(CORRIDOR, 1), simulate(CORRIDOR, 2), simulate(ROOM, 1)]
    settings = FilterSettings(rule="adaptive")
    together = prepare(walks)
    all_of_them = run(together, settings, make_rule(settings, at_origin, 3))
    for row, walk in enumerate(walks):
        alone = run(prepare([walk]), settings, make_rule(settings, at_origin, 1))
        size = len(walk.time_s)
        assert np.allclose(all_of_them.position_m[row, :size], alone.position_m[0], atol=1e-9)


def broken(walk: Walk) -> Batch:
    batch = prepare([walk])
    batch.time_s[0, 30] = np.nan
    batch.time_s[0, 40] = batch.time_s[0, 39] - 5
    batch.time_s[0, 60:] += 100
    return batch


def test_bad_times_are_counted_and_survived() -> None:
    batch = broken(simulate(ROOM, 3))
    track = run(batch, FilterSettings(), make_rule(FilterSettings(), None, 1))
    assert np.isfinite(track.position_m).all()
    trouble = track.trouble
    assert (trouble.backwards[0], trouble.gaps[0], trouble.restarts[0]) == (2, 1, 1)


def test_no_fix_at_all_is_no_track() -> None:
    walk = simulate(ROOM, 3)
    silent = Walk("silent", walk.anchors_m, walk.time_s, np.full_like(walk.ranges_m, np.nan), walk.truth_m)
    batch = prepare([silent])
    track = run(batch, FilterSettings(), make_rule(FilterSettings(), None, 1))
    assert not track.started.any() and np.isfinite(track.position_m).all()
    assert batch.statuses[0, Fix.FEW] == len(walk.time_s) and batch.imu_counts == (Counts(),)


def test_the_published_window_is_ten() -> None:
    assert HISTORY == 10
