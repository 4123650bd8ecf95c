"""Rules that choose the covariance of each fix: fixed, robust, gated, the published one, the student's own, guarded."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.ekf import Advice, Rule, Seen, State
from tinyloc.training.fusion.filters.settings import HISTORY, FilterSettings

Floats = npt.NDArray[np.float64]
CHANNELS = 7
"""Of an epoch of history: position x, y; fix less position x, y; residual; walking velocity x, y."""
FIX_CLIP_M = 5.0
RESIDUAL_CLIP_M = 3.0
DOUBT_CLIP = 10.0


@dataclass(frozen=True)
class Forecast:
    """What a student says of the next epoch."""

    position_m: Floats  # (B, 2)
    variance: Floats  # (B,) of that position, each axis, m²
    fix_variance: Floats  # (B,) of the fix that will come, each axis, m²


class Predictor(Protocol):
    """A student: from history (B, HISTORY, CHANNELS), oldest first, to the next position."""

    def __call__(self, history: Floats) -> Forecast: ...


class FixedRule:
    """R = r²."""

    def __init__(self, settings: FilterSettings) -> None:
        self.settings = settings

    def advise(self, seen: Seen) -> Advice:
        return Advice(np.full(len(seen.dt), self.settings.r**2))

    def after(self, seen: Seen, state: State) -> None:
        pass


class RobustRule(FixedRule):
    """R = r², of the fix that single long ranges do not pull away: the honest rival of guarded."""

    def advise(self, seen: Seen) -> Advice:
        return Advice(np.full(len(seen.dt), self.settings.r**2), fix_m=seen.robust_m)


class GatedRule(FixedRule):
    """R = r², times `far` when the normalised innovation is beyond the gate: the honest rival without learning."""

    def advise(self, seen: Seen) -> Advice:
        base = self.settings.r**2
        p = seen.state.p
        a, b, c = p[:, 0, 0] + base, p[:, 0, 1], p[:, 1, 1] + base
        dx, dy = (seen.fix_m - seen.state.x[:, :2]).T
        squared = (c * dx * dx - 2 * b * dx * dy + a * dy * dy) / np.maximum(a * c - b * b, 1e-9)
        return Advice(np.where(squared > self.settings.gate**2, base * self.settings.far, base))


class History:
    """The last HISTORY epochs of each walk, as the student sees them."""

    def __init__(self, batch: int) -> None:
        self.rows = np.zeros((batch, HISTORY, CHANNELS))
        self.filled = np.zeros(batch, dtype=np.int64)

    def push(self, seen: Seen, state: State) -> None:
        """Note an epoch after its fix was used. A walk that started only now fills all its rows with this one."""
        self.filled[seen.again] = 0
        row = np.zeros((len(seen.dt), CHANNELS))
        row[:, :2] = state.x[:, :2]
        away = np.clip(seen.fix_m - state.x[:, :2], -FIX_CLIP_M, FIX_CLIP_M)
        row[:, 2:4] = np.where(seen.fixed[:, None], away, 0.0)
        row[:, 4] = np.where(seen.fixed, np.minimum(seen.residual_m, RESIDUAL_CLIP_M), 0.0)
        row[:, 5:7] = seen.walking_mps
        moved = state.started & ((seen.dt > 0) | (self.filled == 0))
        self.rows[moved, :-1] = self.rows[moved, 1:]
        self.rows[moved, -1] = row[moved]
        new = moved & (self.filled == 0)
        self.rows[new] = row[new, None]
        self.filled = np.where(state.started, self.filled + moved, 0)

    @property
    def full(self) -> npt.NDArray[np.bool_]:
        """Whether the student can be asked: from the second epoch on, as the first fills all rows."""
        return np.asarray(self.filled > 0)


class AdaptiveRule:
    """The published rule around a student's prediction; see FilterSettings."""

    def __init__(self, settings: FilterSettings, student: Predictor, batch: int) -> None:
        self.settings, self.student = settings, student
        self.history = History(batch)
        self.errors = np.zeros((batch, HISTORY))
        self.error_count = np.zeros(batch, dtype=np.int64)
        self.streak = np.zeros(batch, dtype=np.int64)

    def advise(self, seen: Seen) -> Advice:
        s = self.settings
        forecast = self.student(self.history.rows)
        away = seen.fix_m - forecast.position_m
        error = np.sqrt((away * away).sum(axis=1))
        ready = self.error_count >= HISTORY
        median = np.median(self.errors, axis=1)
        mad = np.maximum(np.median(np.abs(self.errors - median[:, None]), axis=1), s.floor)
        watched = seen.fixed & self.history.full
        over1 = watched & ready & (error > median + s.k1 * mad)
        over2 = watched & ready & (error > median + s.k2 * mad)
        self.streak = np.where(watched, np.where(over2, self.streak + 1, 0), self.streak)
        scale = np.where(over1, s.moderate, 1.0)
        scale = np.where(over2 & (self.streak >= s.persistence), s.far, scale)
        enters = watched & ~(over2 & s.clean)
        self.errors[enters, :-1] = self.errors[enters, 1:]
        self.errors[enters, -1] = error[enters]
        self.error_count += enters
        return Advice(s.r**2 * scale, *_pull(s, forecast, self.history))

    def after(self, seen: Seen, state: State) -> None:
        self.history.push(seen, state)


