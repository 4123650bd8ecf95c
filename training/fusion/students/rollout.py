"""What a student is trained on: the histories that a filter saw, and the truth that followed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.batch import Batch
from tinyloc.training.fusion.filters.ekf import Advice, Rule, Seen, State, run
from tinyloc.training.fusion.filters.rules import CHANNELS, History
from tinyloc.training.fusion.filters.settings import HISTORY, FilterSettings

Floats = npt.NDArray[np.float64]
FIX_ERROR_CLIP_M2 = 100.0


@dataclass(frozen=True)
class Rollout:
    """Histories before each epoch (B, N, HISTORY, CHANNELS), and what came."""

    history: npt.NDArray[np.float32]
    target_m: npt.NDArray[np.float32]  # (B, N, 2) true position less the last of the history
    fix_error_m2: npt.NDArray[np.float32]  # (B, N) mean squared error of the fix's axes
    usable: npt.NDArray[np.bool_]  # (B, N) history is full and truth known
    fixed: npt.NDArray[np.bool_]  # (B, N) there was a fix


class _Recorder:
    """A rule that keeps what the history was before each epoch and leaves the choice to another."""

    def __init__(self, rule: Rule, shape: tuple[int, ...]) -> None:
        self.rule, self.history, self.epoch = rule, History(shape[0]), 0
        self.rows = np.zeros((*shape, HISTORY, CHANNELS), dtype=np.float32)
        self.full = np.zeros(shape, dtype=bool)

    def advise(self, seen: Seen) -> Advice:
        self.rows[:, self.epoch], self.full[:, self.epoch] = self.history.rows, self.history.full
        return self.rule.advise(seen)

    def after(self, seen: Seen, state: State) -> None:
        self.rule.after(seen, state)
        self.history.push(seen, state)
        self.epoch += 1


def roll_out(batch: Batch, settings: FilterSettings, rule: Rule) -> Rollout:
    """Run the filter and keep its histories."""
    recorder = _Recorder(rule, batch.time_s.shape)
    run(batch, settings, recorder)
    known = np.isfinite(batch.truth_m).all(axis=2)
    truth = np.where(known[..., None], batch.truth_m, 0.0)
    error = ((batch.fix_m - truth) ** 2).mean(axis=2)
    return Rollout(
        history=recorder.rows,
        target_m=(truth - recorder.rows[:, :, -1, :2]).astype(np.float32),
        fix_error_m2=np.minimum(error, FIX_ERROR_CLIP_M2).astype(np.float32),
        usable=recorder.full & batch.valid & known,
        fixed=batch.fixed,
    )
