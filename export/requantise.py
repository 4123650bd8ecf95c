"""Set the scales of an integer TFLite file from ranges that were measured well.

Three things are wrong with the scales that come out of the converter. Its calibrator logs the inputs of operators that
work in place after they ran, so some ranges are several times too wide. A state's input and output are calibrated
apart, so a step could not run on its own output. And values that CONCATENATION joins get a QUANTIZE between them. Here
every value gets the range that the float file showed along a long stream; values that must share a scale (a state's two
ends, the operands of views and of CONCATENATION) share the union; QUANTIZEs that this makes identities are removed.

Scale and zero point as in TFLite's quantisation specification: int8 is asymmetric with 0 represented exactly, int16 is
symmetric with zero point 0. Biases are scaled by input scale times weight scale and are rounded again.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import (
    constant,
    graph,
    operator_name,
    own_constant,
    scales,
    set_constant,
    set_quantisation,
    tensor_name,
)
from tinyloc.export.to_onnx import INPUT, StepNames
from tinyloc.training.compress.scales import HEADROOM, READING_RANGE, affine

Range = tuple[float, float]
Values = npt.NDArray[np.floating[Any]]

VIEWS = ("RESHAPE", "STRIDED_SLICE", "SLICE", "TRANSPOSE", "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SQUEEZE",
         "EXPAND_DIMS", "PAD", "GATHER")  # fmt: skip
"""Operators that move values without arithmetic: inputs and outputs share scale and zero point."""
FIXED = ("LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")
"""Operators whose output scale the specification prescribes."""
WITH_BIAS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")


BIAS_ROUNDING = 0.75
"""Of a step: the most that the converter's bias differs from the float file's of the same name."""
ALWAYS_ZERO: Range = (-1.0, 1.0)
"""Range of a value that never was other than 0, such as what a state brings that starts anew at every sample: any scale
holds 0, and one like its neighbours' keeps the factors between them within bounds."""
LOWEST_EXPONENT = -8.0
"""Input of EXP saturates below this: a decay of exp(-8) forgets within one sample as one of exp(-20) does, and EXP's
table of 513 points spans the range of its input."""


def requantise(
    model: Any, ranges: dict[str, Range], names: StepNames, arithmetic: Arithmetic, biases: dict[str, Values]
) -> None:
    """Rewrite scales, zero points and biases in place, tie states, drop identity QUANTIZEs.

    ranges: (least, greatest) real value by tensor name, for every value that the float file computes. biases: of the
    float file, by tensor name; the converter's integers, where given instead, were rounded once already.
    """
    groups = _Groups(len(graph(model).tensors))
    _join_values_of_one_scale(model, groups, names)
    _set_scales(model, groups, ranges, arithmetic)
    _rescale_biases(model, biases)
    _drop_identities(model)


class _Groups:
    """Sets of tensors that share a scale (union-find)."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def find(self, index: int) -> int:
        while self.parent[index] != index:
            index = self.parent[index]
        return index

    def join(self, a: int, b: int) -> None:
        self.parent[self.find(a)] = self.find(b)


def _join_values_of_one_scale(model: Any, groups: _Groups, names: StepNames) -> None:
    tensors = graph(model).tensors
    index_of = {tensor_name(tensor): index for index, tensor in enumerate(tensors)}
    for source, target in zip(names.state_inputs, names.state_outputs, strict=True):
        groups.join(index_of[source], index_of[target])
    prescribed = {int(op.outputs[0]) for op in graph(model).operators if operator_name(model, op) in FIXED}
    for operator in graph(model).operators:
        kind = operator_name(model, operator)
        members = [int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0 and len(scales(tensors[i]))]
        if kind == "QUANTIZE" and not prescribed.intersection(members):
            same_type = len({tensors[i].type for i in members}) == 1
            if same_type:
                groups.join(members[0], members[1])
        elif kind in VIEWS:
            for other in members[1:]:
                groups.join(members[0], other)


def _set_scales(model: Any, groups: _Groups, ranges: dict[str, Range], arithmetic: Arithmetic) -> None:
    tensors, operators = graph(model).tensors, graph(model).operators
    prescribed = {groups.find(int(op.outputs[0])) for op in operators if operator_name(model, op) in FIXED}
    union: dict[int, Range] = {}
    computed = {*graph(model).inputs, *(int(i) for op in operators for i in op.outputs)}
    for index in computed:
        group = groups.find(int(index))
        if not len(scales(tensors[index])) or group in prescribed:
            continue
        low, high = union.get(group, (0.0, 0.0))
        lower, higher = _range(ranges, tensor_name(tensors[index]), HEADROOM[arithmetic])
        union[group] = (min(low, lower), max(high, higher))
    for operator in operators:
        if operator_name(model, operator) == "EXP":
            source, target = (groups.find(int(i)) for i in (operator.inputs[0], operator.outputs[0]))
            union[source] = (max(union[source][0], LOWEST_EXPONENT), union[source][1])
            if union[source][1] <= 0:
                union[target] = (0.0, min(union[target][1], 1.0))
    for index in computed:
        group = groups.find(int(index))
        if group in union:
            held = union[group] if any(union[group]) else ALWAYS_ZERO
            scale, zero_point = affine(*held, arithmetic)
            set_quantisation(tensors[index], np.array([scale]), np.array([zero_point]))


def _range(ranges: dict[str, Range], name: str, headroom: float) -> Range:
    if name == INPUT:
        return READING_RANGE
    found = ranges.get(name.removesuffix("/requantised"))
    if found is None:
        raise ExportError(f"no range was measured for {name}; this is a bug of tinyloc; please report it")
    return found[0] * headroom, found[1] * headroom


def _rescale_biases(model: Any, exact: dict[str, Values]) -> None:
    tensors = graph(model).tensors
    for operator in graph(model).operators:
        if operator_name(model, operator) not in WITH_BIAS or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        source, weight = (tensors[i] for i in operator.inputs[:2])
        bias = own_constant(model, operator, 2)
        values = constant(model, bias)
        if values is None:
            raise ExportError(f"{tensor_name(bias)}: a bias that is not constant")
        real = values.astype(np.float64) * scales(bias).astype(np.float64)
        known = exact.get(tensor_name(bias), real)
        if known.shape == real.shape and np.all(np.abs(known - real) <= BIAS_ROUNDING * scales(bias)):
            real = known.astype(np.float64)
        scale = scales(source).astype(np.float64) * scales(weight).astype(np.float64)
        limits = np.iinfo(values.dtype)
        if np.abs(real / scale).max(initial=0.0) > limits.max:
            raise ExportError(
                f"{tensor_name(bias)} does not fit {values.dtype}: the layer's input range is tiny beside its bias"
            )
        set_constant(model, bias, np.rint(real / scale).astype(values.dtype))
        set_quantisation(bias, scale, np.zeros(len(scale)))


def _drop_identities(model: Any) -> None:
    part = graph(model)
    replaced: dict[int, int] = {}
    kept = []
    for operator in part.operators:
        operator.inputs = [replaced.get(int(i), int(i)) for i in operator.inputs]
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        a, b = part.tensors[source], part.tensors[target]
        if (
            operator_name(model, operator) == "QUANTIZE"
            and a.type == b.type
            and target not in part.outputs
            and np.array_equal(scales(a), scales(b))
            and np.array_equal(a.quantization.zeroPoint, b.quantization.zeroPoint)
        ):
            replaced[target] = source
        else:
            kept.append(operator)
    part.operators = kept
