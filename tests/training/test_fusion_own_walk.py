"""A user's own recording: read, checked, and every bad input named."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyloc.main import main
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.recordings.clocks import compare_clocks
from tinyloc.training.fusion.recordings.epochs import gather, usual_period
from tinyloc.training.fusion.recordings.own import load_walk
from tinyloc.training.fusion.recordings.write import save_walk
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR, Site

YARD = Site(
    name="yard",
    title="open place, many turns",
    anchors_m=((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0), (10.0, -1.0)),
    walls=(),
    route_m=tuple((3.0 + 14.0 * (n % 2), 2.0 + 11.0 * (n * 0.38 % 1), 1.0) for n in range(16)),
)


@pytest.fixture(scope="module")
def walk() -> Walk:
    return simulate(CORRIDOR, 7)


@pytest.fixture(scope="module")
def long_walk() -> Walk:
    return simulate(YARD, 3)


def test_the_command_that_record_names_checks_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fusion", "record", str(tmp_path / "my walk")]) == 0
    command = shlex.split(capsys.readouterr().out.strip().rpartition("check it: ")[2])
    assert command[:3] == ["tinyloc", "fusion", "check"] and main(command[1:]) == 0


def test_a_walk_survives_its_files(walk: Walk, tmp_path: Path) -> None:
    save_walk(walk, tmp_path / "walk")
    own = load_walk(tmp_path / "walk")
    assert own.imu_hz == pytest.approx(100.0) and own.epochs_hz == pytest.approx(5.0, rel=0.02) and own.gaps == 0
    assert own.walk.start_heading == pytest.approx(walk.start_heading, abs=1e-3) and own.moved == ()
    heard = np.isfinite(walk.ranges_m).any(axis=1)
    assert np.allclose(own.walk.ranges_m, walk.ranges_m[heard], atol=1e-3, equal_nan=True)
    assert np.allclose(own.walk.truth_m, walk.truth_m[heard], atol=2e-3, equal_nan=True)
    assert any("100 Hz" in line for line in own.lines())


def test_an_epoch_never_holds_a_later_range() -> None:
    time, anchor = np.array([0.0, 0.01, 0.11, 0.19, 0.35]), np.array([0, 1, 0, 0, 1])
    times, ranges = gather(time, anchor, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 2, 0.1)
    assert times.tolist() == [0.01, 0.19, 0.35]
    assert np.array_equal(ranges, [[1.0, 2.0], [4.0, np.nan], [np.nan, 5.0]], equal_nan=True)
    assert usual_period(time, anchor) == pytest.approx(0.11)


def test_clocks_that_drift_apart_are_estimated_and_corrected(long_walk: Walk, tmp_path: Path) -> None:
    assert long_walk.imu is not None
    time = long_walk.imu.time_s
    spoilt = replace(long_walk.imu, time_s=(time - 0.8) * (1 - 8e-3))
    save_walk(replace(long_walk, imu=spoilt), tmp_path / "walk")
    own = load_walk(tmp_path / "walk")
    assert own.clocks.known and own.clocks.drifts
    assert own.clocks.drift_ppm == pytest.approx(8000, abs=max(3 * own.clocks.drift_spread_ppm, 1500))
    assert own.walk.imu is not None
    start = long_walk.time_s[np.isfinite(long_walk.ranges_m).any(axis=1)][0]
    assert np.abs(own.walk.imu.time_s - (time - start)).max() < 0.6 < np.abs(spoilt.time_s - time).max()
    save_walk(long_walk, tmp_path / "sound")
    sound = load_walk(tmp_path / "sound").clocks
    assert sound.known and not sound.drifts and not sound.shifted


def test_nobody_walked_so_the_clocks_are_unknown() -> None:
    time = np.arange(0, 100, 0.1)
    still = np.zeros((len(time), 2))
    found = compare_clocks(time, still, time, still)
    assert not found.known and found.ranging_time(time) is time


def test_a_heading_that_nobody_gave_is_fitted(walk: Walk, tmp_path: Path) -> None:
    save_walk(walk, tmp_path / "walk")
    (tmp_path / "walk" / "walk.toml").unlink()
    own = load_walk(tmp_path / "walk")
    away = (own.walk.start_heading - walk.start_heading + np.pi) % (2 * np.pi) - np.pi
    assert abs(away) < np.radians(20) and "the truth" in own.heading_from
    (tmp_path / "walk" / "truth.csv").unlink()
    own = load_walk(tmp_path / "walk")
    away = (own.walk.start_heading - walk.start_heading + np.pi) % (2 * np.pi) - np.pi
    assert abs(away) < np.radians(30) and "the fixes" in own.heading_from


@pytest.mark.parametrize("with_truth", [True, False])
def test_an_anchor_that_moved_is_named(long_walk: Walk, with_truth: bool, tmp_path: Path) -> None:
    anchors = long_walk.anchors_m.copy()
    anchors[3] += [-3.0, 2.0]
    truth = long_walk.truth_m if with_truth else np.full_like(long_walk.truth_m, np.nan)
    save_walk(replace(long_walk, anchors_m=anchors, truth_m=truth), tmp_path / "walk")
    with pytest.raises(FusionError, match=r"anchor A4 is not where anchors.csv says.*survey these anchors anew"):
        load_walk(tmp_path / "walk")
    with (tmp_path / "walk" / "walk.toml").open("a") as file:
        file.write("moved_anchors = true\n")
    assert [one.index for one in load_walk(tmp_path / "walk").moved] == [3]


def imu_rows(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        rows = np.loadtxt(folder / "imu.csv", delimiter=",", skiprows=1)
        np.savetxt(folder / "imu.csv", change(rows), delimiter=",", header="t,ax,ay,az,gx,gy,gz", comments="")

    return spoil


def text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        content = path.read_text() if path.exists() else ""
        path.write_text(content.replace(old, new, 1) if old else content + new)

    return spoil


SPOILT = {
    "20 Hz": (imu_rows(lambda rows: rows[::5]), r"runs at 20\.0 Hz; steps need 50 Hz"),
    "gaps": (imu_rows(lambda rows: rows[(rows[:, 0] % 10) > 2]), r"1\d % of the time lies in gaps.*longest, 2\.0 s"),
    "milliseconds": (imu_rows(lambda rows: rows * [1000, 1, 1, 1, 1, 1, 1]), "more than a second apart"),
    "in g": (imu_rows(lambda rows: rows / [1, 9.81, 9.81, 9.81, 1, 1, 1]), "in g. Multiply by 9.8"),
    "degrees": (imu_rows(lambda rows: rows * [1, 1, 1, 1, 57.3, 57.3, 57.3]), "degrees per second"),
    "upside down": (imu_rows(lambda rows: rows * [1, 1, 1, -1, 1, 1, 1]), "az is negative"),
    "another clock": (imu_rows(lambda rows: rows + np.eye(7)[0] * 1e5), "write both with one clock"),
    "backwards": (imu_rows(lambda rows: rows[::-1]), "time does not advance"),
    "short": (imu_rows(lambda rows: rows[:20]), "20 samples are no walk"),
    "no number": (text("imu.csv", "0.0100", "soon"), "imu.csv: 1 cell is not a number.*t = 'soon'"),
    "a column": (text("ranges.csv", "range_m", "dist"), "ranges.csv: 1 column is missing: range_m"),
    "an anchor": (text("ranges.csv", "A2", "B9"), "anchors B9 are not in anchors.csv"),
    "two anchors": (text("anchors.csv", "A2,", "A1,"), "A1 there more than once"),
    "a key": (text("walk.toml", "", "colour = 3\n"), "walk.toml: colour"),
    "no toml": (text("walk.toml", "", "= ="), "not a TOML file"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_bad_input_is_named(name: str, walk: Walk, tmp_path: Path) -> None:
    spoil, message = SPOILT[name]
    save_walk(walk, tmp_path / "walk")
    spoil(tmp_path / "walk")
    with pytest.raises(FusionError, match=message):
        load_walk(tmp_path / "walk")


def test_all_problems_are_named_at_once(walk: Walk, tmp_path: Path) -> None:
    save_walk(walk, tmp_path / "walk")
    (tmp_path / "walk" / "imu.csv").unlink()
    text("anchors.csv", "A2,", "A1,")(tmp_path / "walk")
    text("walk.toml", "", "colour = 3\n")(tmp_path / "walk")
    with pytest.raises(FusionError) as refused:
        load_walk(tmp_path / "walk")
    assert all(part in str(refused.value) for part in ("imu.csv is missing", "more than once", "colour", "own-walk.md"))
    with pytest.raises(FusionError, match="no such folder"):
        load_walk(tmp_path / "nowhere")
