"""A user's own recording: a folder of CSV files with anchors, ranges, an inertial sensor and, if known, the truth.

| file | columns | |
|---|---|---|
| anchors.csv | anchor, x, y, and z if known | m |
| ranges.csv | t, anchor, range_m | s, m; one row per range |
| imu.csv | t, ax, ay, az, gx, gy, gz | s, m/s² with gravity, rad/s; x forward, y left, z up |
| truth.csv | t, x, y | optional |
| walk.toml | start_heading_deg, tag_height_m, k, period_s, moved_anchors | optional |
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.errors import UserError
from tinyloc.names import printable
from tinyloc.training.data.table import Table, read_table
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.batch import K_DEFAULT
from tinyloc.training.fusion.filters.dead_reckoning import reckon
from tinyloc.training.fusion.filters.trilaterate import ANCHORS_MAX, MAX_RANGE_M, trilaterate
from tinyloc.training.fusion.recordings.clocks import Clocks, compare_clocks
from tinyloc.training.fusion.recordings.epochs import at_times, gather, usual_period
from tinyloc.training.fusion.recordings.moved import MovedAnchor, find_moved
from tinyloc.training.fusion.simulation.gait import GRAVITY, Inertial
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
LEAST_IMU_HZ = 50.0
SLACK = 0.96
"""A sensor set to 50 Hz may run at 48."""
GAP_S = 0.1
MOST_MISSING = 0.05
"""Share of the recording that may lie in gaps of the inertial sensor."""
MOST_EPOCHS_HZ = 10.0
HEADING_S = 20.0
"""Without a start heading, dead reckoning is turned onto the fixes of so many seconds of walking."""
COLUMNS = {
    "anchors.csv": ["anchor", "x", "y"],
    "ranges.csv": ["t", "anchor", "range_m"],
    "imu.csv": ["t", "ax", "ay", "az", "gx", "gy", "gz"],
    "truth.csv": ["t", "x", "y"],
}
OPTIONAL = ("truth.csv", "walk.toml")
GUIDE = "docs/tutorials/own-walk.md has the format"


class WalkSettings(BaseModel):
    """What walk.toml may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_heading_deg: float | None = Field(default=None, ge=-360, le=360, description="counter-clockwise from +x")
    tag_height_m: float | None = Field(default=None, ge=0, le=20)
    k: float = Field(default=K_DEFAULT, gt=0, le=5, description="Weinberg's constant of the wearer")
    period_s: float | None = Field(default=None, ge=0.02, le=2, description="length of an epoch")
    moved_anchors: bool = Field(default=False, description="go on with anchors that the ranges place elsewhere")


@dataclass(frozen=True)
class OwnWalk:
    """A recording ready for the filter, on the clock of the ranges, and what was found in it."""

    walk: Walk
    settings: WalkSettings
    anchor_names: tuple[str, ...]
    imu_hz: float
    gaps: int
    gap_share: float
    epochs_hz: float
    clocks: Clocks
    heading_from: str
    """Where the start heading comes from, for a report."""
    moved: tuple[MovedAnchor, ...]

    def lines(self) -> list[str]:
        """What was found, as sentences for a report."""
        walk, clocks = self.walk, self.clocks
        found = [
            f"{len(walk.time_s):,} epochs over {walk.time_s[-1] - walk.time_s[0]:.0f} s at {self.epochs_hz:.1f} Hz, "
            f"{len(walk.anchors_m)} anchors, {100 * np.isfinite(walk.ranges_m).mean():.0f} % of ranges arrived",
            f"inertial sensor at {self.imu_hz:.0f} Hz, {self.gaps} gaps beyond {GAP_S:g} s "
            f"({100 * self.gap_share:.1f} % of the time)",
            f"start heading {np.degrees(walk.start_heading):.0f} degrees, {self.heading_from}",
        ]
        if not clocks.known:
            found.append("clocks: offset and drift could not be estimated (too short, or too little walking)")
        else:
            words = ["corrected" if wrong else "within its error, kept" for wrong in (clocks.shifted, clocks.drifts)]
            found.append(
                f"clocks: offset {clocks.offset_s:+.2f} s ({words[0]}), drift {clocks.drift_ppm:+.0f} ± "
                f"{clocks.drift_spread_ppm:.0f} ppm ({words[1]})"
            )
        known = np.isfinite(walk.truth_m).all(axis=1)
        found.append(f"truth at {int(known.sum()):,} epochs" if known.any() else "no truth: errors cannot be measured")
        return [*found, *(_moved_text(one, self.anchor_names) for one in self.moved)]


