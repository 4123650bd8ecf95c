"""One run of a TFLite file in LiteRT's reference kernels."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyloc.export.flatbuffer import graph, load, tensor_name
from tinyloc.export.litert import dequantise, quantise


def run(content: bytes, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Real inputs -> real outputs, quantised and dequantised where the file is of integers."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], quantise(value, detail))
    interpreter.invoke()
    return [dequantise(interpreter.get_tensor(d["index"]), d) for d in interpreter.get_output_details()]


def every_value(content: bytes, inputs: Sequence[np.ndarray]) -> dict[str, tuple[float, float]]:  # type: ignore[type-arg]
    """Ranges of all computed tensors."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    part = graph(load(content))
    computed = {*map(int, part.inputs), *(int(i) for op in part.operators for i in op.outputs)}
    values = {tensor_name(part.tensors[i]): interpreter.get_tensor(i) for i in computed}
    return {name: (float(value.min()), float(value.max())) for name, value in values.items()}
