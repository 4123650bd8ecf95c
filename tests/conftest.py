"""Fixtures that several areas share."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.libraries import MISSING

pytest_plugins = ["tests.needs_extras"]

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


@pytest.fixture(autouse=True)
def _no_boards_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYLOC_BOARDS", raising=False)


def skips_by_reason(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Reasons of skipped tests and how many tests each skipped, the most frequent first."""
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count skipped tests by reason: a skip is one letter in the output, and easily overlooked."""
    skipped = terminalreporter.stats.get("skipped", [])
    found = skips_by_reason(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    if found:
        total = sum(count for _, count in found)
        terminalreporter.section(f"{total} not tested, by reason", yellow=True)
        for reason, count in found:
            terminalreporter.write_line(f"{count:5d}  {reason}")
        if any(MISSING in reason for reason, _ in found):
            terminalreporter.write_line("docs/reference/backends.md describes how to provide the missing libraries.")
