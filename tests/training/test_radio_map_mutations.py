"""Damaged and odd files are read, or refused with a message: never a traceback, a warning or a silent guess."""

import random
import warnings
from pathlib import Path

import pytest

from tinyloc.errors import UserError
from tinyloc.training.data import catalogue
from tinyloc.training.data.own.guess import guess
from tinyloc.training.data.own.start import description, first_look
from tinyloc.training.suggest import suggest

SEEDS = 200
CELLS = (
    "", "nan", "inf", "-inf", "1e308", "1e400", "-0", "x", '"', "'", ";", "\u00e9", "\0", "\ufeff", "100", "-110", "0",
    "-128", "2026-11-30", "1_0", "\u0663", "w0", "a", "train", "9" * 50, "-50.5", "-50,5", "\t", "|", "{}", "%s", "\r",
    "\n\n", ",",
)  # fmt: skip
SETTINGS = (
    'time_unit = "iso"', 'time_unit = "ns"', "rate_hz = 3", 'coordinates = "degrees"', 'coordinates = "mm"',
    "header = false",
    'delimiter = ";"', 'decimal = ","\ndelimiter = ";"', 'split_by = "visit"', 'split_by = "place"', 'split_by = "day"',
    "held_out = 0.49", "held_out = 0.001", 'missing = ["x", -110, 0]', "heard = [-110, 0, 100]", "pause_s = 0.1",
    'unlabelled = "drop"',
)  # fmt: skip
WIDE = "\n".join(
    ["t,walk,room,x,y,level,phone,ap1,ap2,ap3"]
    + [
        f"{n},w{walk},{'abc'[n // 3 % 3]},{n},{walk},{n % 2},p{walk % 3},{-50 - n},{'' if n % 4 == 0 else -60 - walk},"
        f"{100 if n % 3 else -70}"
        for walk in range(6)
        for n in range(9)
    ]
)
LONG = "\n".join(
    ["t,walk,room,ap,dbm"]
    + [f"{n / 2},w{walk},{'ab'[n // 5 % 2]},{ap},{-50 - n}" for walk in range(6) for n in range(10) for ap in "xyz"]
)
LABELS = 'label = "room"\nrecording = "walk"\ntime = "t"\n'
PLACES = 'x = "x"\ny = "y"\nfloor = "level"\n'
KINDS = (
    (WIDE, "", f'access_points = ["ap*"]\ndevice = "phone"\n{LABELS}{PLACES}'),
    (WIDE, "sequential = false\nplaces = 5", f'access_points = ["ap1..ap3"]\ntime = "t"\n{PLACES}'),
    (WIDE, "sequential = false\ncell_m = 2", f'access_points = ["ap*"]\n{PLACES}'),
    (LONG, "scan_s = 1\npause_s = 5", f'access_point = "ap"\ndbm = "dbm"\n{LABELS}'),
)


def mutated(text: str, chance: random.Random) -> bytes:
    for _ in range(chance.choice([0, 1, 1, 2, 3, 8])):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0 | 1:
                cells = lines[at].split(",")
                cells[chance.randrange(len(cells))] = chance.choice(CELLS)
                lines[at] = ",".join(cells)
            case 2:
                del lines[at]
            case 3:
                lines.insert(at, chance.choice(lines))
            case 4:  # one value in all of a column
                column, value = chance.randrange(10), chance.choice(CELLS)
                rows = [line.split(",") for line in lines]
                lines = [",".join([*row[:column], value, *row[column + 1 :]]) for row in rows]
            case 5:
                lines = lines[: at + 1]
        text = "\n".join(lines) or "a"
    content = bytearray(text.encode(chance.choice(["utf-8", "utf-8", "utf-16", "latin-1"]), "replace"))
    if chance.random() < 0.1:
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def use(about: Path, text: str) -> None:
    about.write_text(text)
    data = catalogue.load("csv", path=about)
    catalogue.describe(data)
    assert first_look(data)
    suggest(data, "f", str(about), 131_072, 20_480)


def test_odd_files_are_read_or_refused(tmp_path: Path) -> None:
    results = {"read": 0, "refused": 0}
    file, about = tmp_path / "f.csv", tmp_path / "f.toml"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(SEEDS):
            chance = random.Random(seed)
            text, settings, columns = chance.choice(KINDS)
            file.write_bytes(mutated(text, chance))
            extra = chance.choice(SETTINGS) if chance.random() < 0.3 else ""
            told = f'name = "m"\nlicence = "l"\nfile = "f.csv"\n{settings}\n{extra}\n[columns]\n{columns}'
            for text_of in (None, guess):
                try:
                    use(about, told if text_of is None else description(text_of(file), "f.csv", None, "f"))
                    results["read"] += 1
                except UserError:
                    results["refused"] += 1
                except Exception as error:  # a bug: say which file it was
                    pytest.fail(f"seed {seed}: {error!r}")
    assert min(results.values()) > SEEDS / 4
