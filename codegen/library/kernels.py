"""Kernels for a library: the headers that its models include, with functions that stand once in an image.

A kernel that several layers call is a weak function in a library, so that the linker keeps one of all models'. Its name
ends in a hash of all kernels: libraries of other versions bring their own.
"""

import functools
import hashlib
import re
from collections.abc import Iterable

from tinyloc.codegen.library.namespace import KERNELS, outside_strings
from tinyloc.codegen.lowering.harness import kernel_headers

_SHARED = re.compile(r"^TL_SHARED [\w *]*?(\w+)\(", re.M)
_SHARING_MACRO = re.compile(r"^#define (\w+)\([^)]*\)[ \\]*\n\s*TL_SHARED\b", re.M)
_SHARED_BY_ARGUMENT = re.compile(r"^\w+\(TL_SHARED, (\w+),", re.M)
_STATIC = "#define TL_SHARED static __attribute__((noinline, unused))"
_WEAK = "#define TL_SHARED __attribute__((weak, noinline))"


@functools.cache
def shared_functions() -> tuple[str, ...]:
    """Names of the kernels that layers call, sorted."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(KERNELS.glob("*.h")))
    found = set(_SHARED.findall(text)) - {"NAME"} | set(_SHARED_BY_ARGUMENT.findall(text))
    for macro in _SHARING_MACRO.findall(text):
        found |= set(re.findall(rf"^{macro}\((\w+)", text, re.M))
    return tuple(sorted(found))


@functools.cache
def kernel_version() -> str:
    """Eight hex digits over all kernels."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(KERNELS.glob("*.h")))).hexdigest()[:8]


@functools.cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(shared_functions())})\b(?!\.h)")


def versioned(source: str) -> str:
    """C source that calls or defines shared kernels, by their names in a library."""
    return outside_strings(_pattern(), lambda name: f"{name}_{kernel_version()}", source)


def library_kernels(sources: Iterable[str], licence: str) -> dict[str, str]:
    """File name -> text of the headers that these sources include."""
    wanted = {header for source in sources for header in kernel_headers(source)}
    return {
        header: f"{licence}\n{_weak(versioned((KERNELS / header).read_text(encoding='utf-8')))}"
        for header in sorted(wanted)
    }


def _weak(source: str) -> str:
    return source.replace(_STATIC, _WEAK)
