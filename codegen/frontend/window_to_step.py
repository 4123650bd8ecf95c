"""A network over a window of samples becomes one step: a sample in, an answer out, the recurrent states between.

The first axis after the batch of every input is time (the first of all in time-major form). What each operator does to
that axis is followed through the graph: recurrent operators carry their states, whatever treats each sample alone is
done on one sample, a view that takes the last sample takes the only one. Step by step, the answers equal those of a
window that starts where the states were reset and ends with the sample just given. A network without recurrent
operators keeps a moving window instead (`moving_window`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.operators.base import ElementWise, ViewRule
from tinyloc.codegen.operators.lstm import CELL, HIDDEN
from tinyloc.codegen.passes.recurrent import FRESH, LSTM
from tinyloc.codegen.semantics.operator_table import rule_of

ALONG_LAST_AXIS = ("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")
WINDOW_RANK = 3
"""(batch, time, features)"""


def as_step(graph: Graph, where: str) -> Graph:
    """The step of a window graph. Raises CompileError that names every operator which mixes samples in its own way."""
    if graph.states and not any(op.kind == LSTM and op.inputs[HIDDEN] == -1 for op in graph.operators):
        return graph  # a step already
    if not any(op.kind == LSTM for op in graph.operators):
        return moving_window(graph, where)
    stepping = _Stepping(graph)
    if graph.states:
        stepping.problems.append("the model has states besides the LSTM over a window; give it one sample per run")
    stepping.follow()
    if stepping.problems:
        raise CompileError(where, stepping.problems)
    return stepping.result()


def moving_window(graph: Graph, where: str) -> Graph:
    """A network over the last samples that takes one of them at a time: a state keeps the others, at first silence.

    passes/roll_windows.py then computes one row of each layer per sample, where that gives the same integers.
    """
    wrong = [
        f"input {graph.tensors[t].name} has shape {graph.tensors[t].shape}, not (1, time, features)"
        for t in graph.inputs
        if len(graph.tensors[t].shape) != WINDOW_RANK or graph.tensors[t].shape[0] != 1
    ]
    steps = {graph.tensors[t].shape[1] for t in graph.inputs if not wrong} - {1}
    wrong += [
        f"output {graph.tensors[t].name} has a row for each sample of the window; let the network return the last row"
        for t in graph.outputs
        if len(graph.tensors[t].shape) == WINDOW_RANK and graph.tensors[t].shape[1] in steps
    ]
    if wrong or graph.states:
        raise CompileError(where, wrong or ["the model has states; give it one sample per run"])
    tensors, operators = list(graph.tensors), []
    inputs, states = [], []

    def new(like: Tensor, name: str, shape: tuple[int, ...]) -> int:
        tensors.append(dataclasses.replace(like, name=name, shape=shape))
        return len(tensors) - 1

    def sizes(name: str, values: list[int]) -> int:
        tensors.append(Tensor(name, (len(values),), "int32", None, np.array(values, np.int32)))
        return len(tensors) - 1

    for t in graph.inputs:
        window = tensors[t]
        _, samples, size = window.shape
        if samples == 1:
            inputs.append(t)
            continue
        inputs.append(new(window, window.name, (1, size)))
        kept = [new(window, f"{window.name}_{end}", (1, (samples - 1) * size)) for end in ("before", "after")]
        joined = new(window, f"{window.name}, all samples", (1, samples * size))
        origin = (f"the last {samples} samples of {window.name}",)
        operators.append(Operator("CONCATENATION", (kept[0], inputs[-1]), (joined,), {"axis": 1}, origin))
        operators.append(Operator("RESHAPE", (joined,), (t,), {}, origin))
        cut = (joined, sizes("begin", [0, size]), sizes("size", [1, (samples - 1) * size]))
        operators.append(Operator("SLICE", cut, (kept[1],), {}, origin))
        states.append((kept[0], kept[1]))
    return dataclasses.replace(
        graph,
        tensors=tuple(tensors),
        operators=(*operators, *graph.operators),
        inputs=tuple(inputs),
        states=tuple(states),
        notes=(*graph.notes, "before the first sample, the window holds zeros (silence)"),
    )


class _Stepping:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.time: dict[int, int] = {}  # tensor -> its time axis
        self.last: set[int] = set()  # tensors that are of the last sample only
        self.operators: list[Operator] = []
        self.problems: list[str] = []
        self.states: list[tuple[int, int]] = []
        self.steps = 0
        self.tensors = list(graph.tensors)

    def follow(self) -> None:
        """Walk the operators; note the time axis of every tensor."""
        for t in self.graph.inputs:
            shape = self.graph.tensors[t].shape
            if len(shape) != WINDOW_RANK:
                self.problems.append(f"input {self.graph.tensors[t].name} has shape {shape}, not (1, time, features)")
                continue
            self.time[t] = 0 if shape[1] == 1 and shape[0] > 1 else 1
            if self.steps not in (0, shape[self.time[t]]):
                self.problems.append(f"input {self.graph.tensors[t].name} has {shape} where others have {self.steps}")
            self.steps = shape[self.time[t]]
        if self.problems:
            return
        for op in self.graph.operators:
            problem = self._place(op)
            if problem:
                self.problems.append(
                    f"{op.origin[0]}: {problem}; it cannot become a step; compile the window without --step"
                )
                return

    def _place(self, op: Operator) -> str | None:
        timed = [t for t in op.inputs if t in self.time]
        if not timed:
            self.last.update(op.outputs if any(t in self.last for t in op.inputs) else ())
            self.operators.append(op)
            return None
        if any(t in self.last for t in op.inputs):
            return "joins the last sample with a whole window"
        if op.kind == LSTM:
            return self._recurrent(op)
        rule = rule_of(self.graph, op)
        if isinstance(rule, ViewRule):
            return self._view(op, rule, timed[0])
        return self._each_sample(op, timed)

    def _recurrent(self, op: Operator) -> str | None:
        axis = 0 if op.attributes["time_major"] else 1
        if self.time[op.inputs[0]] != axis:
            return "runs along another axis than time"
        y, cell = op.outputs[:2]
        self.time[y] = axis
        state = Quantisation((op.attributes["state_scale"],), (op.attributes["state_zero"],))
        number = len(self.states) // 2
        before = [
            self._new(dataclasses.replace(self.graph.tensors[y], name=f"hidden{number}", quantisation=state), axis),
            self._new(dataclasses.replace(self.graph.tensors[cell], name=f"cell{number}"), None),
        ]
        self.states += zip(before, (y, cell), strict=True)
        inputs = list(op.inputs)
        inputs[HIDDEN], inputs[CELL] = before
        self.operators.append(dataclasses.replace(op, inputs=tuple(inputs)))
        return None

    def _view(self, op: Operator, rule: ViewRule, source: int) -> str | None:
        """Views that leave every sample in its place along an axis, or take the last sample alone."""
        tensor = self.graph.tensors[source]
        number_of = np.broadcast_to(_along(self.steps, self.time[source], tensor), tensor.shape)
        kept = op
        for t, view in zip(op.outputs, rule.views(self.graph, op, np.ascontiguousarray(number_of)), strict=True):
            samples = np.asarray(view).reshape(self._shape(t))
            axis = next((i for i in range(samples.ndim) if self._runs_along(samples, t, i)), None)
            if axis is not None:
                self.time[t] = axis
            elif (samples == self.steps - 1).all():
                self.last.add(t)
                kept = dataclasses.replace(op, kind="RESHAPE", inputs=(source,), attributes={})
            else:
                return "takes samples apart"
        self.operators.append(kept)
        return None

    def _runs_along(self, samples: npt.NDArray[np.integer[Any]], tensor: int, axis: int) -> bool:
        size = samples.shape[axis]
        return size == self.steps and bool((samples == _along(size, axis, self.graph.tensors[tensor])).all())

    def _each_sample(self, op: Operator, timed: Sequence[int]) -> str | None:
        """Operators that make each sample of their result from the same sample of their operands."""
        y = op.outputs[0]
        rank = len(self._shape(y))
        from_end = {self.time[t] - len(self._shape(t)) for t in timed}
        if len(from_end) != 1:
            return "joins windows whose time axes differ"
        (axis,) = from_end
        if op.kind == "FULLY_CONNECTED":
            # the rows may be flattened; there is one a sample
            rows = [i for i, n in enumerate(self._shape(y)[:-1]) if n == self.steps]
            if axis == -1 or len(rows) != 1 or self.graph.tensors[y].size != self.steps * self._shape(y)[-1]:
                return "sums over time"
            axis = rows[0] - rank
        elif isinstance(rule_of(self.graph, op), ElementWise):
            others = [self._shape(t) for t in op.inputs if t not in timed]
            if any(len(shape) >= -axis and shape[axis] != 1 for shape in others):
                return "has a constant a sample of the window"
        elif op.kind == "CONCATENATION":
            if op.attributes["axis"] % rank - rank == axis or len(timed) != len(op.inputs):
                return "joins samples"
        elif op.kind not in ALONG_LAST_AXIS or axis == -1:
            return "mixes samples of a window"
        self.time[y] = rank + axis
        self.operators.append(op)
        return None

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return self.tensors[tensor].shape

    def _new(self, tensor: Tensor, axis: int | None) -> int:
        self.tensors.append(tensor)
        if axis is not None:
            self.time[len(self.tensors) - 1] = axis
        return len(self.tensors) - 1

    def result(self) -> Graph:
        """The step: time axes of one sample."""
        for t, axis in self.time.items():
            shape = self._shape(t)
            self.tensors[t] = dataclasses.replace(self.tensors[t], shape=(*shape[:axis], 1, *shape[axis + 1 :]))
        return dataclasses.replace(
            self.graph,
            tensors=tuple(self.tensors),
            operators=tuple(self.operators),
            states=tuple(self.states),
            notes=tuple(n for n in self.graph.notes if n != FRESH),
        )


def _along(size: int, axis: int, tensor: Tensor) -> npt.NDArray[np.int64]:
    """0, 1, ... along an axis, ready to broadcast to a tensor's shape."""
    return np.arange(size).reshape([size if i == axis else 1 for i in range(len(tensor.shape))])
