"""Fixtures that several areas share."""

import os
from pathlib import Path

import pytest

from tests.libraries import MISSING

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return REPOSITORY


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of commands is compared as text: no colours, no wrapping at the width of somebody's window."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    os.environ.pop("FORCE_COLOR", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not tested because a library is missing: a skip is one letter, and easily overlooked."""
    skipped = terminalreporter.stats.get("skipped", [])
    told = [(report.nodeid, report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)]
    missing = sorted((reason.split(MISSING, 1)[1], test) for test, reason in told if MISSING in reason)
    if missing:
        terminalreporter.section("NOT TESTED: a library is missing; docs/backends.md says which", yellow=True)
        for reason, test in missing:
            terminalreporter.write_line(f"{test}: {reason}")
