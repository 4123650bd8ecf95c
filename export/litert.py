"""Run a TFLite step in LiteRT, sample by sample, with the reference kernels.

BUILTIN_REF on purpose: generated code is compared with it byte for byte, and delegates such as XNNPACK round otherwise.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, tensor_name
from tinyloc.export.step_names import StepNames

Array = npt.NDArray[Any]


class StepRunner:
    """A TFLite file whose state outputs are fed back to its state inputs. Works on the integers of the file.

    Letters: P access points, C classes, T samples of a recording, n values of a state. `values` of every tensor can be
    read after a step when `keep` is set (slower; for parity tables and calibration). Raises ExportError when LiteRT
    does not run the file, or the file lacks a tensor of `names`.
    """

    def __init__(self, content: bytes, names: StepNames, keep: bool = False) -> None:
        try:
            self._interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                experimental_preserve_all_tensors=keep,
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"LiteRT's reference kernels do not run this file: {error}") from error
        details = {str(d["name"]): d for d in self._interpreter.get_input_details()}
        outputs = {str(d["name"]): d for d in self._interpreter.get_output_details()}
        missing = [n for n in names.inputs if n not in details] + [n for n in names.outputs if n not in outputs]
        if missing:
            raise ExportError(f"the file has no tensor {', '.join(missing)}; it has {', '.join([*details, *outputs])}")
        self._details = details
        self._input = details[names.inputs[0]]
        self._output = outputs[names.outputs[0]]
        self._states = [(details[i], outputs[o]) for i, o in zip(names.state_inputs, names.state_outputs, strict=True)]
        self._computed = _computed_names(content)
        self._kept = self._readable() if keep else []
        self.reset()

    def reset(self) -> None:
        """State of a new recording: real value 0 in every element."""
        self._state = [np.full(i["shape"], i["quantization"][1], i["dtype"]) for i, _ in self._states]

    def step(self, reading: Array) -> Array:
        """Quantised reading (P,) -> quantised scores (C,), integers of the file; the state advances."""
        self._interpreter.set_tensor(self._input["index"], reading.astype(self._input["dtype"])[None])
        for (tensor, _), value in zip(self._states, self._state, strict=True):
            self._interpreter.set_tensor(tensor["index"], value)
        self._interpreter.invoke()
        self._state = [self._interpreter.get_tensor(tensor["index"]) for _, tensor in self._states]
        scores: Array = self._interpreter.get_tensor(self._output["index"])[0]
        return scores

    @property
    def state(self) -> list[Array]:
        """The state tensors as the next step will read them, each (1, n), integers of the file."""
        return self._state

    def set_state(self, real: Sequence[Array]) -> None:
        """Real values (1, n) -> the state that the next step reads."""
        self._state = [quantise(value, tensor) for value, (tensor, _) in zip(real, self._states, strict=True)]

    def quantise(self, x: Array) -> Array:
        """Model input (..., P) -> the file's integers, half away from zero, saturated. A float file: as it is."""
        return quantise(x, self._input)

    def dequantise(self, scores: Array) -> npt.NDArray[np.float32]:
        """Scores of `step`, any shape -> float32, in the units of the float model's scores."""
        return dequantise(scores, self._output)

    def run(self, x: Array) -> npt.NDArray[np.float32]:
        """One recording in float: model input (T, P) in 0..1 -> scores (T, C), from a reset state."""
        self.reset()
        return np.stack([self.dequantise(self.step(row)) for row in self.quantise(x)])

    def values_for(self, inputs: dict[str, Array]) -> dict[str, npt.NDArray[np.float32]]:
        """`values` after one invocation on the given input tensors, name -> (1, n), in the file's own type."""
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._details[name]["index"], value)
        self._interpreter.invoke()
        return self.values()

    def values(self) -> dict[str, npt.NDArray[np.float32]]:
        """Real values of all computed tensors of the last step, by name. Needs `keep`."""
        return {name: dequantise(self._interpreter.get_tensor(detail["index"]), detail) for name, detail in self._kept}

    def _readable(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for detail in self._interpreter.get_tensor_details():
            if detail["dtype"] in (np.float32, np.int8, np.int16) and str(detail["name"]) in self._computed:
                found.append((str(detail["name"]), detail))
        return found


def _computed_names(content: bytes) -> set[str]:
    """Inputs and what operators compute; LiteRT lists constants and scratch memory as tensors too."""
    part = graph(load(content))
    indices = [*part.inputs, *(i for operator in part.operators for i in operator.outputs)]
    return {tensor_name(part.tensors[i]) for i in indices}


def quantise(x: Array, detail: dict[str, Any]) -> Array:
    """Real values -> integers of a LiteRT tensor: round(x / scale) + zero point, half away from zero, saturated.

    Any shape. `detail` is LiteRT's description of the tensor, one scale for all of it; a float tensor takes x as it is.
    """
    scale, zero_point = detail["quantization"]
    dtype = detail["dtype"]
    if np.dtype(dtype).kind == "f":
        return x.astype(dtype)
    limits = np.iinfo(dtype)
    scaled = x.astype(np.float64) / scale
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + zero_point
    integers: Array = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return integers


def dequantise(raw: Array, detail: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Integers of a LiteRT tensor -> real values of the same shape; per-channel scales included."""
    if raw.dtype.kind == "f":
        return raw.astype(np.float32)
    parameters = detail["quantization_parameters"]
    scale, zero_point = parameters["scales"].astype(np.float64), parameters["zero_points"]
    if len(scale) == 0:
        return raw.astype(np.float32)
    if len(scale) > 1:
        shape = [1] * raw.ndim
        shape[parameters["quantized_dimension"]] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    real: npt.NDArray[np.float32] = ((raw.astype(np.float64) - zero_point) * scale).astype(np.float32)
    return real
