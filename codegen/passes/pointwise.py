"""FULLY_CONNECTED in TFLM's arithmetic becomes CONV_2D of one tap, whose kernels round as TFLM does: twice."""

import dataclasses

from tinyloc.codegen.graph import Graph, Operator, Tensor

_ONE_TAP = {"padding": 0, "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1}


def convolve_rows(graph: Graph) -> tuple[Graph, list[str]]:
    """Rows become pixels of an image of one line; weights a filter of 1 x 1."""
    operators: list[Operator] = []
    notes = []
    for op in graph.operators:
        if op.kind != "FULLY_CONNECTED" or not op.attributes.get("as_tflm"):
            operators.append(op)
            continue
        x, w, y = (graph.tensors[t] for t in (*op.inputs[:2], *op.outputs))
        assert w.data is not None
        rows, (channels, depth) = y.size // w.shape[0], w.shape
        image = dataclasses.replace(x, name=f"{x.name} as pixels", shape=(1, 1, rows, depth), data=None)
        taps = Tensor(w.name, (channels, 1, 1, depth), w.element, w.quantisation, w.data.reshape(channels, 1, 1, depth))
        result = dataclasses.replace(y, name=f"{y.name} as pixels", shape=(1, 1, rows, channels))
        graph, pixels = graph.with_tensor(image)
        graph, filters = graph.with_tensor(taps)
        graph, sums = graph.with_tensor(result)
        operators += [
            Operator("RESHAPE", (op.inputs[0],), (pixels,), {}, op.origin),
            dataclasses.replace(
                op, kind="CONV_2D", inputs=(pixels, filters, *op.inputs[2:3]), outputs=(sums,),
                attributes={**op.attributes, **_ONE_TAP},
            ),
            Operator("RESHAPE", (sums,), op.outputs, {}, op.origin),
        ]  # fmt: skip
        notes.append(f"{op.origin[0]}: a convolution of one tap, which rounds as TFLM does")
    return graph.with_operators(operators), notes
