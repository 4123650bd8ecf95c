"""One public header of many internal ones: types and calls that a caller needs, in reading order.

Paragraphs of the internal headers are sorted: prototypes and tables of the inside go into a header of their own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

_GUARD = re.compile(r"\A(?P<comment>/\*.*?\*/\n)?#ifndef \w+_H\n#define \w+_H\n(?P<body>.*)\n#endif\s*\Z", re.S)
_LINKAGE = re.compile(r'#ifdef __cplusplus\n(?:extern "C" \{|\})\n#endif\n')
_INCLUDE = re.compile(r"^#include .*\n", re.M)
_PROTOTYPE = re.compile(r"^(?!typedef|static|#|enum|extern)\w[\w *]*\b\w+\([^;{]*\);$", re.M)
_INTERNAL_MACROS = ("SCAN", "CRF", "ONLINE", "SPARSE", "STATE", "BACKEND", "POSITION", "COMBINE")


def body_of(header: str) -> str:
    """A header's content without its first comment, guard, includes and linkage."""
    found = _GUARD.match(header)
    assert found, "a header begins with a comment and its guard, and ends with the guard's #endif"
    return _INCLUDE.sub("", _LINKAGE.sub("", found["body"])).strip("\n")


def paragraphs(body: str) -> list[str]:
    """Parts of a header between empty lines; a brace or a condition that is open keeps its lines together."""
    parts: list[str] = []
    current: list[str] = []
    depth = 0
    for line in body.splitlines():
        if not line.strip() and depth == 0:
            parts += ["\n".join(current)] if current else []
            current = []
            continue
        depth += line.count("{") - line.count("}")
        depth += bool(re.match(r"#if", line)) - bool(re.match(r"#endif", line))
        current.append(line)
    return parts + (["\n".join(current)] if current else [])


def is_internal(paragraph: str) -> bool:
    """Whether a paragraph only declares functions or tables."""
    code = re.sub(r"/\*.*?\*/", "", paragraph, flags=re.S).strip()
    return bool(_PROTOTYPE.search(code) or code.startswith(("extern", "static inline"))) and "typedef" not in code


def split(bodies: Iterable[str]) -> tuple[list[str], list[str]]:
    """Paragraphs for the public header, and those of the inside."""
    public: list[str] = []
    inside: list[str] = []
    for body in bodies:
        for part in paragraphs(body):
            (inside if is_internal(part) else public).append(part)
    return public, inside


def without_unused_macros(text: str, elsewhere: str) -> str:
    """The text without the macros that only decided conditions, unless something still names them."""

    def kept(line: str) -> bool:
        found = re.match(r"#define (TL_(?:" + "|".join(_INTERNAL_MACROS) + r")|TL_COMBINE_\w+)\b", line)
        if not found:
            return True
        others = text.replace(line, "")
        return re.search(rf"\b{found[1]}\b", others + elsewhere) is not None

    return "\n".join(line for line in text.splitlines() if kept(line))


def guarded(name: str, top: str, includes: Sequence[str], content: str, linkage: bool = True) -> str:
    """A header file: comment, guard, includes and content, which C++ takes as C."""
    guard = f"{name.upper()}_H"
    before = '#ifdef __cplusplus\nextern "C" {\n#endif\n\n' if linkage else ""
    after = "\n#ifdef __cplusplus\n}\n#endif\n" if linkage else ""
    lines = "".join(f"#include {include}\n" if include else "\n" for include in includes)
    return f"{top}#ifndef {guard}\n#define {guard}\n\n{lines}\n{before}{content.strip()}\n{after}\n#endif\n"


def rewrite_includes(source: str, header: str, kept: Mapping[str, str] | None = None) -> str:
    """A source's includes: of our own headers one remains, `header`; those of kernels and of the language stay."""
    lines: list[str] = []
    done = False
    for line in source.splitlines():
        found = re.match(r'#include "(?!kernels/)([^"]+)"', line)
        if found is None:
            lines.append(line)
        elif found[1] in (kept or {}):
            lines.append(f'#include "{(kept or {})[found[1]]}"')
        elif not done:
            lines.append(f'#include "{header}"')
            done = True
    text = "\n".join(lines) + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)
