"""Text of files that others wrote: decoded strictly, so that no two names become one."""

import codecs

from tinyloc.training.errors import DataError

UTF_8 = "utf-8"
AGAIN = "download the file of the publisher again"
ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1"),
    *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
    *(f"cp125{page}" for page in range(9)),
    *("cp437", "cp850", "cp852", "cp866", "koi8-r", "koi8-u", "mac-roman"),
    *("gb18030", "gbk", "big5", "shift_jis", "cp932", "euc-jp", "euc-kr"),
)
"""What `encoding` may name. Other codecs of Python are no character sets (hex, zip, rot13) or read escapes."""
_CANONICAL = {codecs.lookup(name).name: name for name in ENCODINGS}
_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SHOWN_BYTES = 12


def known_encoding(name: str) -> str:
    """Return the name in ENCODINGS of a character set. Raises ValueError for one that is not there."""
    try:
        return _CANONICAL[codecs.lookup(name).name]
    except (LookupError, ValueError):
        raise ValueError(f"{name!r} is not a known encoding; known are {', '.join(ENCODINGS)}") from None


def decoded(content: bytes, source: str, encoding: str = UTF_8, cure: str = AGAIN) -> str:
    """Decode a file, with or without a byte-order mark.

    Args:
        content: The bytes of the file.
        source: What the error calls the file.
        encoding: One of ENCODINGS.
        cure: What the error says to do.

    Raises:
        DataError: A byte is not of the encoding; names its line and place.
    """
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = 1 + max(before.count(b"\n"), before.count(b"\r"))
        around = content[max(0, error.start - SHOWN_BYTES) : error.start + SHOWN_BYTES]
        raise DataError(
            f"{source}, line {line}, byte {error.start} of the file: 0x{content[error.start]:02x} is not {encoding} "
            f"(in {around!r}); {cure}"
        ) from error


def likely_encoding(content: bytes) -> str:
    """Guess the character set of text, for a message: a person must confirm it.

    UTF-8 also where some bytes are damaged: text in another character set holds no whole character of UTF-8 beyond
    ASCII but by a rare chance.
    """
    for mark, name in _ORDER_MARKS.items():
        if content.startswith(mark):
            return name
    beyond = {character for character in content.decode(UTF_8, "surrogateescape") if ord(character) >= 0x80}
    if not beyond or any(not 0xDC80 <= ord(character) <= 0xDCFF for character in beyond):
        return UTF_8
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in content) else "latin-1"
