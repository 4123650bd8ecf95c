"""Operators that only name elements of their input: LiteRT == NumPy == generated C, byte for byte."""

from typing import Any

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.move_models import Case, check_moves
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel

CASES: list[Case] = [
    ("TRANSPOSE", (2, 3, 1, 2, 2), ([4, 2, 0, 1, 3],), {}, (2, 1, 2, 3, 2)),
    ("TRANSPOSE", (2, 3, 1, 2, 2, 3), ([5, 4, 2, 0, 1, 3],), {}, (3, 2, 1, 2, 3, 2)),
]


@pytest.mark.parametrize("element", ELEMENTS)
def test_moves(element: str) -> None:
    check_moves(CASES, element)


@pytest.mark.parametrize("element", ELEMENTS)
def test_views(element: str) -> None:
    """Shapes and contiguous parts; each part is read by arithmetic, so that a wrong offset shows."""
    model = TFLiteModel()

    def read(part: int, shape: tuple[int, ...]) -> None:
        model.output(model.unary("RELU", [part], shape, element, 0.1))

    x = model.input((2, 3, 4), element)
    shape = model.constant([4, 6])
    y = model.tensor((4, 6), element)
    model.operator("RESHAPE", [x, shape], [y], newShape=np.array([4, 6], np.int32))
    read(y, (4, 6))
    squeezed = model.tensor((2, 3), element)
    model.operator("SQUEEZE", [model.input((1, 2, 1, 3), element)], [squeezed], squeezeDims=np.array([0, 2], np.int32))
    read(squeezed, (2, 3))
    read(model.unary("EXPAND_DIMS", [x, model.constant(1)], (2, 1, 3, 4), element, 0.1), (2, 1, 3, 4))
    halves = [model.tensor((1, 3, 4), element) for _ in range(2)]
    model.operator("SPLIT", [model.constant(0), x], halves, numSplits=2)
    parts = [model.tensor((1, n, 4), element) for n in (1, 2)]
    model.operator("SPLIT_V", [halves[1], model.constant([1, 2]), model.constant(1)], parts, numSplits=2)
    read(parts[0], (1, 1, 4))
    read(parts[1], (1, 2, 4))
    piece = model.unary("SLICE", [x, model.constant([1, 1, 0]), model.constant([1, 2, -1])], (1, 2, 4), element, 0.1)
    read(piece, (1, 2, 4))
    strided = model.tensor((3, 4), element)
    corners = [model.constant([1, 0, 0]), model.constant([2, 3, 4]), model.constant([1, 1, 1])]
    model.operator("STRIDED_SLICE", [x, *corners], [strided], shrinkAxisMask=1, beginMask=4, endMask=6)
    read(strided, (3, 4))
    model.output(halves[0])  # a view that leaves the model
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_transpose(element: str) -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4), element)
    image = model.input((1, 3, 3, 5), element)
    for source, shape, order in [
        (x, (2, 3, 4), (2, 0, 1)),
        (x, (2, 3, 4), (0, 2, 1)),
        (image, (1, 3, 3, 5), (0, 2, 1, 3)),
        (image, (1, 3, 3, 5), (0, 3, 1, 2)),
    ]:
        y = model.unary("TRANSPOSE", [source, model.constant(order)], tuple(shape[i] for i in order), element, 0.1)
        model.output(y)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_unpack(element: str) -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4), element)
    for axis in (0, 2):
        count = (2, 3, 4)[axis]
        parts = [model.tensor([n for i, n in enumerate((2, 3, 4)) if i != axis], element) for _ in range(count)]
        model.operator("UNPACK", [x], parts, axis=axis, num=count)
        model.output(*parts)
    assert_all_equal(model)


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
