"""Drop rows of layers whose output never changes, or that nothing reads.

Folded batch normalisation leaves rows of zeros, or of a tiny scale, with a large bias: their output
is the same for every input. A convolution or fully connected layer behind takes such a channel into its bias, exactly,
where it is the same at all positions that it sees; then neither the row is needed, nor what only that row read. A
constant row that must stay, because another operator reads it, gets weights of zero and an ordinary scale, so that it
does not decide which kernel the layer takes.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode
from tinyloc.codegen.arithmetic.requantise import Int64s
from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.fully_connected import bias_of
from tinyloc.codegen.passes.channel_ranges import Channels, Rows, channel_ranges, rows_of, tied
from tinyloc.errors import counted

FACTOR = 1 / 64
"""Of a constant row that gets a scale of its own: a sum of 64 * d gives d, in every kernel's rounding."""
ORDINARY = 1 << 24
"""Below it a bias is nothing special, as of a row of zeros that a converter writes."""
LEAST = 2.0**-16
"""Factors from here to 1/2 are nothing special either."""
GROUP = 4
"""Channels of 8 bits in a word: kernels take so many at a time."""
AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}
"""Axis of the outputs in a layer's weights."""


def drop_dead_channels(graph: Graph) -> tuple[Graph, list[str]]:
    """Graph without such channels, and a line for each layer that became smaller."""
    if in_data_mode():  # which channels are dead hangs on the model's numbers
        return graph, []
    layers = {op.outputs[0]: rows for op in graph.operators if (rows := rows_of(graph, op)) is not None}
    if not layers:
        return graph, []
    known = channel_ranges(graph)
    keep = _kept(graph, layers, known)
    changed = [op for op in graph.operators if op.outputs[0] in layers]
    if all(keep[t].all() for t in keep) and not any(known[op.outputs[0]].constant.any() for op in changed):
        return graph, []
    return _rewrite(graph, layers, known, keep)


def _is_whole(graph: Graph, op: Operator) -> bool:
    """Whether each row of a layer reads all channels, so that any of them can be left out."""
    channels = graph.tensors[op.inputs[0]].shape[-1]
    return op.kind == "FULLY_CONNECTED" or (op.kind == "CONV_2D" and graph.tensors[op.inputs[1]].shape[3] == channels)


def _foldable(graph: Graph, op: Operator, rows: Rows, x: Channels) -> Array:
    """(C,): channels of the input that a whole layer can take into its bias."""
    zero = graph.tensors[op.inputs[0]].zero_point
    first = x.value.reshape(-1, x.value.shape[-1])[0]
    free: Array = x.uniform & ((first == zero) | (not rows.padded))
    return free


def _kept(graph: Graph, layers: Mapping[int, Rows], known: Mapping[int, Channels]) -> dict[int, Array]:
    """(C,) of every value: which channels are computed. At least one is."""
    keep = {t: np.zeros(len(found.constant), bool) for t, found in known.items()}
    for t in (*graph.sources, *graph.results):
        if t in keep:
            keep[t][:] = True
    while _need(graph, layers, known, keep) or _no_empty(keep) or _in_groups(graph, known, keep):
        pass
    return keep


def _in_groups(graph: Graph, known: Mapping[int, Channels], keep: Mapping[int, Array]) -> bool:
    """Keep the alignment of fast kernels: a count that was a multiple of GROUP stays one. Whether rows were added."""
    added = False
    for t, channels in keep.items():
        missing = -int(channels.sum()) % GROUP
        if not missing or len(channels) % GROUP or graph.tensors[t].element != "int8":
            continue
        gone = np.flatnonzero(~channels)
        chosen = gone[np.argsort(~known[t].uniform[gone], kind="stable")][:missing]  # constant rows need no input
        channels[chosen] = True
        added |= len(chosen) > 0
    return added