def load_walk(folder: Path) -> OwnWalk:
    """Read and check a recording.

    Raises:
        FusionError: Names all problems of the files at once; then those of the recording as a whole (too slow an
            inertial sensor, anchors that moved), which need sound files.
    """
    if not folder.is_dir():
        raise FusionError(f"{folder}: no such folder; {GUIDE}")
    problems: list[str] = []
    settings = _settings(folder / "walk.toml", problems)
    tables = {name: _table(folder / name, problems) for name in COLUMNS}
    names, anchors = _anchors(tables["anchors.csv"], settings, problems)
    ranging = _ranges(tables["ranges.csv"], names, problems)
    imu = _imu(tables["imu.csv"], problems)
    truth = _numbers(tables["truth.csv"], COLUMNS["truth.csv"], problems)
    if problems or ranging is None or imu is None or anchors is None:
        raise FusionError(f"{folder}: " + "; ".join(problems) + f". {GUIDE}")
    return _assemble(folder, settings, names, anchors, ranging, imu, truth)


def _assemble(
    folder: Path, settings: WalkSettings, names: list[str], anchors: Floats,
    ranging: tuple[Floats, npt.NDArray[np.int64], Floats], imu: Inertial, truth: Floats | None,
) -> OwnWalk:  # fmt: skip
    time, heard, measured = ranging
    start = float(time.min())
    flat = measured
    if settings.tag_height_m is not None and anchors.shape[1] == 3:
        drop = (anchors[:, 2] - settings.tag_height_m)[heard]
        flat = np.sqrt(np.maximum(measured**2 - drop**2, 0.0))
    period = settings.period_s or max(usual_period(time, heard), 1.0 / MOST_EPOCHS_HZ)
    epochs, matrix = gather(time - start, heard, flat, len(names), period)
    known = np.full((len(epochs), 2), np.nan) if truth is None else at_times(epochs, truth[:, 0] - start, truth[:, 1:])
    imu = replace(imu, time_s=imu.time_s - start)
    walk = Walk(printable(folder.name), anchors[:, :2], epochs, matrix, known, imu, 0.0)
    problems = _unusable(walk)
    moved = [] if problems else find_moved(walk.anchors_m, matrix, known if np.isfinite(known).any() else None)
    if not settings.moved_anchors:
        problems += [_moved_text(one, names) for one in moved]
    if moved and not settings.moved_anchors:
        problems.append("survey these anchors anew and correct anchors.csv, or set moved_anchors = true in walk.toml")
    if problems:
        raise FusionError(f"{folder}: " + "; ".join(problems))
    steps = np.diff(imu.time_s)
    gaps = steps > GAP_S
    looks = np.arange(imu.time_s[0], imu.time_s[-1], 0.1)
    fixes = trilaterate(walk.anchors_m, matrix)
    clocks = compare_clocks(
        looks, _reckoned(imu, looks, settings.k), walk.time_s[fixes.good], fixes.position_m[fixes.good]
    )
    imu = replace(imu, time_s=clocks.ranging_time(imu.time_s))
    walk = replace(walk, imu=imu)
    heading, origin = _heading(walk, settings, fixes.good, fixes.position_m)
    return OwnWalk(
        walk=replace(walk, start_heading=heading),
        settings=settings,
        anchor_names=tuple(names),
        imu_hz=float(1.0 / np.median(steps)),
        gaps=int(gaps.sum()),
        gap_share=float(steps[gaps].sum() / (imu.time_s[-1] - imu.time_s[0])),
        epochs_hz=float((len(epochs) - 1) / (epochs[-1] - epochs[0])),
        clocks=clocks,
        heading_from=origin,
        moved=tuple(moved),
    )


