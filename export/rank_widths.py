"""Which layers need 16 bits: what each width costs in quality and takes of the device, and a table of widths proposed.

Quality is the error of the scores against the float file. What the device needs is asked of whoever knows it: the
command line asks the compiler.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyloc.export import parity
from tinyloc.export.flatbuffer import graph, load, operator_name
from tinyloc.export.integer_file import integer_file
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.rules import RULES, SAME
from tinyloc.export.quantise.widths import INT8, INT16X8, dotted, layer_name
from tinyloc.export.step_names import StepNames

LARGEST_SHARE = 0.5
"""A module that holds more than this share of the operators is no layer of its own."""
MOST_WIDE = 6
"""Layers of 16 bits that are proposed at most."""
ENOUGH = 1.5
"""Times the error of int16x8: the search stops there."""
WORTHWHILE = 0.95
"""Of the error before: a layer that lowers it less is not proposed."""


@dataclass(frozen=True)
class Need:
    """Bytes that a file takes of a device."""

    constants: int
    ram: int


@dataclass(frozen=True)
class LayerWidth:
    """One layer."""

    layer: str
    alone_at_8: float
    """Error when only this layer has 8 bits and all others have 16."""
    alone_at_16: float
    """Error when only this layer has 16 bits and all others have 8."""
    saved: Need
    """What int16x8 takes more than with this layer at 8 bits."""


@dataclass(frozen=True)
class Ranking:
    """Layers, those that need 16 bits most first, and the widths proposed."""

    int8: float
    int16x8: float
    layers: list[LayerWidth]
    proposed: dict[str, str]
    proposed_error: float
    proposed_need: Need
    int16x8_need: Need


def rank_widths(
    float_file: bytes, names: StepNames, ranges: Mapping[str, Range], streams: parity.Streams,
    need: Callable[[bytes], Need],
) -> Ranking:  # fmt: skip
    """Measure each layer along `streams`. Raises ExportError."""
    exact = load(float_file)
    reference = parity.tflite_scores(float_file, names, streams)

    def made(widths: Mapping[str, str]) -> bytes:
        return integer_file(exact, names, ranges, widths)

    def error(widths: Mapping[str, str]) -> float:
        return parity.compare("", "", parity.tflite_scores(made(widths), names, streams), reference).error

    narrow, wide = {"*": str(INT8)}, {"*": str(INT16X8)}
    whole, best = need(made(wide)), error(wide)
    layers = []
    for layer in layers_of(exact):
        at_8 = {**wide, layer: str(INT8)}
        needs = need(made(at_8))
        saved = Need(whole.constants - needs.constants, whole.ram - needs.ram)
        layers.append(LayerWidth(layer, error(at_8), error({**narrow, layer: str(INT16X8)}), saved))
    layers.sort(key=lambda found: found.alone_at_16)
    proposed, reached = _forward(narrow, [found.layer for found in layers], error, best)
    return Ranking(error(narrow), best, layers, proposed, reached, need(made({**narrow, **proposed})), whole)


def _forward(
    narrow: Mapping[str, str], layers: Sequence[str], error: Callable[[Mapping[str, str]], float], best: float
) -> tuple[dict[str, str], float]:
    """Add the layer that helps most, again and again."""
    chosen: dict[str, str] = {}
    reached = error(narrow)
    while reached > ENOUGH * best and len(chosen) < MOST_WIDE:
        tried = {layer: error({**narrow, **chosen, layer: str(INT16X8)}) for layer in layers if layer not in chosen}
        layer = min(tried, key=tried.__getitem__, default=None)
        if layer is None or tried[layer] > WORTHWHILE * reached:
            break
        chosen[layer], reached = str(INT16X8), tried[layer]
    return chosen, reached


def layers_of(model: Any) -> list[str]:
    """Patterns of the layers that compute: modules such as blocks.0.scan, or single operators outside of small ones."""
    computing = [op for op in graph(model).operators if RULES[operator_name(model, op)].scale != SAME]
    paths = [dotted(layer_name(model, operator)) for operator in computing]
    found = []
    for path in paths:
        parent = path.rpartition(".")[0]
        inside = sum(other == parent or other.startswith(f"{parent}.") for other in paths)
        found.append(parent if parent and inside <= LARGEST_SHARE * len(paths) and "." in parent else path)
    return list(dict.fromkeys(layer for layer in found if not any(layer.startswith(f"{other}.") for other in found)))


def ranking_table(ranking: Ranking) -> str:
    """Text for the terminal."""
    width = max((len(found.layer) for found in ranking.layers), default=5)
    rows = [
        f"error of the scores: int8 {ranking.int8:.4f}, int16x8 {ranking.int16x8:.4f}",
        f"{'layer':<{width}} {'only it at 16':>14} {'only it at 8':>13} {'saves constants':>16} {'RAM':>7}",
    ]
    for found in ranking.layers:
        rows.append(
            f"{found.layer:<{width}} {found.alone_at_16:>14.4f} {found.alone_at_8:>13.4f} "
            f"{found.saved.constants:>14,} B {found.saved.ram:>5,} B"
        )
    lines = [f'"{layer}" = "{text}"' for layer, text in ranking.proposed.items()]
    needs, whole = ranking.proposed_need, ranking.int16x8_need
    rows += [
        f"proposed: error {ranking.proposed_error:.4f}, constants {needs.constants:,} B (int16x8 "
        f"{whole.constants:,} B), "
        f"RAM {needs.ram:,} B ({whole.ram:,} B):",
        *(["[export.widths]", *lines] if lines else ["int8 throughout"]),
    ]
    return "\n".join(rows)