def _no_empty(keep: Mapping[int, Array]) -> bool:
    empty = [channels for channels in keep.values() if not channels.any()]
    for channels in empty:
        channels[0] = True
    return bool(empty)


def _need(graph: Graph, layers: Mapping[int, Rows], known: Mapping[int, Channels], keep: Mapping[int, Array]) -> bool:
    """Mark what the channels that are kept need; whether anything was marked."""
    before = sum(int(channels.sum()) for channels in keep.values())
    for op in reversed(graph.operators):
        y = op.outputs[0]
        if y in layers:
            x = op.inputs[0]
            if _is_whole(graph, op):
                live = keep[y] & ~known[y].uniform
                read = layers[y].read[live].any(axis=0)
                keep[x][read & ~_foldable(graph, op, layers[y], known[x])] = True
            elif op.kind == "DEPTHWISE_CONV_2D":
                _tie(keep[x], keep[y])
            else:
                keep[x][:] = True
                keep[y][:] = True
            continue
        operands = tied(graph, op)
        for t in op.inputs:
            if t in keep and t not in operands:
                keep[t][:] = True
        for t in op.outputs if not operands else ():
            keep[t][:] = True
        for t in operands:
            if op.kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
                keep[t][keep[y].reshape(-1, len(keep[t])).any(axis=0)] = True
                keep[y][np.tile(keep[t], len(keep[y]) // len(keep[t]))] = True
            else:
                _tie(keep[t], keep[y])
    return sum(int(channels.sum()) for channels in keep.values()) > before


def _tie(x: Array, y: Array) -> None:
    """Channels of x and the groups of channels of y that they make are kept together."""
    times = len(y) // len(x)
    x[y.reshape(len(x), times).any(axis=1)] = True
    y[np.repeat(x, times)] = True


@dataclasses.dataclass(frozen=True)
class _Layer:
    """Weights with the outputs first (outputs, taps, channels), bias, and a scale each output."""

    weights: Int64s
    bias: Int64s
    scale: tuple[float, ...]


def _rewrite(
    graph: Graph, layers: Mapping[int, Rows], known: Mapping[int, Channels], keep: Mapping[int, Array]
) -> tuple[Graph, list[str]]:
    tensors, notes = list(graph.tensors), []
    operators: list[Operator] = []
    for t, channels in keep.items():
        if not channels.all():
            tensors[t] = dataclasses.replace(tensors[t], shape=(*tensors[t].shape[:-1], int(channels.sum())))
    for op in graph.operators:
        if op.outputs[0] not in layers:
            shrunk = not keep[op.outputs[0]].all() and op.kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
            operators.append(dataclasses.replace(op, inputs=op.inputs[:1]) if shrunk else op)
            continue
        made, note = _new_layer(graph, op, layers[op.outputs[0]], known, keep)
        notes += note
        if made is None:
            operators.append(op)
            continue
        weights, bias = _tensors(graph, op, made)
        tensors += [weights, bias]
        operators.append(
            dataclasses.replace(op, inputs=(op.inputs[0], len(tensors) - 2, len(tensors) - 1, *op.inputs[3:]))
        )
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(operators)), notes


def _new_layer(
    graph: Graph, op: Operator, rows: Rows, known: Mapping[int, Channels], keep: Mapping[int, Array]
) -> tuple[_Layer | None, list[str]]:
    """The layer on the channels that are kept, None where it stays as it is; and what to say of it."""
    x, y, w = op.inputs[0], op.outputs[0], graph.tensors[op.inputs[1]]
    assert w.data is not None and w.quantisation is not None
    taps = np.moveaxis(w.data.astype(np.int64), AXIS[op.kind], 0).reshape(w.shape[AXIS[op.kind]], -1)
    depth = graph.tensors[x].shape[-1] if _is_whole(graph, op) else 1
    taps = taps.reshape(len(taps), -1, depth) if op.kind != "CONV_2D" or depth > 1 else taps[:, :, None]
    bias = rows.bias.copy()
    constant = known[y].uniform & keep[y]
    scale = w.quantisation.scale if w.quantisation.per_channel else w.quantisation.scale * len(taps)
    if _is_whole(graph, op) and depth > 1:
        zero = graph.tensors[x].zero_point
        first = known[x].value.reshape(-1, depth)[0].astype(np.int64) - zero
        gone = ~keep[x]
        folded = gone & _foldable(graph, op, rows, known[x])
        bias += taps[:, :, folded].sum(axis=1) @ first[folded]
        taps = taps[:, :, keep[x]]
    before = len(taps)
    scales = np.array(scale)
    tame = _tame(graph, op, rows, known[y], constant, taps, bias, scales)
    if keep[x].all() and keep[y].all() and not tame:
        return None, []
    said = []
    dropped = before - int(keep[y].sum())
    if dropped:
        said.append(f"{counted(dropped, 'channel')} of {before} dropped: constant, or read by nobody")
    if tame:
        said.append(f"{counted(tame, 'channel')} of {before} constant")
    inside = int((~keep[x]).sum())
    if inside:
        said.append(f"{counted(inside, 'input channel')} of {len(keep[x])} dropped")
    rest = keep[y]
    made = _Layer(taps[rest], bias[rest], tuple(float(s) for s in scales[rest]))
    return made, [f"{op.origin[0]}: {'; '.join(said)}"] if said else []


def _tame(
    graph: Graph, op: Operator, rows: Rows, y: Channels, constant: Array, taps: Int64s, bias: Int64s, scales: Array
) -> int:
    """Give constant rows zeros, and a bias and scale that lead to the same output; how many there are."""
    count = 0
    sx, sy = (float(np.float32(graph.tensors[t].scale)) for t in (op.inputs[0], op.outputs[0]))
    value = y.value.reshape(-1, len(constant))[0].astype(np.int64)
    scale = np.float32(FACTOR * sy / sx)
    for row in np.flatnonzero(constant):
        factor = rows.scaling.factor[row if len(rows.scaling.factor) > 1 else 0]
        plain = op.kind != "FULLY_CONNECTED" and abs(int(bias[row])) < ORDINARY and LEAST < factor < 0.5
        if plain and not taps[row].any():
            continue
        r = dataclasses.replace(rows.scaling, factor=(sx * float(scale) / sy,))
        near = 64 * (int(value[row]) - r.zero_point) + np.arange(-255, 256)
        same = near[r.reference(near) == value[row]]
        if len(same):
            taps[row], bias[row], scales[row] = 0, same[np.abs(same).argmin()], scale
            count += 1
    return count


def _tensors(graph: Graph, op: Operator, made: _Layer) -> tuple[Tensor, Tensor]:
    """Weights and bias of the new layer."""
    w = graph.tensors[op.inputs[1]]
    axis = AXIS[op.kind]
    shape = list(w.shape)
    shape[axis] = len(made.weights)
    if _is_whole(graph, op):
        shape[-1] = made.weights.shape[2]
    moved = [shape[axis], *(size for at, size in enumerate(shape) if at != axis)]
    data = np.moveaxis(made.weights.reshape(moved), 0, axis)
    scale = made.scale if len(set(made.scale)) > 1 else made.scale[:1]
    weights = Tensor(f"{w.name} (live)", tuple(shape), w.element, Quantisation(scale, (0,) * len(scale), axis),
                     np.ascontiguousarray(data.astype(w.element)))  # fmt: skip
    old = graph.tensors[op.inputs[2]] if bias_of(graph, op) is not None else None
    wide = graph.tensors[op.inputs[0]].element == "int16"
    element = old.element if old is not None else "int64" if wide else "int32"
    name = old.name if old is not None else f"{w.name} bias"
    return weights, Tensor(f"{name} (live)", made.bias.shape, element, None, made.bias.astype(element))
