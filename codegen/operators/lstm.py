"""UNIDIRECTIONAL_SEQUENCE_LSTM, fully quantised: int8 activations and weights, an int16 cell state.

A gate is two sums, of the input and of the hidden state, each scaled to 3.12 with two roundings and limited to 16 bits
as it is added; sigmoid and tanh are those of gates16.py. TFLite: LstmStepInteger8x8_16. With the attribute `as_tflm`
the arithmetic is TFLM's, see lstm_tflm.py: passes/recurrent.py sets it where LiteRT's has no tanh of the cell state.

Operands are TFLite's, the states at 18 and 19 absent: the sequence starts from real zero. passes/recurrent.py brings
an operator of a file into this form. Outputs: the sequence, the last cell state and, with the attribute `last`, a
second row that takes turns with the first, which is then all that is kept of the sequence. A step, see stepping.py, has
the states as operands, one sample as input, and the next states as outputs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint, gates16
from tinyloc.codegen.arithmetic.overflow_checks import reach
from tinyloc.codegen.arithmetic.requantise import Int64s, sum_bound
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.kernel_forms.packing import pack_blocks
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators import logistic16, lstm_tflm
from tinyloc.codegen.operators.base import KernelRule, operand_names, quantised_problems

GATES = ("input", "forget", "cell", "output")
INPUT_WEIGHTS, RECURRENT_WEIGHTS, PEEPHOLES, BIASES, PROJECTION, HIDDEN, CELL, NORMS = 1, 5, 9, 12, 16, 18, 19, 20
_NAMED = (
    (PEEPHOLES, 3, "peephole connections"),
    (PROJECTION, 2, "a projection"),
    (NORMS, 4, "layer normalisation in the cell"),
)
SUM_LIMIT = 1 << 30
Step = Callable[[Operator, "Sequence[Gate]", Int64s, Int64s, Int64s], tuple[Int64s, Int64s]]
"""(operator, gates, sample, hidden, cell) -> (next cell, next hidden)."""


@dataclass(frozen=True)
class Gate:
    """One gate of all units. Weights (units, depth), biases (units,), factors as (multiplier, shift)."""

    input_weights: Int64s
    recurrent_weights: Int64s
    input_bias: Int64s
    recurrent_bias: Int64s
    input_factor: tuple[int, int]
    recurrent_factor: tuple[int, int]


def _gate(graph: Graph, op: Operator, gate: int) -> Gate:
    x = graph.tensors[op.inputs[0]]
    w, r = (graph.tensors[op.inputs[first + gate]] for first in (INPUT_WEIGHTS, RECURRENT_WEIGHTS))
    assert w.data is not None and r.data is not None
    bias = graph.tensors[op.inputs[BIASES + gate]].data
    assert bias is not None
    input_weights, recurrent_weights = w.data.astype(np.int64), r.data.astype(np.int64)
    to_gate = np.float32(2.0**-12)
    factors = (
        np.float32(w.scale) * np.float32(x.scale) / to_gate,
        np.float32(r.scale) * np.float32(op.attributes["state_scale"]) / to_gate,
    )
    return Gate(
        input_weights,
        recurrent_weights,
        bias.astype(np.int64) - x.zero_point * input_weights.sum(axis=1),
        -op.attributes["state_zero"] * recurrent_weights.sum(axis=1),
        *(fixedpoint.quantise_multiplier(float(factor)) for factor in factors),
    )


def gates_of(graph: Graph, op: Operator) -> list[Gate]:
    """Input, forget, cell, output."""
    return [_gate(graph, op, gate) for gate in range(4)]


def cell_bits(op: Operator) -> int:
    """Integer bits of the cell state, whose scale is a power of two."""
    return 15 + math.frexp(op.attributes["cell_scale"])[1] - 1


def cell_clip(op: Operator) -> int:
    """The largest magnitude of the cell state, in its own units; 32768 when it has no bound."""
    clip = np.float32(op.attributes["cell_clip"])
    if not clip > 0:
        return 32768  # never reached
    return int(min(clip / np.float32(op.attributes["cell_scale"]), np.float32(32767)))


def hidden_factor(op: Operator) -> tuple[int, int]:
    """From 0.30 to the hidden state, as (multiplier, shift)."""
    scale = float(np.float32(op.attributes["hidden_scale"]))
    return fixedpoint.quantise_multiplier(float(np.float32(2.0**-15 / scale * 2.0**-15)))


def _limited(values: Int64s) -> Int64s:
    return np.clip(values, -32768, 32767)


class Lstm(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = self._form_problems(graph, op)
        if problems:
            return problems
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        units, inputs = graph.tensors[op.inputs[INPUT_WEIGHTS + 3]].shape
        if x.shape[-1] != inputs or y.shape[-1] != units or x.size * units != y.size * inputs:
            problems.append(f"weights of shape {(units, inputs)} do not lead from {x.shape} to {y.shape}")
        batch = x.shape[1] if op.attributes["time_major"] and len(x.shape) == 3 else x.shape[0]
        if batch != 1:
            problems.append(f"{x.name} has shape {x.shape}: a batch of sequences; only batch 1 is supported")
        for name, size in zip(("hidden", "cell"), op.attributes.get("state_sizes", ()), strict=False):
            if size != units:
                problems.append(f"the {name} state has {size} elements for {units} units")
        for gate, name in enumerate(GATES):
            for first, depth in ((INPUT_WEIGHTS, inputs), (RECURRENT_WEIGHTS, units)):
                w = graph.tensors[op.inputs[first + gate]]
                if w.shape != (units, depth):
                    problems.append(f"the weights {w.name} of the {name} gate have shape {w.shape}")
            bias = graph.tensors[op.inputs[BIASES + gate]]
            if bias.size != units or bias.element != "int32":
                problems.append(f"the bias {bias.name} of the {name} gate must be {units} constants of int32")
        return problems or self._scale_problems(graph, op)

    @staticmethod
    def _form_problems(graph: Graph, op: Operator) -> list[str]:
        problems = [
            f"{what} in the LSTM: only the plain cell of Keras is supported"
            for first, count, what in _NAMED
            if any(t != -1 for t in op.inputs[first : first + count])
        ]
        if op.inputs[INPUT_WEIGHTS] == -1 or op.inputs[RECURRENT_WEIGHTS] == -1 or op.inputs[BIASES] == -1:
            problems.append("no input gate (CIFG) in the LSTM: only the plain cell of Keras is supported")
        if op.attributes["activation"] != 4:
            problems.append("the activation of the cell is not tanh")
        weights = [t for t in op.inputs[INPUT_WEIGHTS:PEEPHOLES] if t != -1]
        problems += quantised_problems(graph, (op.inputs[0], op.outputs[0], *weights), ("int8",))
        for tensor in (*weights, *(t for t in op.inputs[BIASES:PROJECTION] if t != -1)):
            if graph.tensors[tensor].data is None:
                problems.append(f"{graph.tensors[tensor].name} is computed: weights and biases must be constants")
        problems += [
            f"the weights {graph.tensors[t].name} have a zero point other than 0; quantise them symmetrically"
            for t in weights
            if graph.tensors[t].quantisation is not None and any(graph.tensors[t].quantisation.zero_point)  # type: ignore[union-attr]
        ]
        if "state_scale" not in op.attributes:
            problems.append("its states have no scale: quantise the whole model to int8, the cell state to int16")
        elif math.frexp(op.attributes["cell_scale"])[0] != 0.5 or cell_bits(op) not in lstm_tflm.CELL_BITS:
            problems.append(f"the cell state's scale {op.attributes['cell_scale']} is not one of 2**-23 to 2**-9")
        return problems

    @staticmethod
    def _scale_problems(graph: Graph, op: Operator) -> list[str]:
        problems = []
        x = graph.tensors[op.inputs[0]]
        for gate, name in enumerate(GATES):
            g = _gate(graph, op, gate)
            state_reach = max(127 - op.attributes["state_zero"], op.attributes["state_zero"] + 128)
            bias = graph.tensors[op.inputs[BIASES + gate]].data
            assert bias is not None
            of_input = sum_bound(g.input_weights, bias.astype(np.int64), x)
            of_state = int(np.abs(g.recurrent_weights).sum(axis=1).max()) * state_reach
            # partial sums too: the zero points are in the biases
            of_input = max(of_input, 2 * reach(x) * int(np.abs(g.input_weights).sum(axis=1).max()))
            for bound, (_, shift) in ((of_input, g.input_factor), (2 * of_state, g.recurrent_factor)):
                if bound << max(shift, 0) >= SUM_LIMIT or shift < -30:
                    problems.append(f"sums of the {name} gate reach {bound}: they overflow 32 bits; calibrate again")
        if not -30 <= hidden_factor(op)[1] <= 0:
            problems.append(f"the hidden state's scale {op.attributes['hidden_scale']} is out of range; calibrate")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return rows_of(graph, op, values, _step_by_tables if by_tables(op) else _step)

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        return () if op.inputs[CELL] == -1 else ((op.inputs[CELL], op.outputs[1]),)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        gates = gates_of(graph, op)
        units, inputs = gates[0].input_weights.shape
        constants: list[Constant] = []
        layers = []
        for what, weights, biases in (
            ("input", [g.input_weights for g in gates], [g.input_bias for g in gates]),
            ("recurrent", [g.recurrent_weights for g in gates], [g.recurrent_bias for g in gates]),
        ):
            rows = np.stack(weights, axis=1).reshape(4 * units, -1)
            packed = pack_blocks(f"{prefix}_{what}", rows, np.stack(biases, axis=1).ravel())
            constants += packed.constants
            layers.append(packed.layer.replace("tl_fc_s8_t layer", f"tl_fc_s8_t {what}"))
        names = operand_names(graph, op)
        x, steps = names[op.inputs[0]], graph.tensors[op.inputs[0]].size // inputs
        if op.inputs[HIDDEN] != -1:
            hidden, cell = names[op.inputs[HIDDEN]], names[op.inputs[CELL]]
            call = f"tl_lstm_step(&lstm, {x}, {hidden}, {cell}, y0, y1);"
            note = "one sample; hidden and cell state are the caller's"
        elif op.attributes.get("last"):
            call = f"tl_lstm_sequence(&lstm, {x}, {steps}, y0, 0, y2, y1);"
            note = f"{steps} samples, only the last hidden state is kept: two rows take turns"
        else:
            call = f"tl_lstm_sequence(&lstm, {x}, {steps}, y0, {units}, NULL, y1);"
            note = f"{steps} samples, each leaves its row"
        macs = steps * 4 * units * (inputs + units)
        header = "tl_lstm_tables.h" if by_tables(op) else "tl_lstm.h"
        constants += [logistic16.SIGMOID_TABLE] if by_tables(op) else []
        return Lowered((*layers, _fields(op, gates, inputs, units), call), tuple(constants), (header,), macs, note)


def rows_of(graph: Graph, op: Operator, values: Sequence[Array | None], step: Step) -> list[Array]:
    """The operator's outputs, a sample after the other."""
    x = values[0]
    assert x is not None
    gates = gates_of(graph, op)
    units = gates[0].input_weights.shape[0]
    hidden, cell = np.full(units, op.attributes["state_zero"], np.int64), np.zeros(units, np.int64)
    before, cell_before = values[HIDDEN], values[CELL]
    if before is not None and cell_before is not None:
        hidden, cell = before.ravel().astype(np.int64), cell_before.ravel().astype(np.int64)
    rows = [hidden]
    for sample in x.reshape(-1, x.shape[-1]).astype(np.int64):
        cell, hidden = step(op, gates, sample, rows[-1], cell)
        rows.append(hidden)
    results: list[Array] = [np.array(rows[1:], np.int8), cell.astype(np.int16)]
    if op.attributes.get("last"):
        results = [rows[-1].astype(np.int8), results[1], rows[-2].astype(np.int8)]
    return [result.reshape(graph.tensors[t].shape) for result, t in zip(results, op.outputs, strict=True)]


