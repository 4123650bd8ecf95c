"""Time that jumps, stands, goes back or is silent: the position is never stale with `valid` set, and what happened is
counted. Firmware and reference must agree on all of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fusion_host import HostFusion, any_student
from tinyloc.codegen.fusion import compile_fusion
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import K_DEFAULT, prepare
from tinyloc.training.fusion.filters.dead_reckoning import DeadReckoner
from tinyloc.training.fusion.filters.ekf import BACKWARDS_MOST, LONGEST_SILENCE_S, run
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR

ANCHORS = np.array([[0.0, 0.0], [12.0, 0.0], [12.0, 9.0], [0.0, 9.0]])
FIXED = FilterSettings()
STEERED = FilterSettings(rule="variance", pull=0.1)
VALID, X, Y, XX, STALE, BACKWARDS, RESTARTED = 0, 1, 2, 4, 6, 7, 8
HALF_HOUR = 1800.0


def ranges_at(x: float, y: float) -> np.ndarray:
    return np.hypot(*(ANCHORS - [x, y]).T)


def fresh(folder: Path, settings: FilterSettings = FIXED) -> HostFusion:
    student = any_student() if settings.rule == "variance" else None
    return HostFusion(folder, student, settings, ANCHORS, K_DEFAULT, 0.0)


def settled(folder: Path, settings: FilterSettings = FIXED) -> HostFusion:
    """Fifty epochs at (3, 4), the last at 10 s."""
    host = fresh(folder, settings)
    for n in range(50):
        host.ranges(0.2 * n + 0.2, ranges_at(3.0, 4.0))
    return host


def test_one_epoch_far_ahead_does_not_freeze_the_position(tmp_path: Path) -> None:
    host = settled(tmp_path)
    ahead = host.ranges(10.0 + HALF_HOUR, ranges_at(3.0, 4.0))
    assert ahead[RESTARTED] == 1
    for n in range(30):
        row = host.ranges(10.2 + 0.2 * n, ranges_at(9.0, 7.0))
        near = np.hypot(row[X] - 9.0, row[Y] - 7.0) < 0.1
        assert row[VALID] == near, (n, row)
        assert row[BACKWARDS] == (n < BACKWARDS_MOST)
    counts = host.counts()
    assert (counts["restarts"], counts["backwards"], counts["gaps"]) == (2, BACKWARDS_MOST, 1)


@pytest.mark.parametrize("minutes", [1, 40, 71.6, 71.5827882667, 60 * 24 * 400])
def test_a_position_is_new_after_a_silence_of_any_length(minutes: float, tmp_path: Path) -> None:
    host = settled(tmp_path)
    row = host.ranges(10.0 + 60.0 * minutes, ranges_at(9.0, 7.0))
    assert row[VALID] == 1 and row[RESTARTED] == 1
    assert np.hypot(row[X] - 9.0, row[Y] - 7.0) < 0.1 and row[XX] == pytest.approx(FIXED.r**2)
    assert host.counts()["restarts"] == 1


def test_a_silence_that_ends_without_a_fix_gives_no_position(tmp_path: Path) -> None:
    host = settled(tmp_path)
    row = host.ranges(10.0 + HALF_HOUR, np.full(4, np.nan))
    assert not row[[VALID, X, Y, STALE]].any() and row[RESTARTED] == 1
    assert host.ranges(10.2 + HALF_HOUR, ranges_at(9.0, 7.0))[VALID] == 1


@pytest.mark.parametrize("settings", [FilterSettings(acceleration=0.2), STEERED], ids=["fixed", "steered"])
def test_a_position_without_fixes_grows_vague_and_is_no_longer_valid(settings: FilterSettings, tmp_path: Path) -> None:
    host = settled(tmp_path, settings)
    rows = np.array([host.ranges(10.2 + 0.2 * n, np.full(4, np.nan)) for n in range(100)])
    last = round(LONGEST_SILENCE_S / 0.2)
    assert rows[:last, VALID].all() and not rows[last:, VALID].any()
    assert (rows[:, STALE] == 1 - rows[:, VALID]).all()
    alone = rows[last:] if settings.pull else rows  # the student's forecasts count as long as there are fixes
    assert (np.diff(alone[:, XX]) > 0).all()
    row = host.ranges(30.2, ranges_at(4.0, 4.0))
    assert (row[VALID], row[STALE]) == (1, 0)


def test_the_variance_grows_with_the_length_of_a_gap(tmp_path: Path) -> None:
    found = []
    for seconds in (2.0, 4.0, 8.0):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        found.append(settled(folder).ranges(10.0 + seconds, np.full(4, np.nan))[XX])
    assert found[0] < 0.5 * found[1] < 0.25 * found[2]


def test_a_repeated_time_keeps_the_position_and_a_time_before_is_not_valid(tmp_path: Path) -> None:
    host = settled(tmp_path)
    now = host.ranges(10.0, ranges_at(9.0, 7.0))
    assert (now[VALID], now[BACKWARDS]) == (1, 1) and np.hypot(now[X] - 3.0, now[Y] - 4.0) < 0.1
    before = host.ranges(9.0, ranges_at(9.0, 7.0))
    assert (before[VALID], before[BACKWARDS]) == (0, 1)
    assert host.ranges(10.2, ranges_at(3.0, 4.0))[VALID] == 1


def test_epochs_backwards_must_come_in_a_row_to_start_again(tmp_path: Path) -> None:
    host = settled(tmp_path)
    for n in range(20):
        host.ranges(1.0, ranges_at(9.0, 7.0))
        assert host.ranges(10.2 + 0.2 * n, ranges_at(3.0, 4.0))[VALID] == 1
    assert host.counts()["restarts"] == 0
    rows = [host.ranges(1.0 + 0.2 * n, ranges_at(9.0, 7.0)) for n in range(BACKWARDS_MOST)]
    assert [row[VALID] for row in rows] == [0] * (BACKWARDS_MOST - 1) + [1]
    assert rows[-1][RESTARTED] == 1 and np.hypot(rows[-1][X] - 9.0, rows[-1][Y] - 7.0) < 0.1


def test_nobody_stands_because_the_inertial_sensor_is_silent(tmp_path: Path) -> None:
    apart = {}
    for silent in (False, True):
        folder = tmp_path / str(silent)
        folder.mkdir()
        host = fresh(folder, FilterSettings(r=2.0))
        for n in range(200):
            if n < 50 or not silent:
                for part in range(10):
                    host.imu(0.2 * n + 0.02 * part, [0.0, 0.0, 9.81, 0.0, 0.0, 0.0])
            place = 3.0 + 0.2 * max(0, n - 60)  # carried off at 1 m/s
            row = host.ranges(0.2 * n + 0.2, ranges_at(place, 4.0))
        apart[silent] = abs(row[X] - place)
    assert apart[True] < 1.0 < apart[False]


def jump(walk: Walk, change: Callable[[np.ndarray], np.ndarray]) -> Walk:
    assert walk.imu is not None
    imu = replace(walk.imu, time_s=change(walk.imu.time_s))
    return replace(walk, time_s=change(walk.time_s), imu=imu)


BREAKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a gap": lambda t: np.where(t > 9.05, t + 5.0, t),
    "a silence": lambda t: np.where(t > 9.05, t + 2400.0, t),
    "32 bits wrap in it": lambda t: np.where(t > 9.05, t + 2**32 / 1e6, t + 3.0),
    "a step back": lambda t: np.where(t > 9.05, t - 4.03, t),
    "a day back": lambda t: np.where(t > 9.05, t, t + 86400.0),
    "one ahead": lambda t: np.where((t > 9.05) & (t < 9.32), t + HALF_HOUR, t),
    "all of them": lambda t: t + 5.0 * (t > 4.05) + 40.0 * (t > 9.05) - 43.03 * (t > 14.05) - 0.7 * (t > 19.05),
}  # fmt: skip


RESTARTS = {"a gap": (0, 0), "one ahead": (2, 2), "all of them": (2, 3)}
"""Of filter and detector; (1, 1) of the others."""


@pytest.mark.parametrize("name", BREAKS)
def test_a_filter_in_broken_time_is_that_of_the_reference(name: str, tmp_path: Path) -> None:
    walk = jump(simulate(CORRIDOR, 6), BREAKS[name])
    student = any_student()
    host = HostFusion(tmp_path, student, STEERED, walk.anchors_m, K_DEFAULT, walk.start_heading)
    batch = prepare([walk])
    track = run(batch, STEERED, make_rule(STEERED, student, 1))
    found, there = host.walk(walk), track.started[0]
    assert np.array_equal(found[:, VALID].astype(bool), track.valid[0])
    assert np.abs(found[:, 1:3] - track.position_m[0])[there].max() < 2e-3
    counts, trouble = host.counts(), track.trouble
    expected = [int(n[0]) for n in (trouble.restarts, trouble.backwards, trouble.gaps, trouble.diverged)]
    assert [counts[n] for n in ("restarts", "backwards", "gaps", "diverged")] == expected
    assert expected[0] == RESTARTS.get(name, (1, 1))[0]


@pytest.mark.parametrize("name", BREAKS)
def test_steps_in_broken_time_are_those_of_the_reference(name: str, tmp_path: Path) -> None:
    walk = jump(simulate(CORRIDOR, 6), BREAKS[name])
    host = HostFusion(tmp_path, None, FIXED, walk.anchors_m, K_DEFAULT, walk.start_heading)
    reference = DeadReckoner(K_DEFAULT, walk.start_heading)
    assert walk.imu is not None
    for row in zip(walk.imu.time_s, walk.imu.acceleration, walk.imu.rate, strict=True):
        reference.sample(*row)
        host.imu(row[0], np.concatenate(row[1:]))
        assert abs(np.angle(np.exp(1j * (host.heading() - reference.heading)))) < 1e-3
    counts, seen = host.counts(), reference.counts
    assert [counts[f"imu_{n}"] for n in ("restarts", "backwards", "gaps")] == [seen.restarts, seen.backwards, seen.gaps]
    assert seen.restarts == RESTARTS.get(name, (1, 1))[1]


@pytest.mark.parametrize("count", [0, 2, 33])
def test_too_many_or_too_few_anchors_are_no_image(count: int, tmp_path: Path) -> None:
    anchors = np.random.default_rng(0).uniform(0, 50, (count, 2))
    with pytest.raises(FusionError, match=f"{count} anchors; the fusion takes 3 to 32"):
        compile_fusion(any_student(), FIXED, anchors, tmp_path / "out")


def test_32_anchors_are_served(tmp_path: Path) -> None:
    anchors = np.random.default_rng(0).uniform(0, 50, (32, 2))
    host = HostFusion(tmp_path, None, FIXED, anchors, K_DEFAULT, 0.0)
    row = host.ranges(0.2, np.hypot(*(anchors - [20.0, 30.0]).T))
    assert row[VALID] == 1 and np.abs(row[1:3] - [20.0, 30.0]).max() < 1e-3


def test_an_anchor_nowhere_is_no_image(tmp_path: Path) -> None:
    anchors = np.array([[0.0, 0.0], [5.0, np.nan], [1.0, 7.0]])
    with pytest.raises(FusionError, match="anchor 1 has a coordinate that is no number"):
        compile_fusion(any_student(), FIXED, anchors, tmp_path / "out")


@pytest.mark.parametrize(
    ("k", "heading", "status"),
    [
        (0.5, 0.0, 0), (5.0, 12.6, 0), (0.01, -12.6, 0),
        (0.0, 0.0, 1), (-0.0, 0.0, 1), (-1.0, 0.0, 1), (5.1, 0.0, 1), (np.nan, 0.0, 1), (np.inf, 0.0, 1),
        (0.5, np.nan, 2), (0.5, np.inf, 2), (0.5, -np.inf, 2), (0.5, 12.7, 2), (0.5, 3e38, 2),
    ],
)  # fmt: skip
def test_a_walk_that_cannot_be_is_refused_and_changes_nothing(
    k: float, heading: float, status: int, tmp_path: Path
) -> None:
    host = settled(tmp_path)
    assert host.begin(k, heading) == status
    row = host.ranges(10.2, np.full(4, np.nan))
    assert row[VALID] == (status != 0)


def test_a_walk_with_more_anchors_than_bits_is_refused(tmp_path: Path) -> None:
    host = HostFusion(tmp_path, None, FIXED, ANCHORS, K_DEFAULT, 0.0, anchor_count="33")
    assert host.begin(K_DEFAULT, 0.0) == 3


def test_a_heading_is_brought_within_half_a_turn(tmp_path: Path) -> None:
    host = fresh(tmp_path)
    for heading in np.linspace(-12.5, 12.5, 41):
        host.begin(0.5, heading)
        assert abs(host.heading()) < np.pi + 1e-5
        assert np.exp(1j * host.heading()) == pytest.approx(np.exp(1j * heading), abs=1e-5)
