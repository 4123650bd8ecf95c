"""C with its conditions decided: `#if` over constants that are known goes, and of its branches one stays.

What is written once for every model reads, in a library, as if it were written for this one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b\s*(.*?)\s*(?:/\*.*\*/)?\s*$")
_DEFINE = re.compile(r"^#define (\w+) \(?(-?\d+)u?\)?(?:\s|$)", re.M)
_LEGAL = re.compile(r"[\w\s()!<>=&|+*/-]+")


def constants_of(source: str) -> dict[str, int]:
    """Macros that a source defines as whole numbers."""
    return {name: int(value) for name, value in _DEFINE.findall(source)}


@dataclass
class _Open:
    """An #if that is being read."""

    kept: bool  # its lines stay as they are: the condition is not known
    taken: bool = False  # a branch was chosen
    active: bool = True  # lines of this branch stay


def specialise(source: str, known: Mapping[str, int]) -> str:
    """The source without the conditions that `known` decides, and without the empty lines that they leave."""
    lines: list[str] = []
    opened: list[_Open] = []
    for line in source.splitlines():
        found = _DIRECTIVE.match(line)
        alive = all(each.active for each in opened)
        if found is None:
            if alive:
                lines.append(line)
            continue
        word, text = found[1], found[2]
        if word in ("if", "ifdef", "ifndef"):
            value = None if word != "if" or not alive else decided(text, known)
            if not alive:
                opened.append(_Open(kept=False, taken=True, active=False))
            elif value is None:
                opened.append(_Open(kept=True))
                lines.append(line)
            else:
                opened.append(_Open(kept=False, taken=value, active=value))
            continue
        top = opened[-1]
        if top.kept:
            lines.append(line)
        if word == "endif":
            opened.pop()
        elif word == "else" and not top.kept:
            top.active, top.taken = not top.taken, True
        elif word == "elif" and not top.kept:
            value = not top.taken and all(each.active for each in opened[:-1]) and decided(text, known)
            assert value is not None, f"#elif {text}: not all of it is known"
            top.active, top.taken = value, top.taken or value
    assert not opened, "an #if without its #endif"
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def decided(condition: str, known: Mapping[str, int]) -> bool | None:
    """What a condition is, None when it names something that is not known."""
    names = set(re.findall(r"[A-Za-z_]\w*", condition))
    if not _LEGAL.fullmatch(condition) or not names <= known.keys():
        return None
    text = condition.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?!=)", " not ", text)
    text = re.sub(r"\b(\d+)u\b", r"\1", text)
    return bool(eval(text, {"__builtins__": {}}, dict(known)))  # of our own sources: whole numbers and comparisons
