"""UNIDIRECTIONAL_SEQUENCE_LSTM by Arm's CMSIS-NN: arm_lstm_unidirectional_s8.

Sums, factors and the cell state are those of lstm.py. Sigmoid and tanh are the tables of logistic16.py, as in TFLM,
where LiteRT computes an exponential: answers differ from LiteRT's in the last bits. The library has no function for the
size of its buffers: its text asks for two rows of int16, one value a unit.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.requantise import Int64s
from tinyloc.codegen.backends.cmsis_nn.library_rule import LibraryCall, LibraryRule
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant
from tinyloc.codegen.operators import logistic16, lstm
from tinyloc.codegen.operators.base import operand_names
from tinyloc.codegen.operators.lstm import CELL, HIDDEN, Lstm
from tinyloc.codegen.operators.lstm_tflm import power, tanh_of_cell

_PLACES = {"input": 0, "forget": 1, "cell": 2, "output": 3}


class LibraryLstm(LibraryRule):
    """A whole sequence, its last row, or one step with the caller's states; the native operator's forms."""

    native: Lstm = Lstm()

    def takes(self, graph: Graph, op: Operator) -> bool:
        return True

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        return self.native.in_place(graph, op)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return lstm.rows_of(graph, op, values, _step)

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        gates = lstm.gates_of(graph, op)
        units, inputs = gates[0].input_weights.shape
        steps = graph.tensors[op.inputs[0]].size // inputs
        constants = tuple(
            Constant(f"{prefix}_{name}_{what}", ctype, data.ravel(), "".join(f"[{n}]" for n in data.shape))
            for name, place in _PLACES.items()
            for what, ctype, data in (
                ("weights", "int8_t", gates[place].input_weights),
                ("recurrent", "int8_t", gates[place].recurrent_weights),
                ("bias", "int32_t", gates[place].input_bias),
                ("recurrent_bias", "int32_t", gates[place].recurrent_bias),
            )
        )
        names = operand_names(graph, op)
        x = names[op.inputs[0]]
        at_once, hidden, before, after = steps, "NULL", [], ""
        row = x
        if op.inputs[HIDDEN] != -1:
            hidden = f"(int8_t *)(scratch + {2 * units})"
            before = [
                f"__builtin_memcpy({hidden}, {names[op.inputs[HIDDEN]]}, {units});",
                f"__builtin_memmove(y1, {names[op.inputs[CELL]]}, {2 * units});",
            ]
        elif op.attributes.get("last"):
            # the library keeps every row; called a sample at a time it writes over one, and y2 is what it remembers
            at_once, hidden = 1, "y2"
            before = [
                f"__builtin_memset(y2, {op.attributes['state_zero']}, {units});",
                f"__builtin_memset(y1, 0, {2 * units});",
                f"for (int32_t t = 0; t < {steps}; t++) {{",
            ]
            row, after = f"{x} + t * {inputs}", "\n}"
        call = "\n".join(
            [
                f"cmsis_nn_lstm_context buffers = {{scratch, scratch + {units}, y1, {hidden}}};",
                *before,
                f"tl_library(arm_lstm_unidirectional_s8({row}, y0, &lstm, &buffers));{after}",
            ]
        )
        return LibraryCall(
            (_params(graph, op, prefix, gates, at_once),),
            call,
            constants,
            bytes=4 * units + (units if op.inputs[HIDDEN] != -1 else 0),
            macs=steps * 4 * units * (inputs + units),
        )


def _params(graph: Graph, op: Operator, prefix: str, gates: Sequence[lstm.Gate], steps: int) -> str:
    """The layer's cmsis_nn_lstm_params `lstm`. With one sequence it does not matter whether time comes first."""
    units, inputs = gates[0].input_weights.shape
    bits, clip = lstm.cell_bits(op), lstm.cell_clip(op)
    forget, update, seen = power(-15), power(-15 - bits), lstm.hidden_factor(op)
    fields: dict[str, object] = {
        "time_major": 1,
        "batch_size": 1,
        "time_steps": steps,
        "input_size": inputs,
        "hidden_size": units,
        "input_offset": -graph.tensors[op.inputs[0]].zero_point,
        "forget_to_cell_multiplier": forget[0],
        "forget_to_cell_shift": forget[1],
        "input_to_cell_multiplier": update[0],
        "input_to_cell_shift": update[1],
        "cell_clip": clip if clip <= 32767 else 0,
        "cell_scale_power": bits - 15,
        "output_multiplier": seen[0],
        "output_shift": seen[1],
        "output_offset": op.attributes["hidden_zero"],
        **{f"{name}_gate": _gate(prefix, name, gates[place]) for name, place in _PLACES.items()},
    }
    lines = "\n".join(f"    .{name} = {value}," for name, value in fields.items())
    return f"static const cmsis_nn_lstm_params lstm = {{\n{lines}\n}};"


def _gate(prefix: str, name: str, gate: lstm.Gate) -> str:
    own = f"{prefix}_{name}"
    of_input = f"{gate.input_factor[0]}, {gate.input_factor[1]}, {own}_weights, {own}_bias"
    of_state = f"{gate.recurrent_factor[0]}, {gate.recurrent_factor[1]}, {own}_recurrent, {own}_recurrent_bias"
    return f"{{{of_input},\n        {of_state}, NULL, {'ARM_TANH' if name == 'cell' else 'ARM_SIGMOID'}}}"


def _step(op: Operator, gates: Sequence[lstm.Gate], x: Int64s, hidden: Int64s, cell: Int64s) -> tuple[Int64s, Int64s]:
    """(next cell, next hidden) from one sample. CMSIS-NN: arm_nn_lstm_step_s8."""
    sums = [lstm.gate_sum(g, x, hidden) for g in gates]
    into, forget, out = (logistic16.sigmoid(3 * sums[_PLACES[name]]) for name in ("input", "forget", "output"))
    update = logistic16.tanh(3 * sums[_PLACES["cell"]])
    bits, limit = lstm.cell_bits(op), lstm.cell_clip(op)
    kept = np.clip(fixedpoint.scale_twice_rounded(forget * cell, *power(-15)), -32768, 32767)
    cell = kept + fixedpoint.scale_twice_rounded(into * update, *power(-15 - bits))
    cell = np.clip(cell, max(-limit, -32768), min(limit, 32767))
    seen = fixedpoint.scale_twice_rounded(out * tanh_of_cell(cell, bits), *lstm.hidden_factor(op))
    return cell, np.clip(seen + op.attributes["hidden_zero"], -128, 127)
