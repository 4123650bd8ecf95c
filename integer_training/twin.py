"""A localiser whose scores are those of its integer file, bit for bit; it trains the parameters of the model it wraps.

Every forward pass quantises the weights as they are, with the export's own quantiser. Ranges of the other values are
those of the float graph with weights on their grid, along the calibration stream, measured anew at each `eval()`.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.graph import Graph, Operator, Quantisation
from tinyloc.codegen.graph import Tensor as GraphTensor
from tinyloc.export.flatbuffer import constant, dump, graph, scales, tensor_name
from tinyloc.export.integer_file import integer_model
from tinyloc.export.quantise import constants
from tinyloc.export.quantise.graph import renewed
from tinyloc.export.quantise.widths import Widths
from tinyloc.export.step_names import OUTPUT, StepNames
from tinyloc.export.step_ranges import calibration_streams, step_ranges
from tinyloc.integer_training.absorbed import absorb, all_trained
from tinyloc.integer_training.execution import Execution, Value, real_of, rounded, whole_of
from tinyloc.integer_training.float_step import FloatStep, Weights
from tinyloc.integer_training.surrogates import surrogate
from tinyloc.training.compress.integer_tuner import Array, Twin
from tinyloc.training.models.localiser import Localiser, State


class IntegerTwin(Twin):
    """The integer form of a model, differentiable in its parameters."""

    def __init__(self, model: Localiser, calibration: Array, apart: bool, widths: Mapping[str, str]) -> None:
        """Wrap a model, which is rewritten (absorbed.py), its function stays.

        Args:
            model: to train.
            calibration: (T, P) the stream of model input that the export measures ranges on.
            apart: devices start anew at every sample.
            widths: by layer pattern, as the export takes them.

        Raises:
            ExportError: the model has no integer form of these widths.
        """
        super().__init__(model.settings, model.inputs, model.classes)
        absorb(model)
        self.model, self.state_names = model, model.state_names
        self._modules.pop("crf", None)
        object.__setattr__(self, "crf", model.crf)  # not registered a second time: an average would count it twice
        self.calibration, self.apart, self.widths = calibration, apart, widths
        self.float_step = FloatStep(model, calibration)
        self.measure()

    @property
    def head(self) -> nn.Module:
        """Of the model: what distillation and the position loss look at."""
        head = self.model.head
        assert isinstance(head, nn.Module)
        return head

    @property
    def drops(self) -> nn.Module:
        """Of an MLP: its hidden layers' outputs. AttributeError for others."""
        return self.model.get_submodule("drops")

    def train(self, mode: bool = True) -> "IntegerTwin":
        """Switch mode. To evaluation: ranges are measured, for weights as they are now."""
        super().train(mode)
        if not mode:
            self.measure()
        return self

    def measure(self) -> None:
        """Set all scales but those of weights and biases, from the calibration stream."""
        file = self.float_step.with_constants(self.snapped())
        streams = calibration_streams(self.calibration, self.apart)
        ranges = step_ranges(dump(file), self.names, streams, self.crf is not None)
        self.integer_model = integer_model(file, self.names, ranges, self.widths)
        self._execution = Execution(_as_graph(dump(self.integer_model), self.names))

    @property
    def names(self) -> StepNames:
        """Of the step."""
        return self.float_step.names

    @torch.no_grad()
    def snapped(self) -> dict[str, Array]:
        """Constants of the float graph, weights on their grid."""
        real = {name: value.numpy() for name, value in self.float_step.constants().items()}
        return self.float_step.snapped(real, Widths(self.widths))

    def content(self) -> bytes:
        """The integer file, for the parameters as they are now and the ranges that were measured last."""
        part = graph(self.integer_model)
        with torch.no_grad():
            real = {name: value.numpy() for name, value in self.float_step.constants().items()}
        stored = renewed(self.integer_model, real)
        for tensor in part.tensors:
            if tensor_name(tensor) in stored:
                constants.store(self.integer_model, tensor, stored[tensor_name(tensor)])
        return dump(self.integer_model)

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C)."""
        batch, steps, _ = x.shape
        tracked = torch.is_grad_enabled()
        reals = self._renew(tracked)
        graph = self._execution.graph
        reading = graph.tensors[graph.inputs[0]]
        whole = whole_of(reading, x).reshape(batch * steps, *reading.shape)
        self._watch(batch, tracked)
        values = self._execution.run(Value(real_of(reading, whole) if tracked else None, whole), batch, reals)
        (output,) = graph.outputs
        scores = values[output]
        assert scores.whole is not None
        real = scores.real if scores.real is not None else real_of(graph.tensors[output], scores.whole)
        return real.reshape(batch, steps, -1)

    def real_layers(self, x: Tensor, real: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Operand and result (N, ...) of every layer that has weights, in real numbers, by the weights' name.

        x: (B, T, P). real: constants of the float graph.
        """
        batch, steps, _ = x.shape
        reading = self._execution.graph.tensors[self._execution.graph.inputs[0]]
        self._execution.watched = {}
        start = Value(x.reshape(batch * steps, *reading.shape), None)
        return self._execution.layers(start, batch, {**self._others(real), **real})

    def layer(self, one: Weights, real: Mapping[str, Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """A layer in real numbers: operand (N, ...) and weights -> result."""
        graph = self._execution.graph
        (op,) = (op for op in graph.operators if any(t >= 0 and graph.tensors[t].name == one.name for t in op.inputs))
        names = [None if t < 0 else graph.tensors[t].name for t in op.inputs]
        bias = [real.get(name) for name in names[2:3] if name is not None]
        return lambda x, weights: surrogate(graph, op, [x, weights, *bias])

    def _renew(self, tracked: bool) -> dict[str, Tensor]:
        """Quantise the constants as they are now; real values with gradients."""
        made = self.float_step.constants()
        stored = renewed(self.integer_model, {name: value.detach().numpy() for name, value in made.items()})
        self._execution.set_constants({name: _graph_tensor(name, one) for name, one in stored.items()})
        if not tracked:
            return {}
        return {
            **self._others(stored),
            **{name: rounded(made[name], torch.from_numpy(one.real)) for name, one in stored.items()},
        }

    def _others(self, stored: Mapping[str, Any]) -> dict[str, Tensor]:
        """Real values of the constants that follow from no parameter."""
        part = graph(self.integer_model)
        found = {}
        for tensor in part.tensors:
            name = tensor_name(tensor)
            values = constant(self.integer_model, tensor)
            if name not in stored and values is not None and scales(tensor).size:
                shape = [1] * values.ndim
                if scales(tensor).size > 1:
                    shape[tensor.quantization.quantizedDimension] = -1
                offset = np.asarray(tensor.quantization.zeroPoint).reshape(shape)
                real = (values.astype(np.float64) - offset) * scales(tensor).astype(np.float64).reshape(shape)
                found[name] = torch.from_numpy(real.astype(np.float32))
        return found

    def _watch(self, batch: int, tracked: bool) -> None:
        """Let hooks on the model's layers, and dropout of an MLP's, see the values of the graph."""
        watched: dict[str, Callable[[Tensor], Tensor]] = {}

        head = self._head_operator() if tracked and self.head._forward_pre_hooks else None

        def before_head(x: Tensor) -> Tensor:
            newest = x if head is None else self._newest_row(head, x)
            self.head(newest.reshape(batch, -1, newest.shape[1]))
            return x

        if tracked and self.head._forward_pre_hooks:
            tensors = self._execution.graph.tensors
            watched[f"before {OUTPUT if head is None else tensors[head.outputs[0]].name}"] = before_head
        if tracked:
            for number, drop in enumerate(getattr(self.model, "drops", [])):

                def dropped(x: Tensor, layer: nn.Module = drop) -> Tensor:
                    seen = layer(x.reshape(batch, -1, x.shape[1]))
                    return x if torch.equal(seen.reshape(x.shape), x) else seen.reshape(x.shape)

                watched[f"behind hidden.{number}"] = dropped
        self._execution.watched = watched

    def _head_operator(self) -> Operator | None:
        """The operator that multiplies by the head's weights, where the head is one matrix."""
        weight = self.head.weight if isinstance(self.head, nn.Linear) else None
        tensors = self._execution.graph.tensors
        for op in self._execution.graph.operators:
            names = [tensors[t].name for t in op.inputs if t >= 0 and tensors[t].name in self.float_step.sources]
            if any(self.float_step.parameter(name) is weight for name in names):
                return op
        return None

    def _newest_row(self, op: Operator, x: Tensor) -> Tensor:
        """(N, values of the head's operand) -> (N, H): a class of the user's may hold a window of rows, newest last."""
        assert isinstance(self.head, nn.Linear)
        (source,) = (t for t in op.inputs if t >= 0 and not self._execution.graph.is_constant(t))
        rows = x.reshape(len(x), *self._execution.graph.tensors[source].shape)
        rows = rows.transpose(-1, -2) if op.attributes.get("adj_x") else rows
        return rows.reshape(len(x), -1, self.head.in_features)[:, -1]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Not offered: a device's step is the integer file's."""
        raise NotImplementedError("run `content()` instead")

    def initial_state(self, batch: int = 1) -> State:
        """Nothing: the integer file has its own."""
        return ()

    def finished(self) -> Localiser:
        """The model, every weight on its integer grid."""
        self.float_step.set_weights(self.snapped())
        all_trained(self.model)
        return self.model.eval()


def _as_graph(content: bytes, names: StepNames) -> Graph:
    with tempfile.TemporaryDirectory(prefix="tinyloc-twin-") as place:
        path = Path(place) / "step.tflite"
        path.write_bytes(content)
        return read_tflite(path, list(zip(names.state_inputs, names.state_outputs, strict=True)))


def _graph_tensor(name: str, one: constants.Stored) -> GraphTensor:
    """A constant as the compiler's reader makes it."""
    values = one.integers.values
    quantisation = Quantisation(
        tuple(float(s) for s in one.integers.scale), tuple(int(z) for z in one.integers.zero_point), one.axis
    )
    return GraphTensor(name, values.shape, values.dtype.name, quantisation, values)  # type: ignore[arg-type]
