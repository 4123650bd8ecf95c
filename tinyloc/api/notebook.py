"""Objects as a small table of HTML, for notebooks."""

from collections.abc import Iterable
from html import escape


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A titled table of names and values; everything is escaped."""
    left = "style='text-align:left'"
    lines = [
        f"<tr><th {left}>{escape(str(name))}</th><td {left}>{escape(str(value))}</td></tr>" for name, value in rows
    ]
    return f"<table><caption {left}><b>{escape(title)}</b></caption>{''.join(lines)}</table>"
