"""What users read keeps to the habits of docs/contributing: verb phrases, "per", no headless phrases."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tinyloc.test_cli_help import COMMANDS

DROPPED = (
    r"\bso too\b",
    r"\b(is|are|was|were) told\b",
    r"\b(it|which|that) tells\b",
    r"\bhold to\b",
    r"\bgoes? on (where|at)\b",
    r"\b(cycles|MACs|bytes|samples|energy|time|scale|scans?|µJ) an? (sample|second|inference|layer|channel|row|run)\b",
    r"\bexport it apart\b",
    r"\bthere is no such part\b",
    r"\bfound wanting\b",
)
"""Phrases that words of the field replace."""


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts of a file without its docstrings."""
    docs = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(getattr(node, "body", None), list)
        for statement in node.body  # type: ignore[attr-defined]
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) not in docs and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_message_has_a_phrase_that_was_dropped(repository: Path) -> None:
    found = []
    for path in sorted((repository / "tinyloc").rglob("*.py")) + [
        path
        for part in ("boards", "codegen", "device", "export", "study", "training")
        for path in sorted((repository / part).rglob("*.py"))
    ]:
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8"))):
            found += [f"{path}:{line}: {text}" for phrase in DROPPED if re.search(phrase, text)]
    assert not found, "\n".join(found)


def test_no_page_of_the_docs_has_a_phrase_that_was_dropped(repository: Path) -> None:
    pages = [*sorted((repository / "docs").rglob("*.md")), *sorted(repository.glob("*.md"))]
    found = []
    for page in pages:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{page}:{number}: {line}" for phrase in DROPPED if re.search(phrase, line)]
    assert len(pages) > 20 and not found, "\n".join(found)


def test_no_page_of_a_report_has_a_phrase_that_was_dropped(repository: Path) -> None:
    pages = sorted((repository / "device" / "report" / "templates").glob("*.j2"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert len(pages) >= 8 and not [phrase for phrase in DROPPED if re.search(phrase, text)]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_begins_with_a_capital_and_names_no_default_as_without(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    texts = [command.help, *(parameter.help for parameter in command.params)]
    for text in texts:
        assert text[0].isupper() or text.startswith("budget:"), text
        assert "without it" not in text and text.rstrip().endswith((".", ")")), text
