"""Equal arrays are kept once: an unrolled network has the same weights, and often the same tables, in every step."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.layer_code import Constant, Lowered

Key = tuple[object, ...]


def _key(constant: Constant) -> Key:
    values = np.ascontiguousarray(constant.values).astype(np.int64)
    return constant.ctype, constant.macro, values.tobytes()


def share_constants(layers: Sequence[Lowered]) -> tuple[list[Lowered], list[str]]:
    """The layers with names of equal arrays replaced by that of the first, and a line on what that saves."""
    first: dict[Key, str] = {}
    shared, saved, count = [], 0, 0
    for layer in layers:
        names: dict[str, str] = {}
        for constant in layer.constants:
            known = first.setdefault(_key(constant), constant.name)
            if known != constant.name:
                names[constant.name] = known
                saved += constant.bytes
                count += 1
        shared.append(_renamed(layer, names))
    return shared, [f"{count} arrays equal others: {saved} bytes less"] if count else []


def _renamed(layer: Lowered, names: dict[str, str]) -> Lowered:
    if not names:
        return layer

    def text(line: str) -> str:
        return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), line)

    return dataclasses.replace(
        layer,
        statements=tuple(text(statement) for statement in layer.statements),
        constants=tuple(dataclasses.replace(c, name=names.get(c.name, c.name)) for c in layer.constants),
    )
