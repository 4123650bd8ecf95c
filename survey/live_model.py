"""A localiser at work: scans go to a board or the emulator over the link, answers come back for the page.

The recorder hands over scans and goes on; the device is asked in a thread of its own.
"""

import queue
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.bundle.combine import combine_readings
from tinyloc.bundle.schema import Arithmetic, Bundle, load_bundle
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.manifest import read_manifest
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluation.energy import energy
from tinyloc.device.evaluation.evaluate import check_device, check_generated
from tinyloc.device.link.client import DeviceClient, DeviceRestarted
from tinyloc.device.link.frames import Result
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.transport import LinkError, Transport
from tinyloc.device.report.record import ReportError, load_evaluation
from tinyloc.device.zoo.models import card_of
from tinyloc.survey.plan import plan_of_site
from tinyloc.survey.room_probabilities import room_probabilities
from tinyloc.survey.scans import Scan
from tinyloc.survey.session import Mark

WAITING = 64
"""Scans that may wait for the device; of more the oldest are left out, and counted."""
BEHIND = 2
"""More scans waiting than this: the emulator runs free, which is several times as fast."""
TRAIL = 60
RECENT = 200
"""Decisions of the running accuracy."""
AGAIN_S = 1.0


@dataclass(frozen=True)
class Answer:
    """What the device made of one scan."""

    result: Result
    share: npt.NDArray[np.float64]
    """(C,) probabilities over the scans that a decision looks at, see room_probabilities."""
    place: tuple[float, float, int] | None
    spread_m: float


class Judge:
    """How often decisions agree with what the person says."""

    def __init__(self) -> None:
        self.right: deque[bool] = deque(maxlen=RECENT)
        self.errors_m: deque[float] = deque(maxlen=RECENT)
        self.unknown = 0

    def add(self, decided: str | None, place: tuple[float, float, int] | None, truth: Mark) -> None:
        """Compare one decision; None is "unknown", which is counted apart."""
        if truth.room is None and truth.x is None:
            return
        if decided is None:
            self.unknown += 1
            return
        if truth.room is not None:
            self.right.append(decided == truth.room)
        if place is not None and truth.x is not None and truth.y is not None:
            self.errors_m.append(float(np.hypot(place[0] - truth.x, place[1] - truth.y)))

    def text(self) -> str:
        """One line for the page; empty while nothing was compared."""
        if not self.right and not self.errors_m and not self.unknown:
            return ""
        told = []
        if self.right:
            right = sum(self.right)
            told.append(f"{right} of {len(self.right)} decisions right ({100 * right / len(self.right):.0f} %)")
        if self.errors_m:
            told.append(f"median error {float(np.median(self.errors_m)):.2f} m of {len(self.errors_m)}")
        if self.unknown:
            told.append(f"{self.unknown} unknown")
        return "; ".join(told)


