"""Skipped tests are counted by reason at the end of a run."""

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_needs_a_compiler(number):
    pytest.skip("needs arm-none-eabi-gcc")

@pytest.mark.skipif(True, reason="no Chromium here")
def test_page():
    raise AssertionError

def test_passes():
    pass
"""


def test_skips_are_counted_by_reason(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command += ["-c", str(repository / "pyproject.toml"), "--confcutdir", str(repository / "tests")]
    command += ["-p", "conftest", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository / "tests"), str(repository)])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    end = done.stdout[done.stdout.index("4 not tested, by reason") :].splitlines()
    assert [line.split(maxsplit=1) for line in end[1:3]] == [
        ["3", "needs arm-none-eabi-gcc"],
        ["1", "no Chromium here"],
    ]
