"""A fusion filter at work on the emulated board: UWB fixes, dead reckoning and the fused path of a simulated walk."""

import threading
import time
from typing import Any

import numpy as np

from tinyloc.boards import Board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluation.energy import energy
from tinyloc.device.fusion.fusion_client import Fix, FusionClient
from tinyloc.device.link.transport import LinkError
from tinyloc.survey.plan import Beacon, Plan
from tinyloc.training.fusion.filters.batch import K_DEFAULT, prepare
from tinyloc.training.fusion.simulation.simulate import Walk


class LiveFusion:
    """Sends a walk to the device at its own pace. `speed`: 1 is real time, 0 as fast as possible."""

    def __init__(self, walk: Walk, device: EmulatedDevice, board: Board, title: str, speed: float = 1.0) -> None:
        self.walk, self.board, self.title, self.speed = walk, board, title, speed
        self._device, self._client = device, FusionClient(device)
        self._client.hello()
        batch = prepare([walk])
        step = np.diff(walk.time_s, prepend=walk.time_s[0])[:, None]
        self._dead = walk.truth_m[0] + np.cumsum(batch.velocity_mps[0][: len(step)] * step, axis=0)
        self._fix_m, self._fixed = batch.fix_m[0], batch.fixed[0]
        self.fixes: list[Fix] = []
        self.problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="walk", daemon=True)
        self._thread.start()

    def plan(self) -> Plan:
        """The anchors."""
        places = self.walk.anchors_m.tolist()
        return Plan(beacons=[Beacon(id=f"anchor {n}", x=x, y=y) for n, (x, y) in enumerate(places, start=1)])

    def wait(self, seconds: float) -> None:
        """For tests: until the walk ends."""
        self._thread.join(timeout=seconds)

    def _work(self) -> None:
        walk, sent = self.walk, 0
        began = time.monotonic()
        try:
            self._client.walk(K_DEFAULT, walk.start_heading)
            for at, ranges in zip(walk.time_s, walk.ranges_m, strict=True):
                left = (at - walk.time_s[0]) / self.speed - (time.monotonic() - began) if self.speed else 0.0
                if self._stop.wait(max(0.0, left)):
                    return
                if walk.imu is not None:
                    until = int(np.searchsorted(walk.imu.time_s, at, side="right"))
                    rows = slice(sent, until)
                    self._device.measure = False  # only what the page shows is measured: modelling costs time
                    self._client.imu(walk.imu.time_s[rows], walk.imu.acceleration[rows], walk.imu.rate[rows])
                    sent = until
                self._device.measure = True
                self._device.runs.clear()
                self.fixes.append(self._client.ranges(float(at), ranges))
        except (LinkError, EmulatorCrash) as error:
            self.problem = str(error)

    def about(self) -> dict[str, Any]:
        """What is shown, and that it is simulated."""
        return {
            "name": self.walk.name,
            "title": "About this walk",
            "lines": [
                f"{self.title}. The walk, its ranges and its inertial readings are simulated.",
                f"The filter runs on the emulated {self.board.title}; cycles are modelled.",
                "Pink: fused path of the device. Orange dots: UWB fixes. Orange line: dead reckoning from the true "
                "start. Green: truth.",
            ],
            "path": [],
        }

    def snapshot(self) -> dict[str, Any]:
        """What the page shows now."""
        done = list(self.fixes)
        count = len(done)
        shown: dict[str, Any] = {
            "classes": [], "problem": self.problem, "unknown": False, "rooms": [], "tiles": [], "dot": None,
            "room": "…", "note": f"{count} of {len(self.walk.time_s)} epochs", "truth": "", "trail": [],
        }  # fmt: skip
        if not count:
            return shown
        last = done[-1]
        truth, dead = self.walk.truth_m[:count], self._dead[:count]
        fused = np.array([(one.x_m, one.y_m) if one.valid else (np.nan, np.nan) for one in done])
        shown["lines"] = {
            "truth": truth.round(2).tolist(), "dead": dead.round(2).tolist(),
            "fixes": self._fix_m[:count][self._fixed[:count]].round(2).tolist(),
        }  # fmt: skip
        known = ~np.isnan(fused[:, 0])
        shown["trail"] = fused[known].round(2).tolist()
        shown["truth"] = f"RMSE so far: fused {_rmse(fused, truth)}, dead reckoning {_rmse(dead, truth)}"
        spent = energy(self.board, last.cycles)
        shown["tiles"] = [
            {"name": "cycles", "value": f"{last.cycles:,}"},
            {"name": "latency", "value": f"{1e3 * last.cycles / self.board.clock.hz:.2f} ms"},
            {"name": "energy", "value": "–" if spent is None else f"{spent.microjoule:.1f} µJ"},
            {"name": "stack", "value": f"{last.stack_high_water} B"},
        ]
        if last.valid:
            spread = float(np.sqrt(last.xx_m2 + last.yy_m2))
            shown["dot"] = {"x": round(last.x_m, 2), "y": round(last.y_m, 2), "floor": 0, "spread": round(spread, 2)}
            off = float(np.hypot(last.x_m - truth[-1, 0], last.y_m - truth[-1, 1]))
            shown["room"] = f"{off:.2f} m off"
        else:
            shown["unknown"] = True
        return shown

    def truth(self, room: str | None, x: float | None, y: float | None, floor: int) -> None:
        """The truth of a simulated walk is known."""

    def close(self) -> None:
        """Stop the walk."""
        self._stop.set()
        self._thread.join(timeout=5.0)


def _rmse(position: Any, truth: Any) -> str:
    squares = ((position - truth) ** 2).sum(axis=1)
    known = squares[~np.isnan(squares)]
    return f"{float(np.sqrt(known.mean())):.2f} m" if len(known) else "–"