def _unusable(walk: Walk) -> list[str]:
    """What sound files may still lack: rate of the sensor, gaps, overlap, a fix."""
    assert walk.imu is not None
    time, problems = walk.imu.time_s, []
    steps = np.diff(time)
    rate = 1.0 / float(np.median(steps))
    if rate < SLACK * LEAST_IMU_HZ:
        problems.append(
            f"imu.csv: the sensor runs at {rate:.1f} Hz; steps need {LEAST_IMU_HZ:g} Hz or more. Record again at a "
            "higher rate: interpolation does not bring back what was not measured"
        )
    missing = float(steps[steps > GAP_S].sum() / (time[-1] - time[0])) if rate > 1 / GAP_S else 0.0
    if missing > MOST_MISSING:
        longest = int(np.argmax(steps))
        problems.append(
            f"imu.csv: {100 * missing:.0f} % of the time lies in gaps beyond {GAP_S:g} s (the longest, "
            f"{steps[longest]:.1f} s, at t = {time[longest]:.1f} s of the recording); at most "
            f"{100 * MOST_MISSING:.0f} % is taken. Record again, or cut the recording there"
        )
    overlap = min(time[-1], walk.time_s[-1]) - max(time[0], walk.time_s[0])
    if overlap < 0.5 * (walk.time_s[-1] - walk.time_s[0]):
        problems.append(
            f"imu.csv covers {time[0]:.0f} to {time[-1]:.0f} s and ranges.csv 0 to {walk.time_s[-1]:.0f} s of the "
            "recording: write both with one clock, in seconds"
        )
    fixes = trilaterate(walk.anchors_m, walk.ranges_m)
    if fixes.good.mean() < 0.2:
        problems.append(
            f"ranges.csv: only {100 * fixes.good.mean():.0f} % of the epochs give a position (three anchors that are "
            "not on a line); place more anchors, or lengthen period_s in walk.toml"
        )
    return problems


def _reckoned(imu: Inertial, looks: Floats, k: float) -> Floats:
    """Path of dead reckoning from (0, 0) and heading 0 at the times `looks`."""
    steps = reckon(imu, looks, k, 0.0).steps
    if not steps:
        return np.zeros((len(looks), 2))
    ends = np.array([step.time_s for step in steps])
    moves = np.array([(s.length_m * np.cos(s.heading), s.length_m * np.sin(s.heading)) for s in steps])
    path = np.cumsum(moves, axis=0)
    return np.stack([np.interp(looks, ends, path[:, axis], 0.0) for axis in range(2)], axis=1)


def _heading(
    walk: Walk, settings: WalkSettings, good: npt.NDArray[np.bool_], fix_m: Floats
) -> tuple[float, str]:  # fmt: skip
    """Start heading in rad, and where it is from."""
    if settings.start_heading_deg is not None:
        return float(np.radians(settings.start_heading_deg)), "from walk.toml"
    assert walk.imu is not None
    track = _reckoned(walk.imu, walk.time_s, settings.k)
    known = np.isfinite(walk.truth_m).all(axis=1)
    points, whose = (walk.truth_m, "the truth") if known.any() else (fix_m, "the fixes")
    use = known if known.any() else good
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    began = walk.time_s[int(np.argmax(walked > 0.1))]
    use = use & (walk.time_s >= began) & (walk.time_s < began + HEADING_S)
    if use.sum() < 10:
        return 0.0, "unknown (taken as 0): nobody walked, or no fixes; set start_heading_deg in walk.toml"
    a, b = track[use] - track[use].mean(axis=0), points[use] - points[use].mean(axis=0)
    turned = np.sum((a[:, 0] - 1j * a[:, 1]) * (b[:, 0] + 1j * b[:, 1]))
    return float(np.angle(turned)), f"fitted to {whose} of the first {HEADING_S:g} s of walking (errors there flatter)"


def _moved_text(one: MovedAnchor, names: "list[str] | tuple[str, ...]") -> str:
    x, y = one.place_m
    either = ""
    if one.residual_offset_m < 1.3 * one.residual_after_m:
        either = f", or its ranges are {one.offset_m:+.2f} m off (antenna delay): calibrate it"
    return (
        f"anchor {names[one.index]} is not where anchors.csv says: the ranges place it at ({x:.2f}, {y:.2f}), "
        f"{one.away_m:.2f} m away (residual {one.residual_before_m:.2f}, here {one.residual_after_m:.2f} m){either}"
    )


def _settings(path: Path, problems: list[str]) -> WalkSettings:
    if not path.is_file():
        return WalkSettings()
    try:
        return WalkSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"walk.toml: not a TOML file ({printable(str(error))})")
    except ValidationError as error:
        for one in error.errors():
            key = printable(".".join(map(str, one["loc"])))
            problems.append(f"walk.toml: {key}: {printable(one['msg'])}")
    return WalkSettings()


