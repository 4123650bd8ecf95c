"""Every stage of the export against the one before, and inside a stage layer by layer.

    window form (PyTorch) -> step -> step form for export -> ONNX (ONNX Runtime) -> float TFLite -> int8, int16x8

All stages run the same streams with their state carried. Error is the root mean square difference of the scores over
their standard deviation; agreement is the share of samples with the same largest score.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from tinyloc.export.flatbuffer import DTYPES, graph, load, operator_name, scales, tensor_name
from tinyloc.export.litert import StepRunner
from tinyloc.export.step_form import flat_state, step_form
from tinyloc.export.step_names import StepNames
from tinyloc.training.models.localiser import Localiser

Array = npt.NDArray[np.float32]
Streams = Sequence[Array]
"""Recordings as model input, (T, P) each."""


@dataclass(frozen=True)
class StageError:
    """One stage against the one before."""

    stage: str
    against: str
    error: float
    """Root mean square difference over the standard deviation of the scores."""
    agreement: float
    worst: float
    """Largest absolute difference over the standard deviation of the scores."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class LayerError:
    """One value of an integer file against the float file, after one step from the same state."""

    name: str
    operator: str
    error: float
    """Root mean square difference over the float value's standard deviation."""
    added: float
    """What of it the worst input of the operator does not explain."""
    low: float
    high: float
    """Range of the float value."""
    saturated: float
    """Share of float values that the integers cannot hold."""


def compare(stage: str, against: str, values: Array, reference: Array) -> StageError:
    """Scores (N, C) of a stage against those of the stage before."""
    spread = float(reference.std()) or 1.0
    difference = values.astype(np.float64) - reference
    return StageError(
        stage,
        against,
        float(np.sqrt((difference**2).mean())) / spread,
        float((values.argmax(1) == reference.argmax(1)).mean()),
        float(np.abs(difference).max()) / spread,
    )


@torch.no_grad()
def window_scores(model: Localiser, streams: Streams) -> Array:
    """The fast form over whole streams -> (N, C)."""
    rows: list[Array] = [model.scores(torch.from_numpy(x)).numpy() for x in streams]
    return np.concatenate(rows)


@torch.no_grad()
def step_scores(model: Localiser, streams: Streams) -> Array:
    """The model's own step -> (N, C)."""
    rows: list[Array] = [model.stream(torch.from_numpy(x)).numpy() for x in streams]
    return np.concatenate(rows)


@torch.no_grad()
def step_form_scores(model: Localiser, streams: Streams) -> Array:
    """The folded step that is exported -> (N, C)."""
    step = step_form(model)

    def run(x: Array, state: list[Any]) -> list[Any]:
        return list(step(torch.from_numpy(x), *state))

    return _streamed(streams, lambda: flat_state(model, model.initial_state(1)), run)


def onnx_scores(path: Path, names: StepNames, streams: Streams) -> Array:
    """The ONNX file in ONNX Runtime -> (N, C)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a step is too small to share out
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    shapes = {value.name: value.shape for value in session.get_inputs()}

    def run(x: Array, state: list[Any]) -> list[Any]:
        return list(session.run(list(names.outputs), dict(zip(names.inputs, [x, *state], strict=True))))

    return _streamed(streams, lambda: [np.zeros(shapes[name], np.float32) for name in names.state_inputs], run)


def tflite_scores(content: bytes, names: StepNames, streams: Streams) -> Array:
    """A TFLite file in LiteRT's reference kernels -> (N, C) in real values."""
    runner = StepRunner(content, names)
    return np.concatenate([runner.run(x) for x in streams])


def _streamed(
    streams: Streams, initial: Callable[[], list[Any]], run: Callable[[Array, list[Any]], list[Any]]
) -> Array:
    rows = []
    for x in streams:
        state = initial()
        for sample in x:
            scores, *state = run(sample[None], state)
            rows.append(np.asarray(scores)[0])
    return np.stack(rows)


def layer_errors(float_file: bytes, integer_file: bytes, names: StepNames, streams: Streams) -> list[LayerError]:
    """Which layer costs the accuracy: each value after one step from the float file's state, along the streams."""
    exact, rounded = StepRunner(float_file, names, keep=True), StepRunner(integer_file, names, keep=True)
    references: dict[str, list[Array]] = {}
    values: dict[str, list[Array]] = {}
    for x in streams:
        exact.reset()
        for sample in x:
            rounded.set_state(exact.state)
            exact.step(sample)
            rounded.step(rounded.quantise(sample))
            for store, found in ((references, exact.values()), (values, rounded.values())):
                for name, value in found.items():
                    store.setdefault(name, []).append(value.ravel())
    model = load(integer_file)
    tensors = graph(model).tensors
    errors: dict[str, float] = {}
    for name in references.keys() & values.keys():
        reference = np.stack(references[name]).astype(np.float64)
        spread = float(reference.std()) or 1.0
        errors[name] = float(np.sqrt(((np.stack(values[name]) - reference) ** 2).mean())) / spread
    layers = []
    for operator in graph(model).operators:
        name = tensor_name(tensors[operator.outputs[0]])
        if name not in errors:
            continue
        inputs = [errors.get(tensor_name(tensors[i]), 0.0) for i in operator.inputs if i >= 0]
        reference = np.stack(references[name])
        least, greatest = real_limits(tensors[operator.outputs[0]])
        layers.append(
            LayerError(
                name,
                operator_name(model, operator),
                errors[name],
                max(0.0, errors[name] - max(inputs, default=0.0)),
                float(reference.min()),
                float(reference.max()),
                float(((reference < least) | (reference > greatest)).mean()),
            )
        )
    return layers


def real_limits(tensor: Any) -> tuple[float, float]:
    """Least and greatest real value of a quantised tensor, widened by half a step."""
    limits = np.iinfo(np.dtype(DTYPES[tensor.type]).name)
    scale, zero_point = float(scales(tensor)[0]), int(tensor.quantization.zeroPoint[0])
    return (limits.min - zero_point - 0.5) * scale, (limits.max - zero_point + 0.5) * scale


def stage_table(stages: Sequence[StageError]) -> str:
    """Text for the terminal."""
    rows = [f"{'stage':<12} {'against':<12} {'error':>9} {'agreement':>10} {'worst':>9}"]
    rows += [f"{s.stage:<12} {s.against:<12} {s.error:>9.2g} {s.agreement:>10.2%} {s.worst:>9.2g}" for s in stages]
    return "\n".join(rows)


def layer_table(layers: Sequence[LayerError]) -> str:
    """Text for the terminal; the three layers that add most are marked."""
    width = max((len(layer.name) for layer in layers), default=5)
    costly = sorted((layer.added for layer in layers), reverse=True)[:3]
    rows = [f"  {'layer':<{width}} {'operator':<18} {'error':>8} {'added':>8} {'range':>19} {'outside':>8}"]
    for layer in layers:
        mark = "*" if layer.added > 0 and layer.added in costly else " "
        span = f"{layer.low:.3g} .. {layer.high:.3g}"
        rows.append(
            f"{mark} {layer.name:<{width}} {layer.operator:<18} {layer.error:>8.4f} {layer.added:>8.4f} {span:>19} "
            f"{layer.saturated:>8.2%}"
        )
    return "\n".join(rows)
