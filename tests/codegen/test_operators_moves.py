"""Operators that put elements elsewhere: LiteRT BUILTIN_REF == NumPy == C, in int8 and int16."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.passes import optimise

ELEMENTS = ("int8", "int16")
INT8_IN_LITERT = ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "TILE")
Case = tuple[str, Sequence[int], Sequence[Any], dict[str, Any], Sequence[int]]
# kind, input shape, constant operands, options, output shape
CASES: list[Case] = [
    ("TILE", (2, 3), ([2, 3],), {}, (4, 9)),
    ("TILE", (1, 3, 1, 2), ([1, 1, 4, 1],), {}, (1, 3, 4, 2)),
    ("BROADCAST_TO", (3, 1), ([2, 3, 4],), {}, (2, 3, 4)),
    ("REVERSE_V2", (2, 3, 4), ([1],), {}, (2, 3, 4)),
    ("REVERSE_V2", (2, 3, 4), ([2],), {}, (2, 3, 4)),
    ("DEPTH_TO_SPACE", (1, 2, 3, 8), (), {"blockSize": 2}, (1, 4, 6, 2)),
    ("SPACE_TO_DEPTH", (1, 4, 6, 3), (), {"blockSize": 2}, (1, 2, 3, 12)),
    ("SPACE_TO_BATCH_ND", (1, 5, 4, 3), ([2, 3], [[1, 0], [1, 1]]), {}, (6, 3, 2, 3)),
    ("SPACE_TO_BATCH_ND", (2, 6, 3), ([3], [[0, 0]]), {}, (6, 2, 3)),
    ("BATCH_TO_SPACE_ND", (6, 3, 2, 3), ([2, 3], [[1, 0], [1, 1]]), {}, (1, 5, 4, 3)),
    ("BATCH_TO_SPACE_ND", (4, 2, 2, 1), ([2, 2], [[0, 0], [0, 0]]), {}, (1, 4, 4, 1)),
    ("MIRROR_PAD", (2, 3, 4), ([[1, 0], [2, 1], [0, 0]],), {"mode": 0}, (3, 6, 4)),
    ("MIRROR_PAD", (2, 3), ([[2, 1], [3, 2]],), {"mode": 1}, (5, 8)),
    ("TRANSPOSE", (2, 3, 1, 2, 2), ([4, 2, 0, 1, 3],), {}, (2, 1, 2, 3, 2)),
    ("TRANSPOSE", (2, 3, 1, 2, 2, 3), ([5, 4, 2, 0, 1, 3],), {}, (3, 2, 1, 2, 3, 2)),
]


@pytest.mark.parametrize("element", ELEMENTS)
def test_rearrangements(element: str) -> None:
    for zero in (-128, 0, 77) if element == "int8" else (0,):
        model = TFLiteModel()
        for kind, shape, constants, options, result in CASES:
            if element == "int16" and kind in INT8_IN_LITERT:
                continue
            x = model.input(shape, element, 0.05, zero)
            operands = [x, *(model.constant(np.array(c, np.int32)) for c in constants)]
            model.output(model.unary(kind, operands, result, element, 0.05, zero, **options))
        assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
def test_resizing(kind: str, element: str) -> None:
    model = TFLiteModel()
    for shape, size in (((1, 3, 4, 2), (6, 8)), ((1, 5, 3, 3), (7, 2)), ((1, 1, 2, 1), (4, 5)), ((1, 6, 6, 1), (3, 3))):
        x = model.input(shape, element, 0.02, 5 if element == "int8" else 0)
        for align, half in ((False, False), (True, False), (False, True)):
            result = (1, *size, shape[3])
            operands = [x, model.constant(np.array(size, np.int32))]
            zero = 5 if element == "int8" else 0
            options = {"alignCorners": align, "halfPixelCenters": half}
            model.output(model.unary(kind, operands, result, element, 0.02, zero, **options))
    assert_all_equal(model, count=12)


def slices(chance: np.random.Generator, rank: int) -> tuple[list[list[int]], dict[str, int]]:
    """Begin, end, stride of every axis, and masks: negative steps, ellipsis, new and shrunk axes."""
    rows: list[list[int]] = []
    masks = dict.fromkeys(("beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"), 0)
    for place in range(rank):
        rows.append([int(chance.integers(-4, 4)), int(chance.integers(-5, 6)), int(chance.choice([-2, -1, 1, 1, 2]))])
        for name in ("beginMask", "endMask"):
            masks[name] |= int(chance.integers(2)) << place
    return rows, masks


def test_strided_slices() -> None:
    """Against LiteRT for masks of begins, ends and shrunk axes; what it gives decides the shape of the result."""
    chance = np.random.default_rng(5)
    made, model = 0, TFLiteModel()
    while made < 24:
        shape = tuple(int(n) for n in chance.integers(2, 5, 3))
        rows, masks = slices(chance, 3)
        shrink = int(chance.integers(0, 8)) if chance.integers(3) == 0 else 0
        cuts: list[Any] = []
        for axis, (begin, end, step) in enumerate(rows):
            if shrink >> axis & 1:
                rows[axis] = [int(chance.integers(-shape[axis], shape[axis])), 0, 1]
                rows[axis][1] = rows[axis][0] + 1
                cuts.append(0 if masks["beginMask"] >> axis & 1 else rows[axis][0])
                continue
            first = None if masks["beginMask"] >> axis & 1 else begin
            cuts.append(slice(first, None if masks["endMask"] >> axis & 1 else end, step))
        result = np.zeros(shape)[tuple(cuts)].shape
        if 0 in result or not result:
            continue
        made += 1
        x = model.input(shape)
        operands = [x, *(model.constant(np.array(column, np.int32)) for column in zip(*rows, strict=True))]
        model.output(model.unary("STRIDED_SLICE", operands, result, "int8", 0.1, **{**masks, "shrinkAxisMask": shrink}))
    assert_all_equal(model, count=3)


def test_slices_with_ellipsis_and_new_axis() -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4))
    for begin, end, masks, shape in (
        ([0, 1], [0, 3], {"ellipsisMask": 1}, (2, 3, 2)),
        ([1, 0, 0], [2, 0, 2], {"ellipsisMask": 2}, (1, 3, 2)),
        ([0, 0, 1], [0, 2, 3], {"newAxisMask": 1}, (1, 2, 2, 4)),
        ([0, 0, -1], [0, 0, 0], {"ellipsisMask": 1, "newAxisMask": 2, "shrinkAxisMask": 4}, (2, 3, 1)),
    ):
        operands = [x, *(model.constant(np.array(c, np.int32)) for c in (begin, end, [1] * len(begin)))]
        model.output(model.unary("STRIDED_SLICE", operands, shape, "int8", 0.1, **masks))
    assert_all_equal(model)


def test_copies_of_the_whole_move_nothing() -> None:
    """A tile of one and a crop of nothing are names of their input."""
    model = TFLiteModel()
    x = model.unary("RELU", [model.input((1, 4, 4, 2))], (1, 4, 4, 2), "int8", 0.1)
    x = model.unary("TILE", [x, model.constant([1, 1, 1, 1])], (1, 4, 4, 2), "int8", 0.1)
    model.output(model.unary("RELU", [x], (1, 4, 4, 2), "int8", 0.1))
    graph, _ = optimise(load(model))
    assert [op.kind for op in graph.operators] == ["LOOP"]


@pytest.mark.parametrize(
    ("kind", "constants", "options", "words"),
    [
        ("MIRROR_PAD", [[[0, 3], [0, 0]]], {"mode": 0}, "borders"),
        ("TILE", [[2]], {}, "do not fit"),
        ("REVERSE_V2", [[5]], {}, "do not fit"),
        ("BROADCAST_TO", [[2, 4]], {}, "do not fit"),
    ],
)
def test_what_does_not_fit_is_told(kind: str, constants: list[Any], options: dict[str, Any], words: str) -> None:
    model = TFLiteModel()
    operands = [model.input((2, 3)), *(model.constant(np.array(c, np.int32)) for c in constants)]
    model.output(model.unary(kind, operands, (2, 3), "int8", 0.1, **options))
    with pytest.raises(CompileError, match=words):
        load(model)