def _gate_sums(gate: Gate, x: Int64s, hidden: Int64s) -> tuple[Int64s, Int64s]:
    """What the input and what the hidden state add to a gate, in 3.12."""
    of_input, of_state = gate.input_weights @ x + gate.input_bias, gate.recurrent_weights @ hidden + gate.recurrent_bias
    from_input = fixedpoint.scale_twice_rounded(of_input, *gate.input_factor)
    return from_input, fixedpoint.scale_twice_rounded(of_state, *gate.recurrent_factor)


def gate_sum(gate: Gate, x: Int64s, hidden: Int64s) -> Int64s:
    """In 3.12, of all units."""
    from_input, from_state = _gate_sums(gate, x, hidden)
    return _limited(_limited(from_input) + from_state)


def _step(op: Operator, gates: Sequence[Gate], x: Int64s, hidden: Int64s, cell: Int64s) -> tuple[Int64s, Int64s]:
    """(next cell, next hidden) from one sample."""
    sums = [gate_sum(g, x, hidden) for g in gates]
    update = gates16.look_up(sums[2], gates16.tanh(gates16.GATE_BITS))
    into, forget, out = (gates16.look_up(sums[gate], gates16.sigmoid()) for gate in (0, 1, 3))
    kept = fixedpoint.rounding_shift_right(forget * cell, 15)
    bits = cell_bits(op)
    limit = cell_clip(op)
    cell = np.clip(_limited(kept + fixedpoint.rounding_shift_right(into * update, 15 + bits)), -limit, limit)
    seen = out * gates16.look_up(cell, gates16.tanh(bits))
    hidden = fixedpoint.scale_twice_rounded(seen, *hidden_factor(op)) + op.attributes["hidden_zero"]
    return cell, np.clip(hidden, -128, 127)


