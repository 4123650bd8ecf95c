"""Grouped convolutions become one convolution for each group: the same function, no weight added."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from tinyloc.export.onnx_groups import split_groups  # noqa: E402


def convolution(path: Path, weights: tuple[int, ...], groups: int, bias: bool, image: tuple[int, ...]) -> Any:
    chance = np.random.default_rng(3)
    constants = [numpy_helper.from_array(chance.normal(size=weights).astype(np.float32), "w")]
    if bias:
        constants.append(numpy_helper.from_array(chance.normal(size=weights[0]).astype(np.float32), "b"))
    pads = [1] * (2 * len(weights[2:]))
    names = ["x", *(one.name for one in constants)]
    node = helper.make_node("Conv", names, ["y"], group=groups, pads=pads, strides=[2] * len(weights[2:]))
    graph = helper.make_graph(
        [node, helper.make_node("Relu", ["y"], ["z"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)], constants,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return ReferenceEvaluator(str(path))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("weights", "groups", "image"),
    [((12, 2, 3, 3), 4, (1, 8, 6, 7)), ((8, 4, 3), 2, (1, 8, 10))],
)
def test_the_function_stays(
    weights: tuple[int, ...], groups: int, image: tuple[int, ...], bias: bool, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    before = convolution(path, weights, groups, bias, image)
    split_groups(path)
    x = np.random.default_rng(4).normal(size=image).astype(np.float32)
    after = onnx.load(str(path))
    (found,) = ReferenceEvaluator(after).run(None, {"x": x})
    np.testing.assert_allclose(found, before.run(None, {"x": x})[0], atol=1e-5)
    kinds = [node.op_type for node in after.graph.node]
    assert kinds == ["Split", *["Conv"] * groups, "Concat", "Relu"]
    read = {name for node in after.graph.node for name in node.input}
    used = [one for one in after.graph.initializer if one.name in read and one.data_type == TensorProto.FLOAT]
    assert sum(int(np.prod(one.dims)) for one in used) == np.prod(weights) + bias * weights[0]


@pytest.mark.parametrize(("weights", "groups"), [((8, 1, 3, 3), 8), ((8, 8, 3, 3), 1)])
def test_depthwise_and_plain_convolutions_stay(weights: tuple[int, ...], groups: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    convolution(path, weights, groups, True, (1, 8, 6, 6))
    content = path.read_bytes()
    split_groups(path)
    assert path.read_bytes() == content
