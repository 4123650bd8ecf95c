"""Recordings of a simulated home: two or three rooms with a beacon each. The data are simulated."""

import csv
import random
from pathlib import Path

ROOMS = {"hall": (1.0, 1.0), "kitchen": (6.0, 1.0), "bed": (3.0, 6.0)}
BEACONS = {"c0:00:00:00:00:01": (1.0, 1.0), "c0:00:00:00:00:02": (6.0, 1.0), "c0:00:00:00:00:03": (3.0, 6.0)}


def readings(
    minutes: float, seed: int = 1, rooms: tuple[str, ...] = tuple(ROOMS), stay_s: float = 20.0, hz: float = 4.0
):
    """Yield (time_s, id, dBm, room): somebody stays in each room in turn."""
    generator = random.Random(seed)
    steps = int(minutes * 60 * hz)
    for step in range(steps):
        time_s = step / hz
        room = rooms[int(time_s / stay_s) % len(rooms)]
        x, y = (c + generator.uniform(-1, 1) for c in ROOMS[room])
        for name, (bx, by) in BEACONS.items():
            metres = ((x - bx) ** 2 + (y - by) ** 2) ** 0.5
            if generator.random() > 0.1:
                yield time_s, name, round(-50 - 6 * metres + generator.gauss(0, 3)), room


def write_recording(path: Path, minutes: float = 3.0, seed: int = 1, labelled: bool = True, **more) -> Path:
    """A long CSV of `readings`, with or without the room."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["time", "id", "dBm", *(["room"] if labelled else [])])
        for time_s, name, dbm, room in readings(minutes, seed, **more):
            table.writerow([f"{time_s:.3f}", name, dbm, *([room] if labelled else [])])
    return path
