"""The integer file of a stranger's network: as it is, or with layers equalised and biases compensated.

What helps depends on the network, so that each form is tried: every fourth calibration sample is kept apart from the
means that the forms are made of, and decides by the noise of the outputs. A form is taken if it is clearly better than
the simpler ones (paired bootstrap over these samples, the mean of the outputs' decibels) and no output is worse.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.export.flatbuffer import dump, graph, operator_name
from tinyloc.export.quantise.compensate import compensate, quantised_inputs
from tinyloc.export.quantise.equalise import Peaks, between_layers, equalise
from tinyloc.export.quantise.file_runner import Array, FileRunner
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.lstm import KIND, CellRanges
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.widths import Widths

APART = 4
"""Every fourth sample decides."""
FEWEST = 8
"""Calibration samples; fewer decide nothing."""
MOST = 32
"""Samples that integers run along for the biases, spread evenly: the mean of a channel needs no more."""
RESAMPLES = 1000
SMALLEST = 1e-30

Floats = npt.NDArray[np.float64]
States = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Refined:
    """The form that was chosen."""

    exact: bytes
    """The float file that its values stand for, layer by layer."""
    model: Any
    """Integers."""
    ranges: Mapping[str, Range]
    note: str
    """What was done and what it brought, empty where nothing was."""


@dataclass
class _Along:
    """What one run of a float file along samples brings."""

    ranges: dict[str, Range]
    peaks: Peaks
    means: dict[str, Any]
    """Of the samples that biases are compensated on."""
    outputs: list[list[Array]]
    """Sample by sample."""


def refine(model: Any, samples: Mapping[str, Array], widths: Widths, states: States = ()) -> Refined:
    """Quantise a float graph. A graph with a state or a fused LSTM has the plain form only.

    Args:
        model: float graph.
        samples: name -> (N, *shape), in the order of a stream.
        widths: by layer.
        states: (input, output) pairs that one run leaves for the next.

    Raises:
        ExportError: LiteRT does not run the graph, or it has no integer form.
    """
    content, count = dump(model), len(next(iter(samples.values())))
    apart = [number for number in range(count) if number % APART == APART - 1]
    fit = [number for number in range(count) if number % APART != APART - 1]
    fit = [fit[at] for at in np.unique(np.linspace(0, len(fit) - 1, MOST).astype(int))]
    seen = _along(content, model, samples, fit, states)
    plain = quantise(model, seen.ranges, widths, states)
    best = Refined(content, plain, seen.ranges, "")
    recurrent = any(operator_name(model, operator) == KIND for operator in graph(model).operators)
    if count < FEWEST or states or recurrent:
        return best
    held = {name: rows[apart] for name, rows in samples.items()}
    target = [seen.outputs[number] for number in apart]
    first = reached = noise(target, dump(plain), held)
    equal, pairs = copy.deepcopy(model), between_layers(model)
    equalise(equal, seen.peaks)
    for form, title in ((model, ""), *([(equal, f"{len(pairs)} pairs of layers equalised, ")] if pairs else [])):
        file = dump(form)
        found = seen if form is model else _along(file, form, samples, fit)
        made = quantise(form, found.ranges, widths)
        changed = compensate(made, found.means, quantised_inputs(made, {k: v[fit] for k, v in samples.items()}))
        if not changed and form is model:
            continue
        now = noise(target, dump(made), held)
        gain = decibels(first.sum(axis=0), now.sum(axis=0))
        if clearly_less(now, reached) and (gain >= 0).all():
            reached = now
            note = f"{title}biases of {changed} layers compensated: {gain.mean():.1f} dB less noise"
            best = Refined(file, made, found.ranges, note)
    return best


def _along(content: bytes, model: Any, samples: Mapping[str, Array], fit: Sequence[int], states: States = ()) -> _Along:
    runner, chosen, cells = FileRunner(content, states), set(fit), CellRanges(model)
    found = _Along({}, {}, {}, [])
    for number, values in enumerate(runner.along(samples)):
        cells.add(values)
        for name, value in values.items():
            low, high = found.ranges.get(name, (np.inf, -np.inf))
            found.ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
            if value.dtype == np.float32 and value.ndim:
                rows = value.reshape(-1, value.shape[-1]).astype(np.float64)
                found.peaks[name] = np.maximum(found.peaks.get(name, 0.0), np.abs(rows).max(axis=0))
                if number in chosen:
                    found.means[name] = found.means.get(name, 0.0) + rows.mean(axis=0) / len(fit)
        found.outputs.append([values[name] for name in runner.outputs])
    found.ranges.update(cells.found)
    return found


def noise(target: Sequence[Sequence[Array]], integer_file: bytes, samples: Mapping[str, Array]) -> Floats:
    """Power of each output's difference by sample, (N, outputs). target: float outputs, sample by sample."""
    runner = FileRunner(integer_file)
    rows = [
        [
            float(((values[name] - real.astype(np.float64)) ** 2).sum())
            for real, name in zip(exact, runner.outputs, strict=True)
        ]
        for exact, values in zip(target, runner.along(samples), strict=True)
    ]
    return np.array(rows)


def decibels(more: Floats, less: Floats) -> Floats:
    """10 log10(more / less)."""
    found: Floats = 10 * np.log10(np.maximum(more, SMALLEST) / np.maximum(less, SMALLEST))
    return found


def clearly_less(new: Floats, old: Floats) -> bool:
    """Whether the 95 % interval of the decibels between two (N, outputs) is above 0; the same samples for both."""
    drawn = np.random.default_rng(0).integers(0, len(new), (RESAMPLES, len(new)))
    gains = decibels(old[drawn].sum(axis=1), new[drawn].sum(axis=1)).mean(axis=1)
    return bool(np.percentile(gains, 2.5) > 0)
