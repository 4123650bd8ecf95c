"""A fusion filter at work on the emulated board: UWB fixes, dead reckoning and the fused path of a walk."""

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluation.energy import energy
from tinyloc.device.fusion.fusion_client import Fix, FusionClient
from tinyloc.device.link.transport import LinkError
from tinyloc.survey.fusion_walks import PlayedWalk
from tinyloc.survey.plan import Beacon, Plan
from tinyloc.training.fusion.filters.batch import prepare
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
MARGIN_M = 0.5
SHOWN_SHARE = 0.98
"""Of the fixes: the farthest lie outside the picture."""


class LiveFusion:
    """Sends a walk to the device at its own pace. `speed`: 1 is real time, 0 as fast as possible."""

    def __init__(self, played: PlayedWalk, device: EmulatedDevice, board: Board, speed: float = 1.0) -> None:
        self.played, self.board, self.speed = played, board, speed
        self.walk = walk = played.walk
        self._device, self._client = device, FusionClient(device)
        self._client.hello()
        batch = prepare([walk], played.k)
        self._fix_m, self._fixed = batch.fix_m[0], batch.fixed[0]
        self._dead = None if walk.imu is None else dead_reckoning(batch.velocity_mps[0], walk, self._start())
        first = [walk.time_s[0], *([] if walk.imu is None else [walk.imu.time_s[0]])]
        self._zero_s = min(0.0, float(min(first)))
        """The device's clock begins with the earlier of both sensors, and counts from 0."""
        self.fixes: list[Fix] = []
        self.problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="walk", daemon=True)
        self._thread.start()

    def plan(self) -> Plan:
        """The anchors."""
        places = zip(self.played.anchor_names, self.walk.anchors_m.tolist(), strict=True)
        return Plan(beacons=[Beacon(id=name, x=x, y=y) for name, (x, y) in places])

    def wait(self, seconds: float) -> None:
        """For tests: until the walk ends."""
        self._thread.join(timeout=seconds)

    def _start(self) -> Floats:
        """Where dead reckoning begins: the first known place, else the first fix, else the middle of the anchors."""
        known, fixed = self._known(self.walk.truth_m), self._fix_m[self._fixed]
        places = [*self.walk.truth_m[known][:1], *fixed[:1], self.walk.anchors_m.mean(axis=0)]
        return np.asarray(places[0], np.float64)

    @staticmethod
    def _known(places: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isfinite(places).all(axis=1))

    def _work(self) -> None:
        walk, sent = self.walk, 0
        began = time.monotonic()
        try:
            self._client.walk(self.played.k, walk.start_heading)
            for at, ranges in zip(walk.time_s, walk.ranges_m, strict=True):
                left = (at - walk.time_s[0]) / self.speed - (time.monotonic() - began) if self.speed else 0.0
                if self._stop.wait(max(0.0, left)):
                    return
                if walk.imu is not None:
                    until = int(np.searchsorted(walk.imu.time_s, at, side="right"))
                    rows = slice(sent, until)
                    self._device.measure = False  # only what the page shows is measured: modelling costs time
                    times = walk.imu.time_s[rows] - self._zero_s
                    self._client.imu(times, walk.imu.acceleration[rows], walk.imu.rate[rows])
                    sent = until
                self._device.measure = True
                self._device.runs.clear()
                self.fixes.append(self._client.ranges(float(at - self._zero_s), ranges))
        except (LinkError, EmulatorCrash) as error:
            self.problem = str(error)

    def about(self) -> dict[str, Any]:
        """What is shown, and whether it is real or simulated."""
        if self._dead is None:
            between = "Between fixes the filter predicts a constant velocity: there is no dead reckoning to draw."
        else:
            between = "Orange line: dead reckoning alone, from where the walk begins."
        truth = " Green: truth." if self._known(self.walk.truth_m).any() else ""
        return {
            "name": self.walk.name,
            "title": "About this walk",
            "lines": [
                *self.played.lines,
                f"The filter runs on the emulated {self.board.title}; cycles are modelled.",
                f"Pink: fused path of the device. Orange dots: UWB fixes. {between}{truth}",
            ],
            "path": [],
            "walk": True,
            "extent": self._extent(),
        }

    def _extent(self) -> list[list[float]]:
        """Two corners around anchors, truth and nearly all fixes."""
        fixes = self._fix_m[self._fixed]
        if len(fixes):
            away = np.linalg.norm(fixes - np.median(fixes, axis=0), axis=1)
            fixes = fixes[away <= np.quantile(away, SHOWN_SHARE)]
        shown = np.concatenate([self.walk.anchors_m, self.walk.truth_m[self._known(self.walk.truth_m)], fixes])
        return [(shown.min(axis=0) - MARGIN_M).round(2).tolist(), (shown.max(axis=0) + MARGIN_M).round(2).tolist()]

    def snapshot(self) -> dict[str, Any]:
        """What the page shows now."""
        done = list(self.fixes)
        count, epochs = len(done), len(self.walk.time_s)
        note = f"the walk ended after {epochs} epochs" if count == epochs else f"{count} of {epochs} epochs"
        shown: dict[str, Any] = {
            "heading": "Fused position", "places": True, "classes": [], "problem": self.problem, "unknown": False,
            "rooms": [], "tiles": [], "dot": None, "room": "…", "note": note, "truth": "", "trail": [],
        }  # fmt: skip
        if not count:
            return shown
        last = done[-1]
        truth, fixed = self.walk.truth_m[:count], self._fixed[:count]
        fixes = np.where(fixed[:, None], self._fix_m[:count], np.nan)
        fused = np.array([(one.x_m, one.y_m) if one.valid else (np.nan, np.nan) for one in done])
        lines = {"truth": truth, "fixes": fixes} | ({} if self._dead is None else {"dead": self._dead[:count]})
        shown["lines"] = {name: places[self._known(places)].round(2).tolist() for name, places in lines.items()}
        shown["trail"] = fused[self._known(fused)].round(2).tolist()
        if self._known(truth).any():
            compared = {"fused": fused, "UWB fixes": fixes}
            compared |= {} if self._dead is None else {"dead reckoning": self._dead[:count]}
            shown["truth"] = "RMSE so far: " + ", ".join(f"{name} {_rmse(it, truth)}" for name, it in compared.items())
        spent = energy(self.board, last.cycles)
        shown["tiles"] = [
            {"name": "cycles", "value": f"{last.cycles:,}"},
            {"name": "latency", "value": f"{1e3 * last.cycles / self.board.clock.hz:.2f} ms"},
            {"name": "energy", "value": "–" if spent is None else f"{spent.microjoule:.1f} µJ"},
            {"name": "stack", "value": f"{last.stack_high_water} B"},
        ]
        if not last.valid:
            return {**shown, "unknown": True}
        spread = float(np.sqrt(last.xx_m2 + last.yy_m2))
        shown["dot"] = {"x": round(last.x_m, 2), "y": round(last.y_m, 2), "floor": 0, "spread": round(spread, 2)}
        shown["room"] = f"{last.x_m:.2f}, {last.y_m:.2f} m"
        if self._known(truth)[-1]:
            off = float(np.hypot(last.x_m - truth[-1, 0], last.y_m - truth[-1, 1]))
            shown["note"] = f"{off:.2f} m from the truth; {note}"
        return shown

    def truth(self, room: str | None, x: float | None, y: float | None, floor: int) -> None:
        """The truth of a walk is in its recording."""

    def close(self) -> None:
        """Stop the walk."""
        self._stop.set()
        self._thread.join(timeout=5.0)


def dead_reckoning(velocity_mps: Floats, walk: Walk, start_m: Floats) -> Floats:
    """(N, 2) path of the steps alone, in metres."""
    step = np.diff(walk.time_s, prepend=walk.time_s[0])[:, None]
    return np.asarray(start_m + np.cumsum(velocity_mps[: len(step)] * step, axis=0))


def _rmse(position: Floats, truth: Floats) -> str:
    squares = ((position - truth) ** 2).sum(axis=1)
    known = squares[~np.isnan(squares)]
    return f"{float(np.sqrt(known.mean())):.2f} m" if len(known) else "–"