class LiveModel:
    """Asks a device about every scan. Raises SurveyError, LinkError and others when device and run do not fit."""

    def __init__(
        self,
        run: Path,
        generated: Path,
        board: Board,
        transport: Transport,
        title: str = "",
        link_key: SharedKey | None = None,
    ) -> None:
        self.board, self.title = board, title
        self.bundle: Bundle = load_bundle(run / "bundle")
        manifest = read_manifest(generated)
        arithmetic = check_generated(manifest, self.bundle, generated)
        self.client = DeviceClient(transport, key=link_key)
        check_device(self.client.hello(), manifest, self.bundle, board, transport.name)
        self.client.reset()
        self._emulated = transport if isinstance(transport, EmulatedDevice) else None
        self._scale = score_scale(run / "bundle", arithmetic)
        self._index = {name: number for number, name in enumerate(self.bundle.preprocessing.access_points)}
        self._places = class_places(self.bundle)
        self._are_places = self.bundle.outputs.position == "mean"
        """Whether classes are places, whose mean is the answer, and no rooms."""
        self._plan = plan_of_site(self.bundle.site, self.bundle.preprocessing.access_points)
        self._report = report_lines(run, board, self.bundle, manifest.arithmetic)
        self.answers = 0
        self.skipped = 0
        self.unheard: set[str] = set()
        self.judge = Judge()
        self.trail: deque[tuple[float, float]] = deque(maxlen=TRAIL)
        self.last: Answer | None = None
        window = self.bundle.window
        self._scores: deque[npt.NDArray[np.float64]] = deque(maxlen=window.steps)
        self.decided: str | None = None
        self.unknown = False
        self.problem = ""
        self.cycles = 0
        """Of the last answer that was measured: an emulator that falls behind models no cycles until it caught up."""
        self._queue: queue.Queue[tuple[Scan, Mark] | None] = queue.Queue(WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="device", daemon=True)
        self._thread.start()

    @property
    def scan_s(self) -> float:
        return 1.0 / self.bundle.window.rate_hz

    def on_scan(self, scan: Scan, where: Mark) -> None:
        """Take a scan; called by the recorder, returns at once."""
        while True:
            try:
                self._queue.put_nowait((scan, where))
                return
            except queue.Full:
                try:
                    self._queue.get_nowait()
                    self.skipped += 1
                except queue.Empty:
                    pass

    def readings(self, scan: Scan) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int8]]:
        """A scan as the device takes it, combined as in training."""
        known = [
            (self._index[name], dbm) for name, levels in scan.heard.items() if name in self._index for dbm in levels
        ]
        self.unheard.update(name for name in scan.heard if name not in self._index and len(self.unheard) < 1000)
        if not known:
            return np.zeros(0, np.uint16), np.zeros(0, np.int8)
        column, dbm = (np.array(values) for values in zip(*known, strict=True))
        combined, _ = combine_readings(
            self.bundle.preprocessing.combine, np.zeros(len(column), np.int64), column, dbm.astype(float),
            (1, len(self._index)),
        )  # fmt: skip
        heard = np.flatnonzero(~np.isnan(combined[0]))
        return heard.astype(np.uint16), np.clip(combined[0, heard], -127, 20).astype(np.int8)

    def truth(self, room: str | None, x: float | None, y: float | None, floor: int) -> None:
        """Nothing to do: each scan comes with where the person is."""

    def tell(self, text: str) -> None:
        """Show what happens to the port, until the next answer."""
        self.problem = text

    def close(self) -> None:
        """Stop asking; the port is let go."""
        self._stop.set()
        self.on_scan(Scan(0.0, {}), Mark(time_s=0.0))
        self._thread.join(timeout=5.0)
        self.client.transport.close()

    def wait_idle(self, seconds: float = 10.0) -> None:
        """For tests: until every scan is answered."""
        done = threading.Event()
        deadline = int(seconds / 0.01)
        while self._queue.unfinished_tasks - self.skipped > 0 and deadline:
            done.wait(0.01)
            deadline -= 1

    # --- the device's thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stop.is_set():
            entry = self._queue.get()
            if entry is None or self._stop.is_set():
                return
            try:
                self._ask(*entry)
            except DeviceRestarted as error:
                self._failed(error)
                self._again()
            except (LinkError, EmulatorCrash) as error:
                self._failed(error)
                self._stop.wait(AGAIN_S)
                self._again()
            finally:
                self._queue.task_done()

    def _failed(self, error: Exception) -> None:
        self.problem, self.last, self.decided = str(error), None, None
        self._scores.clear()

    def _again(self) -> None:
        try:
            self.client.hello()
            self.client.reset()
        except (LinkError, EmulatorCrash) as error:
            self.problem = str(error)

    def _ask(self, scan: Scan, where: Mark) -> None:
        modelled = self._queue.qsize() <= BEHIND
        if self._emulated is not None:
            self._emulated.measure = modelled
            self._emulated.runs.clear()
        result = self.client.sample(*self.readings(scan))
        if modelled or self._emulated is None:
            self.cycles = result.cycles
        self.problem = ""
        self.answers += 1
        self._scores.append(np.asarray(result.scores * self._scale, np.float64))
        share = room_probabilities(np.array(self._scores), self.bundle.crf, self.bundle.window.online)
        place, spread = self._place(result, share)
        self.last = Answer(result, share, place, spread)
        if place is not None:
            self.trail.append(place[:2])
        if result.class_index >= 0:
            self.unknown = result.unknown
            self.decided = None if result.unknown else self.bundle.outputs.classes[result.class_index]
            self.judge.add(self.decided, place, where.model_copy(update={"room": None}) if self._are_places else where)

    def _place(self, result: Result, share: npt.NDArray[np.float64]) -> tuple[tuple[float, float, int] | None, float]:
        """Where the dot is, and the standard deviation of the places under the probabilities."""
        known = ~np.isnan(self._places[:, 0])
        weight = np.where(known, share, 0.0)
        if not weight.sum() > 0:
            return None, 0.0
        weight = weight / weight.sum()
        flat = np.nan_to_num(self._places[:, :2])
        middle = weight @ flat
        spread = float(np.sqrt((weight * ((flat - middle) ** 2).sum(axis=1)).sum()))
        best = result.class_index if result.class_index >= 0 else int(share.argmax())
        if result.position_mm is not None:
            middle = np.array(result.position_mm) / 1000.0
        return (
            round(float(middle[0]), 3),
            round(float(middle[1]), 3),
            int(np.nan_to_num(self._places[best, 2])),
        ), spread

    def _where(self, answer: Answer) -> str:
        """The room in which a position lies, else the position."""
        if answer.place is None:
            return "…"
        x, y, floor = answer.place
        room = self._plan.room_at(x, y, floor)
        return f"{room}, {x:.1f}, {y:.1f} m" if room else f"{x:.1f}, {y:.1f} m"

    # --- for the page ------------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """Title, figures of the report."""
        name = self.client.transport.name
        return {
            "name": self.bundle.name,
            "title": "About this model",
            "lines": [
                *([self.title] if self.title else []),
                f"{self.bundle.name} ({self.bundle.architecture}) on {self.board.title}, {name}.",
                *self._report,
                f"Data: {self.bundle.data.title}, licence {self.bundle.data.licence}. {self.bundle.data.citation}",
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """What the page shows now."""
        last, classes = self.last, self.bundle.outputs.classes
        note = []
        if self.bundle.window.steps > 1:
            length, hop = (count * self.scan_s for count in (self.bundle.window.steps, self.bundle.window.hop))
            what = f"{length:g} s ago" if self.bundle.window.online else f"the last {length:g} s"
            note.append(f"decision, bars and dot are of {what}; a decision every {hop:g} s")
        if self.skipped:
            note.append(f"{self.skipped} scans left out: the device is slower than they come")
        if self.unheard:
            note.append(f"{len(self.unheard)} ids that the model does not know")
        shown: dict[str, Any] = {
            "heading": "The model says", "places": self._are_places, "classes": list(classes),
            "problem": self.problem, "room": self.decided, "unknown": self.unknown,
            "note": "; ".join(note), "truth": self.judge.text(), "trail": [list(place) for place in self.trail],
        }  # fmt: skip
        if last is None:
            return {**shown, "rooms": [], "tiles": [], "dot": None}
        order = np.argsort(-last.share)[:8]
        rooms = [{"name": classes[number], "share": round(float(last.share[number]), 4)} for number in order]
        if self._are_places:
            shown["room"], rooms = self._where(last), []
        elif self.decided is not None and last.share.argmax() != classes.index(self.decided):
            shown["note"] += f"; {classes[order[0]]} is as likely"
        spent = energy(self.board, self.cycles)
        tiles = [
            {"name": "cycles", "value": f"{self.cycles:,}"},
            {"name": "latency", "value": f"{1e3 * self.cycles / self.board.clock.hz:.2f} ms"},
            {"name": "energy", "value": "–" if spent is None else f"{spent.microjoule:.2f} µJ"},
            {"name": "stack", "value": f"{last.result.stack_high_water} B"},
            {"name": "heard", "value": str(last.result.heard)},
            {"name": "answers", "value": f"{self.answers:,}"},
        ]
        dot = None
        if last.place is not None:
            dot = {"x": last.place[0], "y": last.place[1], "floor": last.place[2], "spread": round(last.spread_m, 2)}
        return {**shown, "rooms": rooms, "tiles": tiles, "dot": dot}


def score_scale(directory: Path, arithmetic: Arithmetic) -> float:
    """What one unit of the device's scores is in natural logarithms."""
    graph = read_source(directory, arithmetic).graph
    return float(np.float32(graph.tensors[graph.outputs[0]].scale))


def class_places(bundle: Bundle) -> npt.NDArray[np.float64]:
    """(C, 3) x, y in metres and floor of each class: its position, else the middle of its room; NaN where unknown."""
    rooms = {room.name: room for room in bundle.site.rooms}
    found = np.full((len(bundle.outputs.classes), 3), np.nan)
    for number, name in enumerate(bundle.outputs.classes):
        floor = bundle.outputs.floors[number] if bundle.outputs.floors else 0
        if bundle.outputs.positions_m:
            found[number] = [*bundle.outputs.positions_m[number][:2], floor]
        elif name in rooms:
            found[number] = [*rooms[name].middle_m, rooms[name].floor]
    return found


def report_lines(run: Path, board: Board, bundle: Bundle, arithmetic: str) -> list[str]:
    """The figures beside which the live ones stand: of float model, zoo's card and report, where there are such."""
    figures, places = bundle.float_metrics, bundle.outputs.position == "mean"
    told = []
    if places and "error_p50_m" in figures:
        told.append(f"Float model on its test set: {_errors(figures['error_p50_m'], figures['error_p90_m'])}.")
    elif not places and "macro_f1" in figures and "accuracy" in figures:
        told.append(
            f"Float model on its test set: macro F1 {figures['macro_f1']:.3f}, accuracy {figures['accuracy']:.3f}."
        )
    told += card_lines(run, board, places)
    try:
        found = load_evaluation(run / f"evaluation-{board.name}.json")
    except (OSError, ReportError):
        return told
    cycles = f", {found.cycles.median:,.0f} cycles (median, {found.cycles_kind})" if found.cycles else ""
    whose = "golden scans" if found.golden else "test set"
    errors = found.device.errors_m
    quality = _errors(errors["p50"], errors["p90"]) if places and errors else f"accuracy {found.device.accuracy:.3f}"
    return [*told, f"Report, {arithmetic} on {board.name}, {whose}: {quality}{cycles}."]


def card_lines(run: Path, board: Board, places: bool) -> list[str]:
    """What the card of a zoo model says of its integers: quality on the test set, and the cost on the board."""
    card = card_of(run)
    if card is None:
        return []
    quality = f"macro F1 {card.macro_f1:.3f}, accuracy {card.accuracy:.3f}"
    if places and card.errors_m:
        quality = _errors(card.errors_m["p50"], card.errors_m["p90"])
    told = [f"Card of the zoo, {card.arithmetic}, test set of {card.test_samples:,} samples: {quality}."]
    on = card.boards.get(board.name)
    if on is not None:
        told.append(
            f"Card of the zoo, {card.arithmetic} on {board.name}: {on.cycles:,.0f} cycles (modelled) and "
            f"{on.energy_uj:.2f} µJ per answer, {on.flash_bytes:,} B of flash, {on.ram_bytes:,} B of RAM."
        )
    return told


def _errors(median_m: float, p90_m: float) -> str:
    return f"median error {median_m:.2f} m, 90 % within {p90_m:.2f} m"
