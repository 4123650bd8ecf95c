"""Constants of nothing but zeros whose scale is 0, as 16x8 converters write the first state of a recurrent layer.

Zero is zero in any scale, so that such a constant gets the finest scale among the other operands and results of the
operators that read it: no rounding changes, and the rules see a scale that they can reckon with. Runs on the graph as
read, before it is checked.
"""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph, Quantisation, Tensor


def scale_zeros(graph: Graph) -> Graph:
    """Such constants get a scale; others, and those that nothing with a scale stands beside, stay as they are."""
    tensors = list(graph.tensors)
    for index, tensor in enumerate(graph.tensors):
        if _is_zero(tensor):
            users = [graph.operators[i] for i in graph.consumers(index)]
            beside = [graph.tensors[t] for op in users for t in (*op.inputs, *op.outputs) if t not in (-1, index)]
            scales = [t.scale for t in beside if _has_scale(t)]
            if scales:
                tensors[index] = dataclasses.replace(tensor, quantisation=Quantisation((min(scales),), (0,)))
    return dataclasses.replace(graph, tensors=tuple(tensors))


def _is_zero(tensor: Tensor) -> bool:
    q = tensor.quantisation
    if tensor.data is None or q is None or (q.scale, q.zero_point) != ((0.0,), (0,)):
        return False
    return not np.any(tensor.data)


def _has_scale(tensor: Tensor) -> bool:
    q = tensor.quantisation
    return tensor.element in ("int8", "int16") and q is not None and not q.per_channel and q.scale[0] > 0.0
