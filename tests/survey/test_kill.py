"""A recorder that is killed at any moment loses at most the reading in flight, and its session is resumed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinyloc.survey.session import READINGS, read_session


def record_until_killed(folder: Path, session: str, seconds: float) -> tuple[str, int]:
    """Run a recorder, kill -9 it after some time; the session and the last reading that it acknowledged."""
    command = [sys.executable, "-m", "tests.survey.kill_target", str(folder), session]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline().split()
    assert ready[0] == "ready"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().splitlines()
    process.stdout.close()
    process.wait()
    whole = [int(line) for line in said if line.isdigit()]
    return ready[1], whole[-1] if whole and said[-1].isdigit() else (whole[-1] if whole else 0)


def check_kills(folder: Path, times: int, seed: int) -> None:
    generator = random.Random(seed)
    session, before = "-", 0
    for number in range(times):
        if number % 10 == 0:  # a session that grows makes each start slower
            session, before = "-", 0
        session, shown = record_until_killed(folder, session, generator.uniform(0.0, 0.03))
        found = read_session(folder / "sessions" / session)
        kept = [int(reading.id.split()[1]) for reading in found.readings]
        assert kept == list(range(len(kept))), "a reading is missing or twice"
        assert found.cut_lines == 0
        assert max(before, shown) <= len(kept)
        before = len(kept)
    assert before > 0


def test_a_killed_recorder_loses_nothing_that_it_showed(tmp_path: Path) -> None:
    check_kills(tmp_path, 3, seed=1)


@pytest.mark.slow
def test_a_recorder_killed_at_100_random_moments_loses_nothing_that_it_showed(tmp_path: Path) -> None:
    check_kills(tmp_path, 100, seed=2)


def test_a_line_that_a_crash_cut_is_dropped_and_the_session_goes_on(tmp_path: Path) -> None:
    session, _ = record_until_killed(tmp_path, "-", 0.01)
    path = tmp_path / "sessions" / session / READINGS
    whole = path.read_bytes()
    path.write_bytes(whole + b"12.3,beacon 99")
    again, shown = record_until_killed(tmp_path, session, 0.01)
    kept = read_session(tmp_path / "sessions" / again).readings
    assert again == session and shown > 0
    assert path.read_bytes().startswith(whole)
    assert [int(one.id.split()[1]) for one in kept] == list(range(len(kept)))
