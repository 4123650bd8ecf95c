"""The float graph of a model's step, converted once, and its constants as functions of the model's parameters.

The converter reorders constants and copies them; it computes nothing with those that are trained. So each constant is
found among the tensors of the step form (export/step_form.py) by its values, and read from there afterwards: gradients
flow from the graph into the model. A constant that is found nowhere stays as it is, and so does the parameter that
would change it: the converter leaves a factor of 1 out, for example.
"""

import copy
import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tinyloc.export.flatbuffer import constant, dump, graph, operator_name, set_constant, tensor_name
from tinyloc.export.float_file import float_file
from tinyloc.export.quantise import constants
from tinyloc.export.quantise.rules import RULES, Rule
from tinyloc.export.quantise.widths import Widths, dotted, layer_name
from tinyloc.export.step_form import step_form
from tinyloc.export.to_onnx import record, to_onnx
from tinyloc.export.to_tflite import to_tflite
from tinyloc.training.models.localiser import Localiser

Array = npt.NDArray[np.float32]
SAMPLES = 64
"""Of the calibration stream, whose last one names the values of the graph."""


@dataclass(frozen=True)
class Source:
    """Where a constant comes from: element `order[i]` of a tensor of the step form is element i of the constant."""

    tensor: str
    order: Tensor
    shape: tuple[int, ...]

    def read(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The constant, with gradients where the tensor has them."""
        return tensors[self.tensor].reshape(-1)[self.order].reshape(self.shape)


@dataclass(frozen=True)
class Weights:
    """The weights of one operator in the graph."""

    name: str
    layer: str
    rule: Rule


class FloatStep:
    """The step of a model whose parameters may change afterwards. The model is absorbed, see absorbed.py."""

    def __init__(self, model: Localiser, calibration: Array) -> None:
        """calibration: (T, P) model input. Raises ExportError when the step cannot be converted."""
        self.model = model
        with tempfile.TemporaryDirectory(prefix="tinyloc-step-") as name:
            onnx = Path(name) / "step.onnx"
            self.names = to_onnx(model, onnx)
            sample = {name: rows[-1:] for name, rows in record(model, calibration[:SAMPLES]).items()}
            self.file = float_file(to_tflite(onnx), onnx, self.names, sample)
        self.sources = _sources(self.file, _tensors(step_form(model)))
        self.weights = _weights(self.file)

    def constants(self) -> dict[str, Tensor]:
        """Those that follow from parameters, for the parameters as they are now, by tensor name."""
        tensors = _tensors(step_form(self.model))
        return {name: source.read(tensors) for name, source in self.sources.items()}

    def parameter(self, name: str) -> Tensor:
        """The parameter or buffer that a constant follows from."""
        return _tensors(step_form(self.model))[self.sources[name].tensor]

    def with_constants(self, values: Mapping[str, Array]) -> Any:
        """The float graph with these constants, as a ModelT."""
        model = copy.copy(self.file)
        model.buffers = list(model.buffers)
        model.subgraphs = [copy.copy(graph(model))]
        part = graph(model)
        part.tensors = [copy.copy(tensor) for tensor in part.tensors]
        for tensor in part.tensors:
            if tensor_name(tensor) in values:
                set_constant(model, tensor, values[tensor_name(tensor)].astype(np.float32))
        return model

    def content(self, values: Mapping[str, Array]) -> bytes:
        """The float file with these constants."""
        return dump(self.with_constants(values))

    def snapped(self, values: Mapping[str, Array], widths: Widths) -> dict[str, Array]:
        """Constants with every weight on the integer grid of its channel."""
        found = dict(values)
        for one in self.weights:
            if one.name in found:
                integers = constants.weights(found[one.name], one.rule.axis, widths.of(one.layer).weights)
                found[one.name] = constants.real_values(integers, one.rule.axis)
        return found

    def learnt(self) -> list[Weights]:
        """Weights that follow from parameters that are trained."""
        made = self.constants()
        return [one for one in self.weights if one.name in made and made[one.name].requires_grad]

    def set_weights(self, wanted: Mapping[str, Array]) -> None:
        """Change the model's parameters so that these weights come of them.

        Each element of a weight is one element of one parameter, times a number (see absorbed.py): that number and the
        element are what gradients say. Twice, because the quotient may be rounded.
        """
        names = [one.name for one in self.learnt() if one.name in wanted]
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        for _ in range(2):
            made = self.constants()
            ones = [torch.ones_like(made[name]) for name in names]
            differences = [torch.from_numpy(wanted[name].astype(np.float32)) - made[name].detach() for name in names]
            outputs = [made[name] for name in names]
            factors = torch.autograd.grad(outputs, parameters, ones, retain_graph=True, allow_unused=True)
            moves = torch.autograd.grad(outputs, parameters, differences, allow_unused=True)
            with torch.no_grad():
                for parameter, factor, move in zip(parameters, factors, moves, strict=True):
                    if factor is not None and move is not None:
                        parameter.add_(torch.where(factor != 0, move / factor.square().clamp(min=1e-30), 0.0))


def _tensors(form: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in (*form.named_parameters(), *form.named_buffers()) if value is not None}


def _weights(model: Any) -> list[Weights]:
    part = graph(model)
    found = []
    for operator in part.operators:
        rule = RULES[operator_name(model, operator)]
        if rule.weight is not None:
            name = tensor_name(part.tensors[operator.inputs[rule.weight]])
            found.append(Weights(name, layer_name(model, operator), rule))
    return found


def _sources(model: Any, tensors: Mapping[str, Tensor]) -> dict[str, Source]:
    part = graph(model)
    used = {int(i) for operator in part.operators for i in operator.inputs if i >= 0}
    found = {}
    for index in sorted(used):
        tensor = part.tensors[index]
        values = constant(model, tensor)
        if values is None or values.dtype != np.float32:
            continue
        source = _source(tensor_name(tensor), values, tensors)
        if source is not None:
            found[tensor_name(tensor)] = source
    return found


def _source(name: str, values: Array, tensors: Mapping[str, Tensor]) -> Source | None:
    """The tensor with the same values; of several the one whose path has most in common with the constant's name."""
    path = dotted(name)
    by_likeness = sorted(tensors, key=lambda other: (other != path, -_common(other, path)))
    for other in by_likeness:
        tensor = tensors[other].detach()
        if tensor.numel() != values.size or (values.size == 1 and other != path):
            continue  # a lone number may equal another by chance
        order = _order(tensor, values)
        if order is not None:
            return Source(other, torch.from_numpy(order), values.shape)
    return None


def _common(a: str, b: str) -> int:
    """How many parts of two paths are the same, from the first."""
    pairs = zip(a.split("."), b.split("."), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _order(tensor: Tensor, values: Array) -> npt.NDArray[np.int64] | None:
    """Which element of `tensor` each of `values` is: axes in another order, else any order that gives the values."""
    own = tensor.numpy()
    places = np.arange(own.size).reshape(own.shape)
    for axes in itertools.permutations(range(own.ndim)):
        if np.array_equal(np.transpose(own, axes).ravel(), values.ravel()):
            order: npt.NDArray[np.int64] = np.transpose(places, axes).ravel()
            return order
    left, right = np.argsort(own.ravel(), kind="stable"), np.argsort(values.ravel(), kind="stable")
    if not np.array_equal(own.ravel()[left], values.ravel()[right]):
        return None
    order = np.empty(own.size, np.int64)
    order[right] = left
    return order
