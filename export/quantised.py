"""The three TFLite files of a step: float, int8, int16x8; named, tied and with scales from whole recordings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export import names as naming
from tinyloc.export.depthwise import depthwise
from tinyloc.export.flatbuffer import constant, dump, graph, load, tensor_name
from tinyloc.export.litert import StepRunner
from tinyloc.export.requantise import Range, requantise
from tinyloc.export.rsqrt import rsqrt
from tinyloc.export.to_onnx import StepNames
from tinyloc.export.to_tflite import Converted

Array = npt.NDArray[np.float32]


def float_file(converted: Converted, onnx: Path, names: StepNames, sample: dict[str, Array]) -> Any:
    """The float file as a ModelT with readable names. sample: one row of recorded inputs, name -> (1, n)."""
    model = load(converted.float)
    naming.name_step(model, names)
    depthwise(model)
    rsqrt(model)
    naming.name_values(model, onnx, names, sample)
    return model


def measure_ranges(float_model: bytes, names: StepNames, streams: Sequence[Array]) -> dict[str, Range]:
    """Least and greatest value of every computed tensor along streams (T, P), each from a zero state."""
    runner = StepRunner(float_model, names, keep=True)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for x in streams:
        runner.reset()
        for reading in x:
            runner.step(reading)
            for name, value in runner.values().items():
                low[name] = min(low.get(name, np.inf), float(value.min()))
                high[name] = max(high.get(name, -np.inf), float(value.max()))
    return {name: (low[name], high[name]) for name in low}


def integer_file(
    converted: Converted, float_model: Any, names: StepNames, ranges: dict[str, Range], arithmetic: Arithmetic
) -> bytes:
    """The int8 or int16x8 file."""
    model = load(getattr(converted, arithmetic))
    naming.name_step(model, names)
    depthwise(model)
    rsqrt(model)
    naming.copy_names(float_model, model, naming.same_operators(float_model, model))
    requantise(model, ranges, names, arithmetic, _vectors(float_model))
    return dump(model)


def _vectors(float_model: Any) -> dict[str, Array]:
    """Constants of rank 1 by name: among them every bias."""
    found = {tensor_name(tensor): constant(float_model, tensor) for tensor in graph(float_model).tensors}
    return {name: values for name, values in found.items() if values is not None and values.ndim == 1}
