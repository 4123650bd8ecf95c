"""Fenced blocks of a Markdown page, as the tests execute them."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"^(?:<!-- test: (?P<mark>[a-z0-9 ]+) -->\n)?"
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str
    title: str | None
    """Name of the file that the page asks the reader to write."""
    slow: bool
    exit_code: int


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in order. `<!-- test: slow -->` or `<!-- test: exit N -->` above a block marks it."""
    found = []
    for match in _FENCE.finditer(page.read_text()):
        mark = match["mark"] or ""
        code = int(mark.removeprefix("exit ")) if mark.startswith("exit ") else 0
        found.append(Block(match["language"], match["text"], match["title"], mark == "slow", code))
    return found
