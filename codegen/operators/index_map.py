"""Operators that read each axis at places of its own: MIRROR_PAD, RESIZE_NEAREST_NEIGHBOR.

Output element (i, j, ...) is the input's (places0[i], places1[j], ...). The device keeps a list of places for each axis
that is not whole.
"""

from abc import abstractmethod
from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems, shape_problems

Places = npt.NDArray[np.int64]


class Pick(KernelRule):
    @abstractmethod
    def places(self, graph: Graph, op: Operator) -> list[Places]:
        """For each axis of the input, where each index of the output reads. Raises ValueError with the reason."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        if graph.tensors[op.inputs[1]].data is None:
            problems.append(f"{graph.tensors[op.inputs[1]].name} is computed: sizes must be constants")
        if problems:
            return problems
        problems += moved_problems(graph, op, 1)
        try:
            places = self.places(graph, op)
        except ValueError as error:
            return [*problems, str(error)]
        return problems + shape_problems(graph, op.outputs[0], [len(p) for p in places])

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [np.ascontiguousarray(values[0][np.ix_(*self.places(graph, op))])]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        places = self.places(graph, op)
        run, axis = 1, len(places)
        while axis > 0 and np.array_equal(places[axis - 1], np.arange(x.shape[axis - 1])):
            axis -= 1
            run *= x.shape[axis]
        lines: list[str] = []
        terms: list[str] = []
        constants: list[Constant] = []
        for depth, at in enumerate(places[:axis]):
            stride = prod(x.shape[depth + 1 :])
            if len(at) == 1 and at[0] == 0:
                continue
            name = f"{prefix}_places{depth}"
            constants.append(Constant(name, "int16_t", at, f"[{len(at)}], axis {depth}"))
            indent = "    " * len(terms)
            lines.append(f"{indent}for (int32_t i{depth} = 0; i{depth} < {len(at)}; i{depth}++) {{")
            terms.append(f"{name}[i{depth}] * {stride}" if stride > 1 else f"{name}[i{depth}]")
        inside, place = "    " * len(terms), " + ".join(terms) or "0"
        if run == 1:
            lines.append(f"{inside}*y++ = x0[{place}];")
        else:
            lines += [f"{inside}tl_copy(y, x0 + {place}, {run * BYTES[x.element]});", f"{inside}y += {run};"]
        lines += ["    " * depth + "}" for depth in reversed(range(len(terms)))]
        return Lowered(tuple(lines), tuple(constants), ("tl_copy.h",))


class MirrorPad(Pick):
    """Attribute `mode`: 0 reflects without the edge, 1 repeats it."""

    def places(self, graph: Graph, op: Operator) -> list[Places]:
        x, borders = graph.tensors[op.inputs[0]], np.asarray(graph.tensors[op.inputs[1]].data)
        mode = "reflect" if op.attributes["mode"] == 0 else "symmetric"
        room = 1 if mode == "reflect" else 0
        pairs = borders.reshape(-1, 2).tolist()
        if len(pairs) != len(x.shape) or any(not 0 <= n <= size - room for p, size in zip(pairs, x.shape) for n in p):  # noqa: B905
            raise ValueError(f"borders {pairs} of a tensor of shape {x.shape}")
        return [
            np.pad(np.arange(size, dtype=np.int64), (before, after), mode=mode)  # type: ignore[call-overload]
            for size, (before, after) in zip(x.shape, pairs, strict=True)
        ]


class ResizeNearest(Pick):
    """TFLite: GetNearestNeighbor, in single precision."""

    def places(self, graph: Graph, op: Operator) -> list[Places]:
        x, sizes = graph.tensors[op.inputs[0]], np.asarray(graph.tensors[op.inputs[1]].data).ravel()
        if len(x.shape) != 4 or len(sizes) != 2 or sizes.min() < 1:
            raise ValueError(f"an image of shape {x.shape} is resized to {sizes.tolist()}")
        whole = [np.arange(size, dtype=np.int64) for size in x.shape]
        for axis, size in zip((1, 2), sizes.tolist(), strict=True):
            whole[axis] = _nearest(x.shape[axis], size, op.attributes["align_corners"], op.attributes["half_pixels"])
        return whole


def _nearest(given: int, wanted: int, align: int, half: int) -> Places:
    scale = np.float32(given) / np.float32(wanted)
    if align and wanted > 1:
        scale = np.float32(given - 1) / np.float32(wanted - 1)
    at = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if half else 0.0)) * scale
    rounded = np.floor(at + np.float32(0.5)) if align else np.floor(at)
    return np.clip(rounded, 0 if half else None, given - 1).astype(np.int64)
