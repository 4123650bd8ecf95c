"""Tables of text with named columns: rows of cells, read so that nothing is dropped or merged in silence."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tinyloc.errors import counted
from tinyloc.training.data.files import Floats, some
from tinyloc.training.data.text import AGAIN, decoded
from tinyloc.training.errors import DataError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LONGEST_CELL = 1000
"""Characters; a longer cell is a quote that nobody closed, or another kind of file."""
MOST_CELLS = 100_000_000
"""About 1 GB of memory; 1,000,000 rows of 100 columns."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    delimiter: str = ","
    decimal: str = "."
    header: bool = True
    """False: columns are called 1, 2, 3, ..."""


@dataclass(frozen=True)
class Table:
    """N rows of text under named columns."""

    source: str
    names: tuple[str, ...]
    rows: list[list[str]] = field(repr=False)
    """N lists of as many stripped cells as there are names."""
    lines: Sequence[int] = field(repr=False)
    """N numbers of the lines in the file on which the rows end, from 1."""
    decimal: str = "."
    blank_lines: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: number for number, name in reversed(list(enumerate(self.names)))}

    def texts(self, name: str) -> list[str]:
        """The cells of a column."""
        place = self._place[name]
        return [row[place] for row in self.rows]

    def at(self, row: int) -> str:
        """Where a row is, for a message."""
        return f"line {self.lines[row]}"

    def cell(self, row: int, name: str) -> str:
        """What a cell says and where, for a message."""
        return f"{self.at(row)} {name} = {self.rows[row][self._place[name]]!r}"

    def parsed(self, names: Sequence[str], missing: Sequence[str] = ()) -> tuple[Floats, list[tuple[int, str]]]:
        """Read columns of numbers.

        Args:
            names: M columns.
            missing: Cells that stand for a missing value.

        Returns:
            (N, M) values, NaN where the cell is missing or no finite number; and row and column of each cell that is
            no number.
        """
        known: dict[str, float | None] = dict.fromkeys(missing, float("nan"))
        values = np.full((len(self), len(names)), np.nan)
        bad = []
        for column, name in enumerate(names):
            place = self._place[name]
            for number, row in enumerate(self.rows):
                cell = row[place]
                if cell not in known:
                    known[cell] = self._number(cell)
                found = known[cell]
                if found is None:
                    bad.append((number, name))
                else:
                    values[number, column] = found
        return values, bad

    def _number(self, cell: str) -> float | None:
        """A finite number, or None."""
        if self.decimal != ".":
            cell = "" if "." in cell else cell.replace(self.decimal, ".")
        try:
            value = float(cell)
        except ValueError:
            return None
        return value if np.isfinite(value) and "_" not in cell else None

    def numbers(self, names: Sequence[str], missing: Sequence[str] = ()) -> Floats:
        """Read columns of numbers as `parsed` does. DataError names cells that are no finite numbers."""
        values, bad = self.parsed(names, missing)
        if bad:
            raise DataError(f"{self.source}: {self.no_numbers(bad)}")
        return values

    def no_numbers(self, bad: Sequence[tuple[int, str]]) -> str:
        """A sentence about cells that `parsed` could not read."""
        cells = counted(len(bad), "cell is not a number", "cells are not numbers")
        texts = [self.rows[row][self._place[name]] for row, name in bad]
        hint = ""
        if self.decimal == "." and any(_DECIMAL_COMMA.fullmatch(text) for text in texts):
            hint = '; decimal = "," in the TOML file reads decimal commas'
        shown = some([self.cell(row, name) for row, name in bad])
        return f"{cells}: {shown}; correct them, or declare the code of a missing value{hint}"


