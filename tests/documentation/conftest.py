"""A shell in which the pages' commands run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Shell = Callable[[str, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Run lines in bash, stopping at the first error; `tinyloc` is this checkout's."""
    programs = tmp_path_factory.mktemp("bin")
    for name, command in (("tinyloc", f"{sys.executable} -m tinyloc"), ("python", sys.executable)):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(lines: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-e", "-c", lines], cwd=folder, capture_output=True, text=True, env=environment, timeout=1800
        )

    return run
