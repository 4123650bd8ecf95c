"""One reading of one radio, and the lines `time,id,dBm` in which serial ports and files carry it."""

import math
from dataclasses import dataclass

from tinyloc.names import line_of_text, printable

LONGEST_LINE = 200
LONGEST_ID = 64
WEAKEST_DBM, STRONGEST_DBM = -127, 20
LATEST_S = 1e11
"""Of a time: the year 5138."""
HEADER = "time,id,dBm"


class LineError(ValueError):
    """A line that is no reading; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A radio heard another one."""

    time_s: float | None
    """By the source's own clock, from any zero. None: when it arrives."""
    id: str
    dbm: int
    source: str = ""


def check_id(text: str) -> str:
    """Give back the id of a beacon. Raises LineError."""
    if len(text) > LONGEST_ID or "," in text or '"' in text:
        raise LineError(f"{printable(text, 20)!r} is no id: at most {LONGEST_ID} characters, no comma, no quote")
    try:
        return line_of_text(text)
    except ValueError as error:
        raise LineError(f"the id {error}") from error


def check_dbm(text: str) -> int:
    """Read a level as whole dBm. Raises LineError."""
    try:
        level = float(text)
    except ValueError:
        raise LineError(f"{printable(text, 20)!r} is no number of dBm") from None
    if not WEAKEST_DBM <= level <= STRONGEST_DBM:
        raise LineError(f"{level:g} dBm; readings must be {WEAKEST_DBM} to {STRONGEST_DBM}")
    return round(level)


def check_time(text: str) -> float | None:
    """Read a time in seconds; an empty cell is None. Raises LineError."""
    if not text:
        return None
    try:
        time_s = float(text)
    except ValueError:
        raise LineError(f"{printable(text, 20)!r} is no time in seconds") from None
    if not math.isfinite(time_s) or not 0 <= time_s < LATEST_S:
        raise LineError(f"a time of {time_s:g} s; it must be 0 to {LATEST_S:g}")
    return time_s


def parse_line(line: str, source: str = "") -> Reading | None:
    """Read one line.

    Args:
        line: `time,id,dBm`; further cells are ignored.
        source: Name of the source that it came from.

    Returns:
        The reading; None for a blank line, a comment (`#`), the header, and an empty level (not heard).

    Raises:
        LineError: The line is none of these.
    """
    text = line.strip()
    if not text or text.startswith("#") or text.lower().replace(" ", "").startswith(HEADER.lower()):
        return None
    if len(text) > LONGEST_LINE:
        raise LineError(f"a line of {len(text)} characters; at most {LONGEST_LINE}")
    cells = [cell.strip() for cell in text.split(",")]
    if len(cells) < 3:
        raise LineError(f"{printable(text, 30)!r} is not {HEADER}")
    if not cells[2]:
        return None
    return Reading(check_time(cells[0]), check_id(cells[1]), check_dbm(cells[2]), source)


def format_line(time_s: float, reading: Reading) -> str:
    """The line of a log: time, id, dBm, source, newline."""
    return f"{time_s:.3f},{reading.id},{reading.dbm},{reading.source}\n"
