"""SPACE_TO_BATCH_ND -> convolution -> BATCH_TO_SPACE_ND is how converters write a dilated convolution: one again.

Each phase of the image is a batch of its own there. Output place o of the whole reads the image at o + j * block, so
that it is a convolution with that dilation; what the border adds beyond the crops goes into a PAD before it. In one
dimension a RESHAPE on either side makes an image of one row. Runs on the graph as read, before it is checked.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.arithmetic.geometry import SAME
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.passes.frames import CONVOLUTIONS
from tinyloc.codegen.semantics.result_shapes import Ints, numbers

RESHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


@dataclass(frozen=True)
class _Chain:
    """The operators of one dilated convolution, in order, and its sizes along the two axes of the image."""

    operators: tuple[Operator, ...]
    convolution: Operator
    block: tuple[int, int]
    before: tuple[int, int]
    image: tuple[int, ...]  # (1, H, W, C)
    result: tuple[int, ...]


def fold_dilations(graph: Graph) -> Graph:
    """Chains that are dilated convolutions become such; others stay as they are."""
    chains = {}
    for op in graph.operators:
        chain = _chain(graph, op) if op.kind == "SPACE_TO_BATCH_ND" else None
        if chain is not None:
            chains[op.outputs[0]] = chain
    gone = {op.outputs[0] for chain in chains.values() for op in chain.operators}
    operators: list[Operator] = []
    for op in graph.operators:
        last = next((c for c in chains.values() if c.operators[-1] is op), None)
        if last is not None:
            graph, made = _folded(graph, last)
            operators += made
        elif op.outputs[0] not in gone:
            operators.append(op)
    return graph.with_operators(operators)


def _chain(graph: Graph, start: Operator) -> _Chain | None:
    operators = [start]
    while operators[-1].kind != "BATCH_TO_SPACE_ND":
        result = operators[-1].outputs[0]
        readers = graph.consumers(result)
        if len(readers) != 1 or result in graph.results:
            return None
        op = graph.operators[readers[0]]
        if op.kind not in (*CONVOLUTIONS, *RESHAPES, "BATCH_TO_SPACE_ND") or op.inputs[0] != result:
            return None
        operators.append(op)
    kinds = [op.kind for op in operators[1:-1] if op.kind in CONVOLUTIONS]
    if len(kinds) != 1 or len(operators) > 5:
        return None
    return _measured(graph, tuple(operators))


def _measured(graph: Graph, operators: tuple[Operator, ...]) -> _Chain | None:
    first, last = operators[0], operators[-1]
    convolution = next(op for op in operators if op.kind in CONVOLUTIONS)
    borders, crops = (numbers(graph, op, 2) for op in (first, last))
    blocks, same = (numbers(graph, op, 1) for op in (first, last))
    if borders is None or crops is None or blocks is None or same is None or not np.array_equal(blocks, same):
        return None
    a = convolution.attributes
    if a["padding"] == SAME or (a["stride_h"], a["stride_w"], a["dilation_h"], a["dilation_w"]) != (1, 1, 1, 1):
        return None
    ends = first.inputs[0], convolution.inputs[0], convolution.outputs[0], last.outputs[0]
    moved = [graph.tensors[t] for t in ends]
    if any(a.quantisation != b.quantisation or a.element != b.element for a, b in (moved[:2], moved[2:])):
        return None
    x, seen, _, y = moved
    axes = _axes(x.shape, seen.shape, len(blocks))
    taps = graph.tensors[convolution.inputs[1]].shape
    if axes is None or x.shape[0] != 1 or len(taps) != 4 or (borders - crops)[:, 0].min(initial=0) < 0:
        return None
    block, before = _spread(blocks, axes, 1), _spread((borders - crops)[:, 0], axes, 0)
    image, result = _image(x.shape, axes), _image(y.shape, axes)
    # what the last outputs read lies in the image or behind it, never before its end
    if any(result[1 + i] + (taps[1 + i] - 1) * block[i] < image[1 + i] + before[i] for i in range(2)):
        return None
    return _Chain(operators, convolution, block, before, image, result)


def _axes(x: Sequence[int], seen: Sequence[int], blocks: int) -> list[int] | None:
    """Which of rows (0) and columns (1) the blocks are of; None where `seen` is no image made of x."""
    if len(seen) != 4:
        return None
    if len(x) == 4:
        return list(range(blocks)) if blocks <= 2 else None
    return [0 if seen[2] == 1 and seen[1] != 1 else 1] if len(x) == 3 and blocks == 1 else None


def _spread(values: Ints, axes: Sequence[int], otherwise: int) -> tuple[int, int]:
    found = {axis: int(value) for axis, value in zip(axes, values, strict=True)}
    return found.get(0, otherwise), found.get(1, otherwise)


def _image(shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    if len(shape) == 4:
        return shape
    return (shape[0], 1, *shape[1:]) if axes == [1] else (*shape[:2], 1, *shape[2:])


def _folded(graph: Graph, chain: _Chain) -> tuple[Graph, list[Operator]]:
    """[RESHAPE,] [PAD,] the convolution, [RESHAPE]."""
    source, target = chain.operators[0].inputs[0], chain.operators[-1].outputs[0]
    x, y = graph.tensors[source], graph.tensors[target]
    origin = tuple(name for op in chain.operators for name in op.origin)
    operators = []

    def step(kind: str, inputs: tuple[int, ...], like: Tensor, shape: tuple[int, ...], what: str) -> int:
        nonlocal graph
        graph, made = graph.with_tensor(dataclasses.replace(like, name=f"{like.name} {what}", shape=shape))
        operators.append(Operator(kind, inputs, (made,), {}, origin))
        return made

    at = source
    if x.shape != chain.image:
        at = step("RESHAPE", (at,), x, chain.image, "as an image")
    taps = graph.tensors[chain.convolution.inputs[1]].shape
    reach = [(taps[1 + i] - 1) * chain.block[i] for i in range(2)]
    border = [(b, chain.result[1 + i] + reach[i] - chain.image[1 + i] - b) for i, b in enumerate(chain.before)]
    if any(n for pair in border for n in pair):
        around = np.array([(0, 0), *border, (0, 0)], np.int32)
        graph, sizes = graph.with_tensor(Tensor(f"{x.name} border", around.shape, "int32", None, around))
        wide = tuple(n + int(pair.sum()) for n, pair in zip(chain.image, around, strict=True))
        at = step("PAD", (at, sizes), x, wide, "with its border")
    result = target
    if y.shape != chain.result:
        graph, result = graph.with_tensor(dataclasses.replace(y, name=f"{y.name} as an image", shape=chain.result))
    attributes = {**chain.convolution.attributes, "dilation_h": chain.block[0], "dilation_w": chain.block[1]}
    operators.append(
        dataclasses.replace(
            chain.convolution,
            inputs=(at, *chain.convolution.inputs[1:]),
            outputs=(result,),
            attributes=attributes,
            origin=origin,
        )
    )
    if result != target:
        operators.append(Operator("RESHAPE", (result,), (target,), {}, origin))
    return graph, operators
