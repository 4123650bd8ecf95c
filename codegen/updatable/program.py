"""The text of an updatable localiser: a struct of all constants, and what identifies the program."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyloc.bundle.schema import Bundle
from tinyloc.codegen.layer_code import ELEMENT_BYTES, Constant
from tinyloc.codegen.updatable.capacity import Capacity
from tinyloc.paths import FIRMWARE_DIR

POSITION_ENTRIES = 256
"""Weights by distance from the best score of int8: more there cannot be."""
NAME_BYTES = 24
"""Of a class's name in a slot, with the zero at its end."""
READERS = ("kernels", "localise")
"""Folders of firmware/ whose code reads constants."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NAMES = re.compile(r"^#define TL_MODEL_NAME .*$", re.MULTILINE)


def filled_tables(tables: list[Constant], capacity: Capacity, classes: int) -> list[Constant]:
    """The arrays around the network with room for all classes of the capacity."""
    more = capacity.classes - classes
    shapes: dict[str, tuple[tuple[int, int], ...]] = {
        "tl_crf_transitions": ((0, more), (0, more)),
        "tl_crf_start": ((0, more),),
        "tl_crf_end": ((0, more),),
        "tl_position_places": ((0, more), (0, 0)),
    }
    filled = []
    for table in tables:
        values = np.asarray(table.values)
        if table.name in shapes:
            values = np.pad(values, shapes[table.name])
        elif table.name == "tl_position_weights":
            values = np.pad(values, (0, POSITION_ENTRIES - values.size))
        filled.append(Constant(table.name, table.ctype, values, table.comment, table.macro))
    return filled


def class_names(names: Sequence[str], capacity: int) -> Constant:
    """The names of the classes as firmware finds them beside a model: UTF-8, cut to NAME_BYTES - 1, zeros behind.

    Args:
        names: of the classes, in the order of the scores.
        capacity: rows of the table; those without a class are empty.
    """
    table = np.zeros((capacity, NAME_BYTES), np.uint8)
    for row, name in zip(table, names, strict=False):
        whole = name.encode()[: NAME_BYTES - 1].decode(errors="ignore").encode()  # no half character
        row[: len(whole)] = np.frombuffer(whole, np.uint8)
    return Constant("tl_class_names", "uint8_t", table, f"[{capacity}][{NAME_BYTES}] UTF-8, ended by a zero")


def scalar_fields(values: Mapping[str, Any], bundle: Bundle) -> list[dict[str, Any]]:
    """Members of the struct beside its arrays: C type, name, value, meaning."""
    model_id = int(values["model_id"], 16)
    position = values["position"]
    rows: list[tuple[str, str, int, str]] = [
        ("uint32_t", "model_id_low", model_id & 0xFFFFFFFF, "hash of the network, its preprocessing and its CRF"),
        ("uint32_t", "model_id_high", model_id >> 32, ""),
        ("int32_t", "inputs", len(bundle.preprocessing.access_points), "access points, at most TL_INPUTS"),
        ("int32_t", "classes", len(bundle.outputs.classes), "at most TL_CLASSES"),
        ("int32_t", "input_zero", values["input_zero"], "an access point that is not heard"),
        ("int32_t", "least_heard", values["least_heard"], 'access points that a decision needs, else it is "unknown"'),
        ("int32_t", "least_margin", values["least_margin"], "the same of its margin"),
    ]
    if position is not None:
        rows += [
            ("int32_t", "position_unit_mm", position.unit_mm, "step of tl_position_places"),
            ("int32_t", "position_x_mm", int(position.origin_mm[0]), "where the places count from"),
            ("int32_t", "position_y_mm", int(position.origin_mm[1]), ""),
            ("int32_t", "position_weights", len(position.weights), "entries of tl_position_weights that count"),
        ]
    return [dict(zip(("ctype", "name", "value", "comment"), row, strict=True)) for row in rows]


def struct_bytes(scalars: list[dict[str, Any]], constants: list[Constant]) -> int:
    """Size of tl_constants_t, whose members all begin at a multiple of four bytes."""
    sizes = [4 * len(scalars)]
    for constant in constants:
        element = 2 if constant.ctype in ("tl_input_t",) else ELEMENT_BYTES[constant.ctype]
        sizes.append(constant.size * element)
    return sum(-(-size // 4) * 4 for size in sizes)


def program_id(files: Mapping[str, str]) -> str:
    """16 hex digits over what runs a model's constants: generated code without its numbers, kernels and localiser.

    Args:
        files: generated file -> text.
    """
    digest = hashlib.sha256()
    for name in ("model.h", "weights.h", "model.c"):
        text = _NAMES.sub("", _COMMENT.sub("", files[name]))
        digest.update("\n".join(line.rstrip() for line in text.splitlines() if line.strip()).encode())
        digest.update(b"\0")
    for path in sorted(path for folder in READERS for path in (FIRMWARE_DIR / folder).glob("*.[ch]")):
        digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
