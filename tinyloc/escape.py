"""Text of users in XML and Markdown. Jinja escapes HTML, codegen/c_text.py C."""

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKS = re.compile(r"([\\`*_\[\]<>|#~!&$])")


def xml_text(text: str) -> str:
    """The text with U+FFFD for what XML 1.0 cannot hold, such as control characters; ElementTree escapes tags."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown_text(text: str) -> str:
    """The text as Markdown that shows it letter by letter, on one line: no table cell, link or tag begins or ends."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
