"""A walk on a device with fusion, against the reference in double precision, and what it costs there."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.device.emulator.profile import RunCost
from tinyloc.device.fusion.fusion_client import Fix, FusionClient
from tinyloc.training.fusion.filters.batch import K_DEFAULT, prepare
from tinyloc.training.fusion.filters.ekf import run
from tinyloc.training.fusion.filters.rules import make_rule
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.simulation.simulate import Walk
from tinyloc.training.fusion.students.quantised import IntegerStudent

TOLERANCE_M = 2e-3
"""Device, single precision, against reference, double: a quantised input of the student may round the other way."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WalkOutcome:
    """Fixes of N epochs on the device beside the reference."""

    fixes: tuple[Fix, ...]
    reference_m: Floats  # (N, 2), NaN where it is not valid
    truth_m: Floats  # (N, 2)

    @property
    def position_m(self) -> Floats:
        """(N, 2) of the device, NaN where it is not valid."""
        return np.array([(fix.x_m, fix.y_m) if fix.valid else (np.nan, np.nan) for fix in self.fixes])

    @property
    def apart_m(self) -> float:
        """The largest distance between device and reference; infinite when they do not start together."""
        device = self.position_m
        if not np.array_equal(np.isnan(device), np.isnan(self.reference_m)):
            return float("inf")
        return float(np.nanmax(np.hypot(*(device - self.reference_m).T), initial=0.0))

    @property
    def rmse_m(self) -> float:
        """Of the device against the truth."""
        errors = np.hypot(*(self.position_m - self.truth_m).T)
        return float(np.sqrt(np.nanmean(errors**2)))


def run_walk(
    client: FusionClient, walk: Walk, student: IntegerStudent, settings: FilterSettings, seconds: float = np.inf
) -> WalkOutcome:
    """Send the first seconds of a walk to a device that has this student, these settings and the walk's anchors."""
    epochs = int(np.searchsorted(walk.time_s, seconds, side="right"))
    client.walk(K_DEFAULT, walk.start_heading)
    fixes, sent = [], 0
    for time, ranges in zip(walk.time_s[:epochs], walk.ranges_m[:epochs], strict=True):
        if walk.imu is not None:
            until = int(np.searchsorted(walk.imu.time_s, time, side="right"))
            client.imu(walk.imu.time_s[sent:until], walk.imu.acceleration[sent:until], walk.imu.rate[sent:until])
            sent = until
        fixes.append(client.ranges(time, ranges))
    batch = prepare([walk])
    track = run(batch, settings, make_rule(settings, student, 1))
    reference = np.where(track.valid[0][:, None], track.position_m[0], np.nan)
    return WalkOutcome(tuple(fixes), reference[:epochs], walk.truth_m[:epochs])


@dataclass(frozen=True)
class Cost:
    """Modelled cycles of one kind of call."""

    mean: int
    most: int


def costs_by_entry(runs: list[RunCost]) -> dict[str, Cost]:
    """Cycles of `tl_fusion_imu` and `tl_fusion_ranges` over the measured runs, with wait states where modelled."""
    found: dict[str, list[int]] = {}
    for one in runs:
        entry = next(iter(one.folded)).split(";")[0]
        found.setdefault(entry, []).append(one.waited_cycles)
    return {entry: Cost(round(float(np.mean(cycles))), max(cycles)) for entry, cycles in found.items()}
