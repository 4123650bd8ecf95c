"""Grouped convolutions of an ONNX file -> one convolution for each group: TFLite files of onnx2tf have no groups."""

from pathlib import Path
from typing import Any


def split_groups(path: Path) -> None:
    """Rewrite the file in place where it has grouped convolutions that are not depthwise.

    A convolution of g groups becomes Split, g convolutions with their own weights, Concat: no weight is added.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    stored = {one.name: one for one in model.graph.initializer}
    nodes: list[Any] = []
    added: list[Any] = []
    for node in model.graph.node:
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        weights = stored.get(node.input[1]) if node.op_type == "Conv" else None
        if groups == 1 or weights is None or weights.dims[1] == 1:  # depthwise has a kernel
            nodes.append(node)
            continue
        made, constants = _apart(node, groups, [numpy_helper.to_array(stored[name]) for name in node.input[1:]])
        nodes += made
        added += constants
    if added:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(added)
        onnx.save(model, str(path))


def _apart(node: Any, groups: int, arrays: list[Any]) -> tuple[list[Any], list[Any]]:
    """Nodes and their constants. arrays: weights and, where there is one, bias."""
    import numpy as np
    from onnx import helper, numpy_helper

    stem = node.output[0]
    kept = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name != "group"}
    constants = [numpy_helper.from_array(np.full(groups, arrays[0].shape[1], np.int64), f"{stem}/sizes")]
    parts = [f"{stem}/in{number}" for number in range(groups)]
    sums = [f"{stem}/out{number}" for number in range(groups)]
    made = [helper.make_node("Split", [node.input[0], f"{stem}/sizes"], parts, name=f"{stem}/split", axis=1)]
    columns = [np.split(array, groups) for array in arrays]
    for number, (part, total) in enumerate(zip(parts, sums, strict=True)):
        names = [f"{name}/{number}" for name in node.input[1:]]
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(rows[number]), name)
            for rows, name in zip(columns, names, strict=True)
        ]
        made.append(helper.make_node("Conv", [part, *names], [total], name=f"{stem}/group{number}", **kept))
    return [*made, helper.make_node("Concat", sums, [stem], name=f"{stem}/concat", axis=1)], constants
