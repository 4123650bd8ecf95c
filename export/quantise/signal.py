"""Signal to noise of an integer file, layer by layer, against its float file along the same samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyloc.export.flatbuffer import DTYPES, graph, operator_name, tensor_name
from tinyloc.export.quantise.file_runner import Array, FileRunner
from tinyloc.export.quantise.widths import layer_name


@dataclass(frozen=True)
class LayerSignal:
    """One value of the graph."""

    name: str
    operator: str
    bits: int
    """Of the integers."""
    low: float
    high: float
    """Range of the float value."""
    decibels: float
    """10 log10 of the float value's power over that of the difference; infinite where there is none."""
    lost: float
    """Decibels below the worst operand: what this operator adds."""


@dataclass(frozen=True)
class Agreement:
    """One output beside its float value."""

    name: str
    decibels: float
    same_largest: float
    """Share of samples whose largest element is the same."""


class _Power:
    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.low, self.high = np.inf, -np.inf

    def add(self, real: Array, found: Array) -> None:
        wide = real.astype(np.float64)
        self.signal += float((wide**2).sum())
        self.noise += float(((found - wide) ** 2).sum())
        self.low, self.high = min(self.low, float(wide.min())), max(self.high, float(wide.max()))

    @property
    def decibels(self) -> float:
        if self.noise == 0.0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal > 0 else -math.inf


def compare(
    float_file: bytes, integer_model: Any, integer_file: bytes, samples: Mapping[str, Array],
    states: Sequence[tuple[str, str]] = (),
) -> tuple[list[LayerSignal], list[Agreement]]:  # fmt: skip
    """Layers in the order of the graph, and outputs. Each file runs on its own state."""
    exact, rounded = FileRunner(float_file, states), FileRunner(integer_file, states)
    powers: dict[str, _Power] = {}
    same: dict[str, list[bool]] = {name: [] for name in exact.outputs}
    for real, found in zip(exact.along(samples), rounded.along(samples), strict=True):
        for name in real.keys() & found.keys():
            if real[name].dtype == np.float32:
                powers.setdefault(name, _Power()).add(real[name], found[name])
        for name in same:
            same[name].append(bool(real[name].argmax() == found[name].argmax()))
    infinite = _Power()
    tensors = graph(integer_model).tensors
    layers = []
    for operator in graph(integer_model).operators:
        name = tensor_name(tensors[operator.outputs[0]])
        if name not in powers:
            continue
        worst = min(powers.get(tensor_name(tensors[i]), infinite).decibels for i in operator.inputs if i >= 0)
        power = powers[name]
        lost = worst - power.decibels if math.isfinite(worst) else 0.0
        bits = np.dtype(DTYPES[tensors[operator.outputs[0]].type]).itemsize * 8
        layers.append(
            LayerSignal(
                layer_name(integer_model, operator),
                operator_name(integer_model, operator),
                bits,
                power.low,
                power.high,
                power.decibels,
                max(0.0, lost),
            )
        )
    outputs = [
        Agreement(name, powers[name].decibels if name in powers else math.inf, float(np.mean(same[name])))
        for name in exact.outputs
    ]
    return layers, outputs


def table(layers: Sequence[LayerSignal]) -> str:
    """Text for the terminal; the three layers that lose most are marked."""
    width = max((len(layer.name) for layer in layers), default=5)
    costly = sorted((layer.lost for layer in layers), reverse=True)[:3]
    rows = [f"  {'layer':<{width}} {'operator':<18} {'bits':>4} {'range':>21} {'signal to noise':>16} {'lost':>8}"]
    for layer in layers:
        mark = "*" if layer.lost > 0 and layer.lost in costly else " "
        span = f"{layer.low:.3g} .. {layer.high:.3g}"
        rows.append(
            f"{mark} {layer.name:<{width}} {layer.operator:<18} {layer.bits:>4} {span:>21} {layer.decibels:>13.1f} dB "
            f"{layer.lost:>5.1f} dB"
        )
    return "\n".join(rows)