class VarianceRule:
    """R from the student's own predicted variances.

    R = r² + trust * (its variance of the fix) + surprise * max(0, e² / 2 - its variance of the position), with
    e as in the published rule: what the student expected, and what it did not.
    """

    def __init__(self, settings: FilterSettings, student: Predictor, batch: int) -> None:
        self.settings, self.student = settings, student
        self.history = History(batch)

    def advise(self, seen: Seen) -> Advice:
        s = self.settings
        forecast = self.student(self.history.rows)
        away = seen.fix_m - forecast.position_m
        beyond = np.maximum(0.0, 0.5 * (away * away).sum(axis=1) - forecast.variance)
        learned = s.r**2 + s.trust * forecast.fix_variance + s.surprise * beyond
        variance = np.where(self.history.full, np.minimum(learned, 1e4), s.r**2)
        return Advice(variance, *_pull(s, forecast, self.history))

    def after(self, seen: Seen, state: State) -> None:
        self.history.push(seen, state)


class GuardedRule(VarianceRule):
    """Robust fixes, the student's variances and its pull behind a gate that returns to the fixed filter.

    The gate is open where the student expects a fix worse than `engage` r², and its doubt is below `doubt_limit`. The
    doubt is the running mean of n = (e² / 2) / (its variance of the position + its variance of the fix), 1 where it
    knows its errors, each n clipped at DOUBT_CLIP. Walks unlike those of training raise it: then the plain fix counts
    with R = r², and nothing pulls.
    """

    def __init__(self, settings: FilterSettings, student: Predictor, batch: int) -> None:
        super().__init__(settings, student, batch)
        self.doubt = np.ones(batch)

    def advise(self, seen: Seen) -> Advice:
        s = self.settings
        self.doubt[seen.again] = 1.0
        forecast = self.student(self.history.rows)
        away = seen.fix_m - forecast.position_m
        half = 0.5 * (away * away).sum(axis=1)
        surprise = np.minimum(half / (forecast.variance + forecast.fix_variance), DOUBT_CLIP)
        watched = seen.fixed & self.history.full
        self.doubt = np.where(watched, self.doubt + s.doubt_memory * (surprise - self.doubt), self.doubt)
        base = s.r**2
        is_open = self.history.full & (forecast.fix_variance > s.engage * base) & (self.doubt < s.doubt_limit)
        used = np.where(is_open[:, None], seen.robust_m, seen.fix_m)
        away = used - forecast.position_m
        beyond = np.maximum(0.0, 0.5 * (away * away).sum(axis=1) - forecast.variance)
        learned = base + s.trust * forecast.fix_variance + s.surprise * beyond
        variance = np.where(is_open, np.minimum(learned, 1e4), base)
        if s.pull <= 0:
            return Advice(variance, fix_m=used)
        return Advice(variance, forecast.position_m, np.where(is_open, forecast.variance / s.pull, np.inf), used)


def _pull(s: FilterSettings, forecast: Forecast, history: History) -> tuple[Floats | None, Floats | None]:
    """The student's prediction as a measurement of its own, if the settings want it."""
    if s.pull <= 0:
        return None, None
    return forecast.position_m, np.where(history.full, forecast.variance / s.pull, np.inf)


def make_rule(settings: FilterSettings, student: Predictor | None, batch: int) -> Rule:
    """The rule that the settings name; the last two need a student."""
    if settings.rule == "fixed":
        return FixedRule(settings)
    if settings.rule in ("gated", "robust"):
        return (GatedRule if settings.rule == "gated" else RobustRule)(settings)
    assert student is not None, "this rule needs a student"
    if settings.rule == "adaptive":
        return AdaptiveRule(settings, student, batch)
    return (GuardedRule if settings.rule == "guarded" else VarianceRule)(settings, student, batch)
