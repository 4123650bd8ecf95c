"""Conditions that constants decide, against the C preprocessor."""

import itertools
import subprocess

import pytest

from tinyloc.codegen.library.specialise import constants_of, decided, specialise
from tinyloc.paths import FIRMWARE_DIR

SOURCE = """\
#if A && B > 1
first;
#elif !A || defined_elsewhere
second;
#else
third;
#ifdef KEPT
fourth;
#endif
#endif
#if B == 2
fifth;
#endif
"""


@pytest.mark.parametrize(("a", "b"), itertools.product((0, 1), (0, 1, 2)))
def test_the_branch_of_the_preprocessor_stays(a, b):
    known = {"A": a, "B": b, "defined_elsewhere": 0}
    text = specialise(SOURCE, known)
    flags = [f"-D{name}={value}" for name, value in known.items()]

    def run(source: str) -> list[str]:
        return subprocess.run(
            ["cpp", "-P", *flags], input=source, capture_output=True, text=True, check=True
        ).stdout.split()

    assert run(text) == run(SOURCE)
    assert "#if " not in text


def test_what_is_not_known_stays():
    source = "#if A && X\na;\n#elif A\nb;\n#else\nc;\n#endif\n"
    assert specialise(source, {"A": 1}) == source


def test_conditions():
    assert decided("!A || B != 2", {"A": 1, "B": 2}) is False
    assert decided("A", {}) is None
    assert constants_of("#define A (-3)\n#define B 2u /* x */\n#define C x\n") == {"A": -3, "B": 2}


@pytest.mark.parametrize("path", sorted((FIRMWARE_DIR / "localise").glob("*.[ch]")), ids=lambda path: path.name)
def test_the_localisers_conditions_are_all_known(path):
    names = (
        "SPARSE",
        "CRF",
        "ONLINE",
        "POSITION",
        "SCAN",
        "COMBINE",
        "HOLD",
        "WINDOW",
        "CLASSES",
        "COMBINE_MEAN",
        "COMBINE_MAX",
        "COMBINE_LAST",
    )
    text = specialise(path.read_text(), {f"TL_{name}": 0 for name in names})
    assert "#if " not in text and "#elif" not in text
