"""RESIZE_BILINEAR, NHWC: weights in 10 bits a side. TFLite: reference_ops::ResizeBilinearInteger."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems, shape_problems

Int64s = npt.NDArray[np.int64]
ONE = 1 << 10


@dataclass(frozen=True)
class Side:
    """For each output place along an axis: the two input places and the weight of the second, of 1024."""

    first: Int64s
    second: Int64s
    weight: Int64s


def _side(given: int, wanted: int, align: int, half: int) -> Side:
    scale = (ONE * given + wanted // 2) // wanted
    if align and wanted > 1:
        scale = (ONE * (given - 1) + (wanted - 1) // 2) // (wanted - 1)
    at = np.arange(wanted, dtype=np.int64) * scale + (scale // 2 - ONE // 2 if half else 0)
    # C divides towards zero: a place before the first is the first, seen with a weight below zero
    first = np.maximum(np.trunc(at / ONE).astype(np.int64), 0)
    second = np.minimum(np.trunc((at + ONE - 1) / ONE).astype(np.int64), given - 1)
    return Side(first, second, at - ONE * first)


class ResizeBilinear(KernelRule):
    """Attributes `align_corners`, `half_pixels`."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        x, sizes = (graph.tensors[t] for t in op.inputs)
        if sizes.data is None:
            problems.append(f"{sizes.name} is computed: sizes must be constants")
        if problems:
            return problems
        if len(x.shape) != 4 or x.shape[0] != 1 or sizes.size != 2:
            return [f"an image of shape {x.shape}: only rank 4, batch 1 is supported"]
        problems += moved_problems(graph, op, 1)
        height, width = (int(n) for n in np.asarray(sizes.data).ravel())
        return problems + shape_problems(graph, op.outputs[0], (1, height, width, x.shape[3]))

    @staticmethod
    def _sides(graph: Graph, op: Operator) -> tuple[Side, Side]:
        x, y = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
        how = op.attributes["align_corners"], op.attributes["half_pixels"]
        return _side(x[1], y[1], *how), _side(x[2], y[2], *how)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        image = values[0][0].astype(np.int64)
        rows, columns = self._sides(graph, op)
        sums = np.zeros(graph.tensors[op.outputs[0]].shape[1:], np.int64)
        for row, down in ((rows.first, ONE - rows.weight), (rows.second, rows.weight)):
            for column, right in ((columns.first, ONE - columns.weight), (columns.second, columns.weight)):
                sums += image[np.ix_(row, column)] * down[:, None, None] * right[None, :, None]
        half = ONE * ONE // 2
        result = np.sign(sums) * ((np.abs(sums) + half) >> 20)
        return [result.astype(values[0].dtype)[None]]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        constants, arrays = [], []
        for name, side in zip(("rows", "columns"), self._sides(graph, op), strict=True):
            table = np.stack([side.first, side.second, side.weight], axis=1)
            constants.append(
                Constant(f"{prefix}_{name}", "int16_t", table, f"[{len(table)}][first, second, weight of the second]")
            )
            arrays.append(constants[-1].name)
        suffix = "s16" if x.element == "int16" else "s8"
        sizes = f"{y.shape[1]}, {y.shape[2]}, {x.shape[2]}, {x.shape[3]}"
        call = f"tl_resize_bilinear_{suffix}(x0, {', '.join(arrays)}, {sizes}, y);"
        return Lowered((call,), tuple(constants), ("tl_resize.h",))
