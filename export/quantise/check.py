"""All that cannot be quantised, at once, by operator and layer, with what would help."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import constant, graph, operator_name, tensor_name
from tinyloc.export.quantise import lstm
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.rules import HELP, INDEX, RULES
from tinyloc.export.quantise.widths import Widths, layer_name

TYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
SPREAD_OF_4_BITS = 8.0
"""Largest weight of a channel over its root mean square. Measured: up to it post-training 4-bit weights of a wide layer
cost nothing beyond the spread of the seeds, at 12 they cost .05 of macro F1, at 16 .13 (docs/concepts/quantisation.md).
At 8 half of the weights round to 0, and the channel's signal-to-noise ratio is 10 dB: 10 log10(588 / ratio^2)."""


def structure(model: Any, widths: Widths) -> list[str]:
    """What in the graph has no integer form, apart from ranges."""
    if len(model.subgraphs) != 1:
        return [
            f"{len(model.subgraphs)} subgraphs: control flow has no integer form; {HELP['WHILE']}",
            *_operators(model, widths),
        ]
    return _types(model) or _operators(model, widths)  # a file of another type has a DEQUANTIZE for each weight


def _types(model: Any) -> list[str]:
    part = graph(model)
    found: dict[str, list[str]] = {}
    for index in sorted({int(i) for operator in part.operators for i in (*operator.inputs, *operator.outputs)}):
        if index >= 0 and part.tensors[index].type in (
            schema.TensorType.FLOAT16, schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16,
            schema.TensorType.INT4,
        ):  # fmt: skip
            found.setdefault(TYPES[part.tensors[index].type], []).append(tensor_name(part.tensors[index]))
    return [
        f"{len(names)} tensors are {kind} already ({', '.join(names[:3])}): give the float32 file"
        for kind, names in found.items()
    ]


def _operators(model: Any, widths: Widths) -> list[str]:
    part = graph(model)
    problems = []
    for number, operator in enumerate(part.operators):
        kind = operator_name(model, operator)
        name = tensor_name(part.tensors[operator.outputs[0]]) if len(operator.outputs) else f"#{number}"
        rule = RULES.get(kind)
        if rule is None:
            advice = f"; instead: {HELP[kind]}" if kind in HELP else ""
            problems.append(f"{kind} at {name} has no integer form{advice}")
            continue
        width = widths.of(layer_name(model, operator))
        if width.activations not in rule.activations and rule.scale != INDEX:
            has = ", ".join(f"a{bits}" for bits in rule.activations)
            problems.append(f"{kind} at {name} has no kernel of {width}; it has {has}")
        if rule.recurrent:
            problems += lstm.problems(operator, name)
            if width.weights != 8:
                problems.append(f"{kind} at {name} has no kernel of {width}; it has w8a8")
        if rule.weight is not None:
            problems += _weights(model, operator, kind, name, widths)
        for index in operator.inputs:
            values = constant(model, part.tensors[index]) if index >= 0 and _is_float(part.tensors[index]) else None
            if values is not None and not np.isfinite(values).all():
                bad = int((~np.isfinite(values)).sum())
                problems.append(f"{tensor_name(part.tensors[index])} of {kind} at {name} holds NaN or infinity ({bad})")
    return problems


def _weights(model: Any, operator: Any, kind: str, name: str, widths: Widths) -> list[str]:
    rule, width = RULES[kind], widths.of(layer_name(model, operator))
    assert rule.weight is not None
    weights = constant(model, graph(model).tensors[operator.inputs[rule.weight]])
    if weights is None:
        return [f"{kind} at {name} has computed weights; write the product as BATCH_MATMUL (operands of rank 3)"]
    problems = []
    bias = int(operator.inputs[rule.bias]) if rule.bias is not None and len(operator.inputs) > rule.bias else -1
    if bias >= 0 and constant(model, graph(model).tensors[bias]) is None:
        problems.append(f"{kind} at {name} has a computed bias; add it with ADD")
    if (width.weights, width.activations) not in rule.weight_bits:
        has = ", ".join(f"w{w}a{a}" for w, a in rule.weight_bits)
        problems.append(f"{kind} at {name} has no kernel of {width}; it has {has}")
    elif width.weights == 4:
        rows = np.moveaxis(weights.astype(np.float64), rule.axis, 0).reshape(weights.shape[rule.axis], -1)
        typical = np.sqrt((rows**2).mean(axis=1))
        spread = np.abs(rows).max(axis=1) / np.where(typical > 0, typical, 1.0)
        if spread.max(initial=0.0) > SPREAD_OF_4_BITS:
            worst = int(spread.argmax())
            problems.append(
                f"{kind} at {name}: the largest weight of channel {worst} is {spread[worst]:.1f} times the typical "
                f"one; 4 bits hold {SPREAD_OF_4_BITS:g}. Set w8 for this layer"
            )
    return problems


def _is_float(tensor: Any) -> bool:
    return bool(tensor.type == schema.TensorType.FLOAT32)


def ranges(model: Any, found: Mapping[str, Range], known: Sequence[str]) -> list[str]:
    """Values of the graph whose range is unseen or no number."""
    part = graph(model)
    cells = [operator.inputs[lstm.CELL] for operator in part.operators if operator_name(model, operator) == lstm.KIND]
    computed = [*part.inputs, *(i for operator in part.operators for i in operator.outputs), *cells]
    problems = []
    unseen = []
    for index in dict.fromkeys(int(i) for i in computed):
        tensor = part.tensors[index]
        if not _is_float(tensor) or tensor_name(tensor) in known:
            continue
        bounds = found.get(tensor_name(tensor))
        if bounds is None:
            unseen.append(tensor_name(tensor))
        elif not np.isfinite(bounds).all():
            problems.append(f"{tensor_name(tensor)} reached {bounds[0]:g} .. {bounds[1]:g} along the calibration data")
    if unseen:
        more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
        problems.append(f"no range was measured for {', '.join(unseen[:3])}{more}")
    return problems
