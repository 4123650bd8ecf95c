"""Which width each layer needs: what it costs in quality, what it takes of the device, and a table for a budget.

Quality is the error of the scores against the float file, along calibration data. What a file takes is asked of whoever
knows it: the command line asks the compiler and the emulator.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyloc.export import parity
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, operator_name
from tinyloc.export.integer_file import integer_file
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.rules import RULES, SAME
from tinyloc.export.quantise.widths import INT8, INT16X8, Width, dotted, layer_name
from tinyloc.export.step_names import StepNames

LARGEST_SHARE = 0.5
"""A module that holds more than this share of the operators is no layer of its own."""
MOST_WIDE = 6
"""Layers of 16 bits that are proposed at most."""
ENOUGH = 1.5
"""Times the error of int16x8: the search stops there."""
WORTHWHILE = 0.95
"""Of the error before: a layer that lowers it less is not proposed."""
INT4 = Width(4, 8)


@dataclass(frozen=True)
class Need:
    """What a file takes of a device. As a limit: None is no limit."""

    flash: int | None
    ram: int | None
    cycles: int | None

    def less(self, other: "Need") -> "Need":
        """The difference, where both are known."""
        pairs = zip(self.values, other.values, strict=True)
        return Need(*(None if a is None or b is None else a - b for a, b in pairs))

    def within(self, limit: "Need") -> bool:
        """Whether it takes no more; what is not known (cycles of what does not fit) is too much."""
        pairs = zip(self.values, limit.values, strict=True)
        return all(most is None or (found is not None and found <= most) for found, most in pairs)

    @property
    def values(self) -> tuple[int | None, int | None, int | None]:
        """Flash, RAM, cycles."""
        return self.flash, self.ram, self.cycles


NO_LIMIT = Need(None, None, None)


@dataclass(frozen=True)
class LayerWidth:
    """One layer in one width, all others in int8."""

    layer: str
    width: str
    error: float
    added: Need
    """Over int8; negative is saved."""
    alone_at_8: float | None = None
    """Of a layer of 16 bits: the error when only this layer has 8 bits and all others have 16."""


@dataclass(frozen=True)
class Ranking:
    """Layers by width, those that need 16 bits most first, and the widths proposed."""

    int8: float
    int16x8: float
    int8_need: Need
    int16x8_need: Need
    layers: list[LayerWidth]
    proposed: dict[str, str]
    proposed_error: float
    proposed_need: Need
    limit: Need = field(default=NO_LIMIT)

    @property
    def fits(self) -> bool:
        """Whether what is proposed is within the limit."""
        return self.proposed_need.within(self.limit)


class _Search:
    """Errors and needs of tables of widths, each measured once."""

    def __init__(
        self, float_file: bytes, names: StepNames, ranges: Mapping[str, Range], streams: parity.Streams,
        need: Callable[[bytes], Need], lowest: float,
    ) -> None:  # fmt: skip
        self.exact, self._names, self._ranges, self._streams = load(float_file), names, ranges, streams
        self._need, self._lowest = need, lowest
        self._reference = parity.tflite_scores(float_file, names, streams).clip(lowest)
        self._files: dict[tuple[tuple[str, str], ...], bytes] = {}
        self._errors: dict[tuple[tuple[str, str], ...], float] = {}
        self._needs: dict[tuple[tuple[str, str], ...], Need] = {}

    def file(self, widths: Mapping[str, str]) -> bytes:
        """Raises ExportError where a layer has no kernel of its width."""
        key = tuple(widths.items())
        if key not in self._files:
            self._files[key] = integer_file(self.exact, self._names, self._ranges, widths)
        return self._files[key]

    def error(self, widths: Mapping[str, str]) -> float:
        key = tuple(widths.items())
        if key not in self._errors:
            scores = parity.tflite_scores(self.file(widths), self._names, self._streams).clip(self._lowest)
            self._errors[key] = parity.compare("", "", scores, self._reference).error
        return self._errors[key]

    def need(self, widths: Mapping[str, str]) -> Need:
        key = tuple(widths.items())
        if key not in self._needs:
            self._needs[key] = self._need(self.file(widths))
        return self._needs[key]


def rank_widths(
    float_file: bytes, names: StepNames, ranges: Mapping[str, Range], streams: parity.Streams,
    need: Callable[[bytes], Need], limit: Need = NO_LIMIT, lowest: float = -np.inf,
) -> Ranking:  # fmt: skip
    """Measure each layer in each width along `streams`, and propose widths within `limit`.

    lowest: scores below it count as it, because no decision asks which of them is less. Raises ExportError.
    """
    search = _Search(float_file, names, ranges, streams, need, lowest)
    narrow, wide = {"*": str(INT8)}, {"*": str(INT16X8)}
    least = search.need(narrow)
    layers = []
    for layer in layers_of(search.exact):
        for width in (INT16X8, INT4):
            table = {**narrow, layer: str(width)}
            if width == INT4 and not _has_weights(search, table):
                continue
            alone = search.error({**wide, layer: str(INT8)}) if width == INT16X8 else None
            added = search.need(table).less(least)
            layers.append(LayerWidth(layer, str(width), search.error(table), added, alone))
    layers.sort(key=lambda found: (found.width != str(INT16X8), found.error))
    chosen = _proposal(search, narrow, layers, ENOUGH * search.error(wide), limit)
    table = {**narrow, **chosen}
    return Ranking(
        search.error(narrow), search.error(wide), least, search.need(wide), layers, chosen, search.error(table),
        search.need(table), limit,
    )  # fmt: skip


def _has_weights(search: _Search, table: Mapping[str, str]) -> bool:
    """Whether four bits change anything, and can: ones without weights, or with outliers, are left out."""
    try:
        return search.file(table) != search.file({"*": str(INT8)})
    except ExportError:
        return False


def _proposal(
    search: _Search, narrow: Mapping[str, str], layers: Sequence[LayerWidth], enough: float, limit: Need
) -> dict[str, str]:
    """Save what the limit asks for with 4-bit weights, then add the layers of 16 bits that help most and fit.

    Every table is measured, none estimated.
    """
    chosen: dict[str, str] = {}
    smaller = sorted(
        (one for one in layers if one.width == str(INT4) and (one.added.flash or 0) < 0),
        key=lambda one: (one.error - search.error(narrow)) / -(one.added.flash or -1),
    )
    for one in smaller:
        if search.need({**narrow, **chosen}).within(limit):
            break
        chosen[one.layer] = one.width
    wide = [one.layer for one in layers if one.width == str(INT16X8)]
    left = [layer for layer in wide if chosen.get(layer) is None]
    reached, added = search.error({**narrow, **chosen}), 0
    while reached > enough and added < MOST_WIDE and left:
        tried = {layer: search.error({**narrow, **chosen, layer: str(INT16X8)}) for layer in left}
        layer = min(tried, key=tried.__getitem__)
        if tried[layer] > WORTHWHILE * reached:
            break
        left.remove(layer)
        if not search.need({**narrow, **chosen, layer: str(INT16X8)}).within(limit):
            continue
        chosen[layer], reached, added = str(INT16X8), tried[layer], added + 1
    return chosen


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
        f"int8 takes {_needs(ranking.int8_need)}; int16x8 {_needs(ranking.int16x8_need)}",
        f"{'one layer, others int8':<{max(width, 22)}} {'width':>6} {'error':>8} {'error, others at 16':>20} "
        f"{'flash':>10} {'RAM':>9} {'cycles':>10}",
    ]
    for found in ranking.layers:
        alone = "" if found.alone_at_8 is None else f"{found.alone_at_8:.4f}"
        flash, ram, cycles = ("?" if n is None else f"{n:+,}" for n in found.added.values)
        rows.append(
            f"{found.layer:<{max(width, 22)}} {found.width:>6} {found.error:>8.4f} {alone:>20} {flash:>8} B "
            f"{ram:>7} B {cycles:>10}"
        )
    lines = [f'"{layer}" = "{text}"' for layer, text in ranking.proposed.items()]
    rows.append(f"proposed: error {ranking.proposed_error:.4f}, {_needs(ranking.proposed_need)}:")
    rows += ["[export.widths]", *lines] if lines else ["int8 throughout"]
    if not ranking.fits:
        rows.append(f"budget exceeded: it allows {_needs(ranking.limit)}; use a smaller model or a larger budget")
    return "\n".join(rows)


def _needs(need: Need) -> str:
    units = zip(need.values, ("B of flash", "B of RAM", "cycles"), strict=True)
    return ", ".join(f"{n:,} {unit}" for n, unit in units if n is not None) or "unknown"