def _table(path: Path, problems: list[str]) -> Table | None:
    if not path.is_file():
        if path.name not in OPTIONAL:
            problems.append(f"{path.name} is missing")
        return None
    try:
        return read_table(path.read_bytes(), path.name, COLUMNS[path.name])
    except UserError as error:
        problems.append(str(error))
        return None


def _numbers(table: Table | None, columns: list[str], problems: list[str]) -> Floats | None:
    if table is None:
        return None
    values, bad = table.parsed(columns)
    if bad:
        problems.append(f"{table.source}: {table.no_numbers(bad)}")
        return None
    return values


def _anchors(table: Table | None, settings: WalkSettings, problems: list[str]) -> tuple[list[str], Floats | None]:
    if table is None:
        return [], None
    high = "z" in table.names
    values = _numbers(table, ["x", "y", "z"] if high else ["x", "y"], problems)
    names = [printable(name) for name in table.texts("anchor")]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        problems.append(f"anchors.csv: {', '.join(twice)} there more than once; give each anchor one row")
    if not 3 <= len(names) <= ANCHORS_MAX:
        problems.append(f"anchors.csv: {len(names)} anchors; the fusion takes 3 to {ANCHORS_MAX}")
    if settings.tag_height_m is not None and not high:
        problems.append("walk.toml: tag_height_m needs a column z in anchors.csv")
    return names, values


def _ranges(
    table: Table | None, names: list[str], problems: list[str]
) -> tuple[Floats, npt.NDArray[np.int64], Floats] | None:
    values = _numbers(table, ["t", "range_m"], problems)
    if table is None or values is None or not names:
        return None
    heard = [printable(name) for name in table.texts("anchor")]
    unknown = sorted(set(heard) - set(names))
    if unknown:
        problems.append(f"ranges.csv: anchors {', '.join(unknown[:5])} are not in anchors.csv; add or remove them")
        return None
    typical = float(np.median(values[:, 1]))
    if typical > MAX_RANGE_M:
        problems.append(f"ranges.csv: half of the ranges are beyond {typical:.0f} m; range_m is in metres, not mm")
        return None
    index = {name: n for n, name in enumerate(names)}
    return values[:, 0], np.array([index[name] for name in heard]), values[:, 1]


def _imu(table: Table | None, problems: list[str]) -> Inertial | None:
    values = _numbers(table, COLUMNS["imu.csv"], problems)
    if values is None:
        return None
    if len(values) < 100:
        problems.append(f"imu.csv: {len(values)} samples are no walk; record some minutes")
        return None
    time = values[:, 0]
    back = np.flatnonzero(np.diff(time) <= 0)
    if len(back) > 0.01 * len(time):
        problems.append(f"imu.csv: time does not advance at {len(back):,} of {len(time):,} rows; sort the rows by t")
        return None
    keep = np.concatenate([[True], time[1:] > np.maximum.accumulate(time)[:-1]])
    values = values[keep]
    if float(np.median(np.diff(values[:, 0]))) > 1.0:
        problems.append("imu.csv: samples are more than a second apart; t is in seconds, not ms or µs")
        return None
    gravity = float(np.median(np.linalg.norm(values[:, 1:4], axis=1)))
    if not 0.7 * GRAVITY < gravity < 1.4 * GRAVITY:
        hint = f"in g? Multiply by {GRAVITY}" if 0.7 < gravity < 1.4 else "keep gravity in, in m/s²"
        problems.append(f"imu.csv: the acceleration is {gravity:.2f} on average where gravity is {GRAVITY:.2f}: {hint}")
    upright = float(np.median(values[:, 3]))
    if 0.7 * GRAVITY < gravity < 1.4 * GRAVITY and upright < -0.5 * GRAVITY:
        problems.append("imu.csv: az is negative while standing: z points up and reads +9.8 m/s²; turn the axes")
    if float(np.percentile(np.abs(values[:, 6]), 99)) > 15.0:
        problems.append("imu.csv: gz beyond 15 rad/s: in degrees per second? Multiply by 0.0174533")
    return Inertial(values[:, 0], values[:, 1:4], values[:, 4:7])