def read_table(content: bytes | str, source: str, needed: Sequence[str], dialect: Dialect = Dialect()) -> Table:
    """Read a table, by default comma-separated with a header line; lines end with LF, CR LF or CR.

    Args:
        content: Bytes are UTF-8. Names lose spaces around them and a leading `#`.
        source: What errors call the file.
        needed: Columns that must be there, once each.
        dialect: How the table is written.

    Raises:
        DataError: Names all problems: no rows, `needed` columns that are missing or there twice, rows of another
            length, cells that are too long.
    """
    text = decoded(content, source) if isinstance(content, bytes) else content
    if "\0" in text:
        raise DataError(f"{source}: holds NUL characters; as UTF-16? Declare its encoding, or {AGAIN}")
    rows, lines, blank, longest = _rows(text, source, dialect.delimiter)
    if not rows:
        raise DataError(f"{source}: the file is empty; copy it again")
    if dialect.header:
        names = tuple(name.strip().removeprefix("#").strip() for name in rows[0])
        rows, lines = rows[1:], lines[1:]
    else:
        names = tuple(str(number) for number in range(1, len(rows[0]) + 1))
    problems = _problems(names, rows, lines, needed, dialect.delimiter)
    if longest > LONGEST_CELL:
        problems += _long_cells(rows, lines)
    if problems:
        raise DataError(f"{source}: {'; '.join(problems)}")
    return Table(source, names, rows, lines, dialect.decimal, blank)


def _rows(text: str, source: str, delimiter: str) -> tuple[list[list[str]], list[int], int, int]:
    """Rows of stripped cells, the line of each, how many lines were blank, and the length of the longest cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    blank, cells = 0, 0
    shared: dict[str, str] = {}  # equal cells are one object, so that a reading costs 8 bytes
    try:
        for row in reader:
            if not row:
                blank += 1
                continue
            rows.append([shared.setdefault(cell, cell) for cell in map(str.strip, row)])
            lines.append(reader.line_num)
            cells += len(row)
            if cells > MOST_CELLS:
                raise DataError(f"{source}: more than {MOST_CELLS:,} cells; split the file or leave out columns")
    except csv.Error as error:
        at = f"{source}, line {reader.line_num}"
        raise DataError(f"{at}: {error}; close a quote that is left open, or {AGAIN}") from error
    return rows, lines, blank, max(map(len, shared), default=0)


def _problems(
    names: Sequence[str], rows: list[list[str]], lines: Sequence[int], needed: Sequence[str], delimiter: str
) -> list[str]:
    problems = []
    missing = [name for name in needed if name not in names]
    if missing:
        columns = counted(len(missing), "column is missing", "columns are missing")
        problems.append(f"{columns}: {', '.join(missing)}; it has {some(names)}{_other_delimiter(names, delimiter)}")
    problems += twice(names, needed)
    wrong = [f"line {line} has {len(row)}" for row, line in zip(rows, lines, strict=True) if len(row) != len(names)]
    if wrong:
        rows_text = counted(len(wrong), "row is", "rows are")
        problems.append(f"{rows_text} not of {len(names)} cells as the header: {some(wrong)}; correct them")
    if not rows:
        problems.append("no data rows; copy the file again")
    return problems


def _long_cells(rows: list[list[str]], lines: Sequence[int]) -> list[str]:
    long = [
        f"line {line}, cell {number} has {len(cell):,} characters"
        for row, line in zip(rows, lines, strict=True)
        for number, cell in enumerate(row, start=1)
        if len(cell) > LONGEST_CELL
    ]
    return [f"{some(long)} (at most {LONGEST_CELL:,}); close a quote that is left open"] if long else []


def twice(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """A sentence that names the wanted columns that are there more than once."""
    count = Counter(names)
    found = sorted({name for name in wanted if count[name] > 1})
    return [f"more than one column is called {some(found)}; rename all but one"] if found else []


def _other_delimiter(names: Sequence[str], delimiter: str) -> str:
    """What to do when the header looks as if cells were separated by something else."""
    if len(names) > 1:
        return ""
    likely = max(DELIMITERS, key=names[0].count)
    if likely == delimiter or not names[0].count(likely):
        return ""
    return f'; {DELIMITERS[likely]} seem to separate its cells: declare delimiter = "{likely}" in the TOML file'
