"""Recordings of a simulated home: two or three rooms with a beacon each. The data are simulated."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.survey.fakes import Clock
from tinyloc.survey.plan import Plan, PlanRoom
from tinyloc.survey.project import Project
from tinyloc.survey.readings import Reading
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.session import About

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


def taps(number: int) -> Iterator[tuple[float, float, float]]:
    """(time_s, x, y) of taps of one round through 9 m x 6 m, along rows; the second round begins at the other end."""
    points = [(x, y) for y in (1.0, 3.0, 5.0) for x in (1.0, 3.0, 5.0, 7.0, 8.5)]
    for step, (x, y) in enumerate(points if number % 2 == 0 else points[::-1]):
        yield 8.0 * step, x, y


def walked(tmp_path: Path, rounds: list[tuple[str, str]], path: bool) -> Project:
    """A project in which each round tapped the plan: standing at points, or along a path. Levels are simulated."""
    rooms = [
        PlanRoom(name=name, outline=[(x, 0), (x + 4.5, 0), (x + 4.5, 6), (x, 6)]) for name, x in (("w", 0), ("e", 4.5))
    ]
    clock, generator = Clock(), np.random.default_rng(1)
    recorder = Recorder(Project(tmp_path / "home", plan=Plan(rooms=rooms)), clock)
    for number, (person, day) in enumerate(rounds):
        recorder.start_session(About(person=person, device="band", day=day))
        for _, x, y in taps(number):
            recorder.mark(x=x, y=y, step=path)
            for _ in range(16):
                clock.now += 0.5
                for beacon, (u, v) in enumerate(((0, 0), (9, 0), (4.5, 6), (0, 6))):
                    level = -45 - 4 * np.hypot(x - u, y - v) + generator.normal(0, 2)
                    recorder.take(Reading(None, f"c0:00:00:00:00:0{beacon}", round(float(level))))
        recorder.end_session()
    recorder.close()
    return recorder.project
