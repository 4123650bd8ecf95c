"""What the recorder bears: 50 beacons at 10 Hz, with a page open.

`python -m tests.bench.survey [--minutes 60] [--seconds 60]` records that much data as fast as it goes, then so many
seconds in real time, and prints the figures. Readings are made up; times are of this machine, for information.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from websockets.sync.client import connect

from tests.survey.desks import survey_page
from tinyloc.survey.readings import Reading
from tinyloc.survey.session import READINGS, About
from tinyloc.survey.state import Desk

BEACONS, HZ = 50, 10


@dataclass(frozen=True)
class Part:
    """Figures of one part."""

    readings: int
    on_disk: int
    lost: int
    wall_s: float
    disk_ms_most: float
    """The longest time from a reading's arrival to its line in the file."""
    page_ms_median: float
    page_ms_99th: float
    page_ms_most: float
    page_later_than_300_ms: int
    """From a reading's arrival to the message that shows it, at the page's end of the socket."""
    memory_mb: list[float]
    """Resident memory of the process at five moments, evenly spread."""


class Made:
    """A source of made-up readings, all beacons ten times a second."""

    name = "made"

    def __init__(self, seconds: float, real_time: bool) -> None:
        self.seconds, self.real_time = seconds, real_time
        self.arrived = array("d")  # 8 bytes each: the bench's own memory must not hide the recorder's
        self.memory: list[float] = []

    def run(self, sink, stop: threading.Event) -> None:
        generator = np.random.default_rng(1)
        steps = int(self.seconds * HZ)
        began = time.monotonic()
        for step in range(steps):
            if self.real_time and stop.wait(max(0.0, step / HZ - (time.monotonic() - began))):
                return
            if step % 600 == 0:
                sink.mark(room=f"room {step // 600 % 4}")
            if step % max(1, steps // 5) == 0:
                self.memory.append(resident_mb())
            for beacon, level in enumerate(generator.integers(-95, -50, BEACONS).tolist()):
                if self.real_time:
                    self.arrived.append(time.monotonic())
                sink.take(Reading(step / HZ, f"c0:00:00:00:00:{beacon:02x}", level, self.name))


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def watch(address: str, seen: list[tuple[float, int]], stop: threading.Event) -> None:
    """A page: when which number of readings was shown."""
    origin = f"http://{urlsplit(address).netloc}"
    with connect(address.replace("http", "ws", 1) + "socket", origin=origin, max_size=None) as socket:
        while not stop.is_set():
            content = json.loads(socket.recv(timeout=30))
            if content["kind"] == "now" and content["session"]:
                seen.append((time.monotonic(), content["session"]["readings"]))


def measure(desk: Desk, address: str, seconds: float, real_time: bool) -> Part:
    """Record so many seconds of data, with a page open."""
    seen: list[tuple[float, int]] = []
    stop = threading.Event()
    page = threading.Thread(target=watch, args=(address, seen, stop), daemon=True)
    page.start()
    source = Made(seconds, real_time)
    desk.recorder.counts.latest_s = 0.0
    before = desk.recorder.counts.taken
    name = desk.recorder.start_session(About(person="nobody", device="bench", day="2026-11-30"))
    began = time.monotonic()
    desk.recorder.add_source(source)
    while desk.recorder.busy:
        time.sleep(0.05)
    wall = time.monotonic() - began
    time.sleep(0.5)
    stop.set()
    page.join(timeout=5)
    desk.recorder.end_session()
    desk.recorder.remove_source(source.name)
    with (desk.project.sessions / name / READINGS).open() as file:
        lines = sum(1 for _ in file) - 1
    late = lateness_ms(source.arrived, seen)
    return Part(
        readings=desk.recorder.counts.taken - before,
        on_disk=lines,
        lost=desk.recorder.counts.lost,
        wall_s=round(wall, 1),
        disk_ms_most=round(1e3 * desk.recorder.counts.latest_s, 1),
        page_ms_median=round(float(np.median(late)), 1) if len(late) else 0.0,
        page_ms_99th=round(float(np.percentile(late, 99)), 1) if len(late) else 0.0,
        page_later_than_300_ms=int((late > 300).sum()),
        page_ms_most=round(float(np.max(late)), 1) if len(late) else 0.0,
        memory_mb=[*source.memory, resident_mb()],
    )


def lateness_ms(arrived: Sequence[float], seen: list[tuple[float, int]]) -> np.ndarray:
    """From each arrival to the first message that counts it, ms."""
    if not len(arrived) or not seen:
        return np.zeros(0)
    times, counts = (np.array(values) for values in zip(*seen, strict=True))
    first = np.searchsorted(counts, np.arange(1, len(arrived) + 1))
    known = first < len(times)
    return 1e3 * (times[first[known]] - np.array(arrived)[known])


def main() -> None:
    """Print the figures of both parts."""
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, survey_page(Path(folder) / "home") as (desk, address):
        fast = measure(desk, address, given.minutes * 60, real_time=False)
        print(json.dumps({"as fast as it goes": asdict(fast)}, indent=1), flush=True)
        real = measure(desk, address, given.seconds, real_time=True)
        print(json.dumps({"in real time": asdict(real)}, indent=1))


if __name__ == "__main__":
    main()