def by_tables(op: Operator) -> bool:
    """Whether the arithmetic is TFLM's, see lstm_tflm.py; LiteRT's otherwise."""
    return bool(op.attributes.get("as_tflm"))


def _step_by_tables(
    op: Operator, gates: Sequence[Gate], x: Int64s, hidden: Int64s, cell: Int64s
) -> tuple[Int64s, Int64s]:
    """The same in the arithmetic of TFLM."""
    sums = [_gate_sums(g, x, hidden) for g in gates]
    cell, out = lstm_tflm.next_cell(sums, cell, cell_bits(op), cell_clip(op))
    seen = fixedpoint.scale_twice_rounded(out * lstm_tflm.tanh_of_cell(cell, cell_bits(op)), *hidden_factor(op))
    return cell, np.clip(seen + op.attributes["hidden_zero"], -128, 127)


def _gate_list(values: Sequence[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _fields(op: Operator, gates: Sequence[Gate], inputs: int, units: int) -> str:
    """The layer's tl_lstm_t `lstm`."""
    multiplier, shift = hidden_factor(op)
    fields = {
        "input": "&input",
        "recurrent": "&recurrent",
        "inputs": inputs,
        "units": units,
        "input_multiplier": _gate_list([g.input_factor[0] for g in gates]),
        "recurrent_multiplier": _gate_list([g.recurrent_factor[0] for g in gates]),
        "input_shift": _gate_list([g.input_factor[1] for g in gates]),
        "recurrent_shift": _gate_list([g.recurrent_factor[1] for g in gates]),
        "cell_bits": cell_bits(op),
        "cell_clip": cell_clip(op),
        "hidden_multiplier": multiplier,
        "hidden_shift": shift,
        "hidden_zero": op.attributes["hidden_zero"],
        **({"sigmoid": logistic16.SIGMOID_TABLE.name} if by_tables(op) else {}),
    }
    lines = "\n".join(f"    .{name} = {value}," for name, value in fields.items())
    return f"static const tl_lstm_t lstm = {{\n{lines}\n}};"
