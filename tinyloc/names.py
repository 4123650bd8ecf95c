"""What names and lines of text from files may hold. They are checked here, where they enter.

Where they leave they are escaped all the same: in C by codegen/c_text.py, in HTML by Jinja, in XML, Markdown and on the
terminal by tinyloc/escape.py and `printable`.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_NAME = 100
LONGEST_LINE = 500

_FILE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TWO_WAYS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: a reader and a compiler would see different texts."""
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of surrogate pairs, ends of lines and paragraphs."""


def file_name(text: str) -> str:
    """Give back a name that is safe as a file's or directory's name, in a command and in C text. Raises ValueError."""
    if len(text) > LONGEST_NAME or not _FILE_NAME.fullmatch(text):
        raise ValueError(
            f"{printable(text)!r} cannot be a name: use at most {LONGEST_NAME} letters (a-z), digits, '.', '_', '-', "
            "beginning with a letter or digit, not ending in '.'"
        )
    return text


def symbol(text: str) -> str:
    """Give back a name that C and the linker take as an identifier. Raises ValueError."""
    if len(text) > LONGEST_NAME or not _SYMBOL.fullmatch(text):
        raise ValueError(
            f"{printable(text)!r} cannot be a symbol: use at most {LONGEST_NAME} letters (a-z), digits and '_', "
            "beginning with a letter"
        )
    return text


def line_of_text(text: str) -> str:
    """Give back one line of text in any script, without control characters. Raises ValueError."""
    if not text.strip():
        raise ValueError("is blank; give it a text")
    if len(text) > LONGEST_LINE:
        raise ValueError(f"has {len(text):,} characters; at most {LONGEST_LINE} are allowed")
    for place, character in enumerate(text, 1):
        if character in _TWO_WAYS or unicodedata.category(character) in _REFUSED:
            raise ValueError(
                f"{printable(text)!r} holds the control character U+{ord(character):04X} at place {place}; remove it"
            )
    return text


def printable(text: str, longest: int = 80) -> str:
    """The text for a message: what no terminal prints is written as its code, a long text is cut."""
    shown = "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."


def repeated(names: Iterable[str]) -> list[str]:
    """Names that stand more than once, each once, in the order of their first repetition."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)


FileName = Annotated[str, AfterValidator(file_name)]
"""A name of a bundle, run, board, recipe: a file may be called so."""
Symbol = Annotated[str, AfterValidator(symbol)]
"""A name that becomes an identifier of C or of a linker script."""
Line = Annotated[str, AfterValidator(line_of_text)]
"""One line that people read: a class, an access point, a title."""
OptionalLine = Annotated[str, AfterValidator(lambda text: line_of_text(text) if text else text)]
"""The same, or empty."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A digest as hexadecimal digits."""
