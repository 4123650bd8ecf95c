"""Names made valid C, whatever the data holds, and the names that a user may give a model."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from tinyloc.codegen.c_text import KEYWORDS
from tinyloc.errors import UserError

LONGEST_NAME = 32
"""Characters of a model's name: linkers of C99 need not tell names apart beyond 31, ours carry more behind it."""
_SPELLED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "đ": "d", "ł": "l"}


class ModelNameError(UserError):
    """A name of a model that C cannot have, or that two models share."""


def _reserved(name: str) -> bool:
    return name.lower() in KEYWORDS | {"unix", "linux", "main"}


def words_of(text: str) -> str:
    """The text in lower-case words of ASCII, joined by underscores; empty where nothing of it can be spelt."""
    spelled = "".join(_SPELLED.get(c, c) for c in text.lower())
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def model_name(text: str) -> str:
    """A model's own name as a C name, where the user gives none."""
    name = words_of(text)[:LONGEST_NAME].strip("_") or "model"
    if name[0].isdigit() or _reserved(name) or name == "tl" or name.startswith("tl_"):
        name = f"model_{name}"[:LONGEST_NAME].strip("_")
    return name


def name_problem(name: str) -> str | None:
    """Why a model cannot have this name in C; None when it can."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return "is no C identifier: letters of ASCII, digits and underscores, a letter first"
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} characters; at most {LONGEST_NAME}"
    if "__" in name:
        return "has two underscores in a row, which C++ keeps for itself"
    if _reserved(name):
        return "is a keyword of C or C++"
    if name.lower() == "tl" or name.lower().startswith("tl_"):
        return "begins like the names of the kernels, tl_"
    return None


def check_names(names: Sequence[str]) -> None:
    """Raise ModelNameError with all that is wrong with the names of the models of one library."""
    problems = [f"{name!r} {why}" for name in names if (why := name_problem(name))]
    for i, name in enumerate(names):
        for other in names[:i]:
            one, two = name.lower(), other.lower()
            if one == two:
                problems.append(f"two models have the name {name!r}")
            elif one.startswith(f"{two}_") or two.startswith(f"{one}_"):
                problems.append(f"{other!r} and {name!r}: one begins like the other's own names")
    if problems:
        raise ModelNameError(f"{'; '.join(dict.fromkeys(problems))}; give other names with --name, once a model")


def enumerators(texts: Iterable[str], prefix: str, taken: Iterable[str] = ()) -> list[str]:
    """One name in upper case for each text, each another: `living room` is HALL_LIVING_ROOM.

    prefix: with its underscore. taken: names that are used already. What cannot be spelt, and what becomes equal, gets
    the number of its text.
    """
    used = set(taken)
    found = []
    for number, text in enumerate(texts):
        name = f"{prefix}{words_of(text).upper() or f'CLASS_{number}'}"
        if name in used:
            name = f"{name}_{number}"
        while name in used:
            name += "_"
        used.add(name)
        found.append(name)
    return found
