"""Extended Kalman filter over [x, y, vx, vy] for several walks at once.

Motion: constant velocity under white acceleration. Measurements: the fix of trilateration (position), and the velocity
of each step of dead reckoning; both are linear in the state, and their blocks of the covariance are inverted in closed
form. The same arithmetic, in single precision and for one walk, is firmware/fusion/ekf.c.

Every bad input leaves a finite state. An epoch whose time does not advance is skipped. Over a gap the position moves on
for at most LONGEST_GAP_S and the covariance grows for all of it. The filter starts again at the next fix after a
silence of LONGEST_SILENCE_S, after BACKWARDS_MOST epochs in a row whose time did not advance, and when its state has
run away. All are counted. A position without a fix for LONGEST_SILENCE_S is not valid.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.batch import Batch
from tinyloc.training.fusion.filters.settings import FilterSettings

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
START_SPEED_STD = 1.0
LONGEST_GAP_S = 2.0
LONGEST_SILENCE_S, BACKWARDS_MOST = 10.0, 5
DIVERGED_VARIANCE = 900.0
"""m²: a filter that knows no better than 30 m starts again."""
DIVERGED_M = 60.0
"""The same when the state is so far from a fix."""


@dataclass
class State:
    """Filters of B walks. `p` holds the ten entries of the covariance by name, each (B,)."""

    x: Floats  # (B, 4)
    p: Floats  # (B, 4, 4)
    time_s: Floats  # (B,) of the last epoch
    fixed_s: Floats  # (B,) of the last fix
    started: Flags  # (B,)
    late: npt.NDArray[np.int64]  # (B,) epochs in a row whose time did not advance


@dataclass(frozen=True)
class Seen:
    """What a rule may look at before the fix of an epoch is used."""

    state: State
    dt: Floats  # (B,)
    fix_m: Floats  # (B, 2)
    robust_m: Floats  # (B, 2)
    fixed: Flags  # (B,)
    residual_m: Floats  # (B,)
    velocity_mps: Floats  # (B, 2)
    stepped: Flags  # (B,)
    still: Flags  # (B,)
    walking_mps: Floats  # (B, 2) of the last step, zero when still
    again: Flags  # (B,) the filter starts again: what a rule knows of before is forgotten


@dataclass(frozen=True)
class Advice:
    """What a rule says: the variance of the fix, a position to pull to (variance inf: none), another fix to use."""

    variance: Floats  # (B,)
    position_m: Floats | None = None  # (B, 2)
    position_variance: Floats | None = None  # (B,)
    fix_m: Floats | None = None  # (B, 2)


class Rule(Protocol):
    """Chooses the covariance of each fix; keeps a history of its own."""

    def advise(self, seen: Seen) -> Advice: ...
    def after(self, seen: Seen, state: State) -> None: ...


@dataclass
class Trouble:
    """Bad input met by the filter, per walk (B,)."""

    backwards: npt.NDArray[np.int64]
    gaps: npt.NDArray[np.int64]
    restarts: npt.NDArray[np.int64]
    diverged: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Track:
    """What the filter gives."""

    position_m: Floats  # (B, N, 2); before the first fix 0
    started: Flags  # (B, N) there is a position
    valid: Flags  # (B, N) and it holds at this time
    variance: Floats  # (B, N) of the fix as the rule chose it
    trouble: Trouble


def start(batch: int) -> State:
    """No walk has a fix yet."""
    return State(
        np.zeros((batch, 4)), np.zeros((batch, 4, 4)), np.zeros(batch), np.zeros(batch), np.zeros(batch, dtype=bool),
        np.zeros(batch, dtype=np.int64),
    )  # fmt: skip


def predict(state: State, dt: Floats, acceleration: float) -> None:
    """Move the state on by dt (B,) seconds, the position by at most LONGEST_GAP_S; 0 changes nothing."""
    x, p = state.x, state.p
    x[:, :2] += np.minimum(dt, LONGEST_GAP_S)[:, None] * x[:, 2:]
    d = dt[:, None, None]
    cross = p[:, :2, 2:]
    p[:, :2, :2] += d * (cross + cross.transpose(0, 2, 1)) + d * d * p[:, 2:, 2:]
    cross = cross + d * p[:, 2:, 2:]
    p[:, :2, 2:], p[:, 2:, :2] = cross, cross.transpose(0, 2, 1)
    q = acceleration * acceleration
    for axis in range(2):
        p[:, axis, axis] += q * dt**3 / 3
        p[:, axis, axis + 2] += q * dt**2 / 2
        p[:, axis + 2, axis] += q * dt**2 / 2
        p[:, axis + 2, axis + 2] += q * dt


def update(state: State, first: int, value: Floats, variance: Floats, where: Flags) -> None:
    """Measure components first and first + 1 as value (B, 2) with one variance (B,) for both, where told."""
    x, p = state.x, state.p
    columns = p[:, :, first : first + 2].copy()  # (B, 4, 2)
    a, b, c = columns[:, first, 0] + variance, columns[:, first, 1], columns[:, first + 1, 1] + variance
    determinant = np.where(where, a * c - b * b, 1.0)
    inverse = np.stack([np.stack([c, -b], 1), np.stack([-b, a], 1)], 1) / determinant[:, None, None]
    gain = np.einsum("bij,bjk->bik", columns, inverse)
    gain[~where] = 0.0
    innovation = np.where(where[:, None], value - x[:, first : first + 2], 0.0)
    x += np.einsum("bij,bj->bi", gain, innovation)
    p -= np.einsum("bij,bkj->bik", gain, columns)
    p += p.transpose(0, 2, 1).copy()
    p *= 0.5


def run(batch: Batch, settings: FilterSettings, rule: Rule) -> Track:
    """Filter every walk of the batch."""
    count, epochs = batch.time_s.shape
    state = start(count)
    positions, variances = np.zeros((count, epochs, 2)), np.zeros((count, epochs))
    started, holds = np.zeros((count, epochs), dtype=bool), np.zeros((count, epochs), dtype=bool)
    trouble = Trouble(*(np.zeros(count, dtype=np.int64) for _ in range(4)))
    walking = np.zeros((count, 2))
    for n in range(epochs):
        valid = batch.valid[:, n] & np.isfinite(batch.time_s[:, n])
        time = np.where(valid, batch.time_s[:, n], state.time_s)
        again, late = _broken(state, time, valid, trouble)
        trouble.backwards += batch.valid[:, n] & ~valid
        walking[again] = 0.0
        first = valid & ~state.started & batch.fixed[:, n]
        go = valid & state.started & ~late
        dt = np.where(go, time - state.time_s, 0.0)
        predict(state, dt, settings.acceleration)
        stepped, still = go & batch.stepped[:, n], go & batch.still[:, n]
        update(state, 2, batch.velocity_mps[:, n], np.full(count, settings.step_noise**2), stepped)
        update(state, 2, np.zeros((count, 2)), np.full(count, settings.still_noise**2), still & ~stepped)
        walking[stepped] = batch.velocity_mps[stepped, n]
        walking[still & ~stepped] = 0.0
        fixed = go & batch.fixed[:, n]
        state.fixed_s = np.where(fixed | first, time, state.fixed_s)
        fresh = np.round(time - state.fixed_s, 6) <= LONGEST_SILENCE_S  # microseconds, as in the firmware
        seen = Seen(
            state, dt, batch.fix_m[:, n], batch.robust_m[:, n], fixed, batch.residual_m[:, n],
            batch.velocity_mps[:, n], stepped, still, walking.copy(), again,
        )  # fmt: skip
        advice = rule.advise(seen)
        update(state, 0, seen.fix_m if advice.fix_m is None else advice.fix_m, advice.variance, seen.fixed)
        if advice.position_m is not None and advice.position_variance is not None:
            near = go & fresh & np.isfinite(advice.position_variance)
            update(state, 0, advice.position_m, np.where(near, advice.position_variance, 1.0), near)
        lost = go & _lost(state, seen)
        trouble.diverged += lost
        begin = first | (lost & seen.fixed)
        state.x[lost | first], state.p[lost | first] = 0.0, 0.0
        state.started = (state.started & ~lost) | begin
        state.x[begin, :2] = batch.fix_m[begin, n]
        for axis in range(2):
            state.p[begin, axis, axis] = settings.r**2
            state.p[begin, axis + 2, axis + 2] = START_SPEED_STD**2
        state.time_s = np.where(go | begin, time, state.time_s)
        rule.after(seen, state)
        positions[:, n], variances[:, n], started[:, n] = state.x[:, :2], advice.variance, state.started
        holds[:, n] = state.started & valid & fresh & (time >= state.time_s)
    return Track(positions, started, holds, variances, trouble)


def _broken(state: State, time: Floats, valid: Flags, trouble: Trouble) -> tuple[Flags, Flags]:
    """Which filters start again as time has broken off, and which skip this epoch. Counts what does not fit."""
    on = valid & state.started
    dt = np.round(np.where(on, time - state.time_s, 0.0), 6)  # microseconds, as in the firmware
    late = on & (dt <= 0)
    trouble.backwards += late
    trouble.gaps += dt > LONGEST_GAP_S
    state.late = np.where(late, state.late + 1, np.where(valid, 0, state.late))
    again = (dt > LONGEST_SILENCE_S) | (state.late >= BACKWARDS_MOST)
    trouble.restarts += again
    state.started = state.started & ~again
    state.late[again] = 0
    state.x[again], state.p[again] = 0.0, 0.0
    return again, late & ~again


def _lost(state: State, seen: Seen) -> Flags:
    """Whether a filter has run away: not finite, knows nothing, or is far from a fix."""
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(state.x).all(axis=1) & np.isfinite(state.p).all(axis=(1, 2))
        vague = ~(state.p[:, 0, 0] + state.p[:, 1, 1] < DIVERGED_VARIANCE)
        away = seen.fixed & (np.abs(state.x[:, :2] - seen.fix_m).max(axis=1) > DIVERGED_M)
    return np.asarray(~finite | vague | away)
