"""A stranger's float .tflite or ONNX file becomes an integer .tflite file, with calibration data of its own."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, graph, load, tensor_name
from tinyloc.export.float_file import simplify
from tinyloc.export.loops import write_loops_out
from tinyloc.export.quantise import check
from tinyloc.export.quantise.file_runner import Array, FileRunner
from tinyloc.export.quantise.refine import refine
from tinyloc.export.quantise.rules import HELP
from tinyloc.export.quantise.signal import Agreement, LayerSignal, compare
from tinyloc.export.quantise.widths import Widths, dotted, layer_name
from tinyloc.export.to_tflite import to_tflite

MARK = b"TFL3"
NAMED_AT_ONCE = 5
ROOT = "wa/"
"""What onnx2tf puts before a name that begins with a slash."""


@dataclass(frozen=True)
class QuantisedFile:
    """The integer file and how it compares with the float file along the calibration data."""

    content: bytes
    layers: list[LayerSignal]
    outputs: list[Agreement]
    constant: list[str]
    """Values that never changed along the calibration data."""
    refined: str = ""
    """What was done beside rounding, and what it brought on calibration samples kept apart; empty where nothing was."""


def quantise_file(
    model: Path, calibration: Path, widths: Mapping[str, str], states: Sequence[tuple[str, str]] = ()
) -> QuantisedFile:
    """Quantise a float file.

    Args:
        model: .tflite of float32, or .onnx.
        calibration: .npz with an array (N, *shape) for each input that is no state; samples in the order of a stream.
        widths: layer pattern -> width, such as {"*": "w8a8", "blocks.*.scan": "w8a16"}.
        states: (input, output) pairs that one run leaves for the next.

    Raises:
        ExportError: The files do not fit each other, or the graph cannot be quantised; everything at once.
    """
    exact = _float_graph(model)
    table = Widths(widths)
    problems = [*_unknown_states(exact, states), *check.structure(exact, table)]
    layers = [layer_name(exact, operator) for operator in graph(exact).operators]
    if unused := table.unused(layers):
        problems.append(f"widths of {', '.join(unused)}: no such layer; there are {_some(sorted(map(dotted, layers)))}")
    if problems:
        raise ExportError(f"{model}: {counted(len(problems), 'problem')}:\n  " + "\n  ".join(problems))
    samples = _samples(calibration, FileRunner(dump(exact), states).inputs)
    refined = refine(exact, samples, table, states)
    integer = dump(refined.model)
    signals, outputs = compare(refined.exact, refined.model, integer, samples, states)
    constant = [name for name, (low, high) in refined.ranges.items() if low == high]
    return QuantisedFile(integer, signals, outputs, constant, refined.note)


def _float_graph(model: Path) -> Any:
    try:
        content = to_tflite(model, as_they_are=True) if model.suffix == ".onnx" else model.read_bytes()
    except OSError as error:
        raise ExportError(f"{model} cannot be read: {error.strerror}") from error
    if content[4:8] != MARK:
        raise ExportError(f"{model} is no TFLite file (no TFL3 mark) and has no ending .onnx")
    try:
        exact = load(content)
        loops = write_loops_out(exact)
        if len(exact.subgraphs) == 1:
            name_uniquely(exact)
            simplify(exact)
    except ExportError:
        raise
    except Exception as error:  # a damaged flatbuffer fails anywhere
        raise ExportError(f"{model} is damaged ({type(error).__name__}: {error}); export the model again") from error
    if loops:
        raise ExportError(f"{model}: {'; '.join(loops)}; {HELP['WHILE']}")
    return exact


def name_uniquely(model: Any) -> None:
    """Names as in the file without TensorFlow's and onnx2tf's wrapping; the second of one name gets #2."""
    seen: dict[str, int] = {}
    for tensor in graph(model).tensors:
        name = tensor_name(tensor).removeprefix("serving_default_").removesuffix(":0")
        name = name.removeprefix(ROOT) or "unnamed"
        seen[name] = seen.get(name, 0) + 1
        tensor.name = name if seen[name] == 1 else f"{name}#{seen[name]}"


def _unknown_states(model: Any, states: Sequence[tuple[str, str]]) -> list[str]:
    part = graph(model)
    problems = []
    for place, indices, what in ((0, part.inputs, "input"), (1, part.outputs, "output")):
        have = [tensor_name(part.tensors[i]) for i in indices]
        problems += [
            f"no {what} {pair[place]} (a state): there are {_some(have)}" for pair in states if pair[place] not in have
        ]
    return problems


def _samples(path: Path, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ExportError(f"{path} holds one array without a name (.npy); write it with numpy.savez")
        with file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ExportError(f"{path} is no .npz file with plain arrays ({error}); write it with numpy.savez") from error
    if len(arrays) == len(inputs) == 1:
        arrays = {next(iter(inputs)): next(iter(arrays.values()))}  # one input: any name
    problems = []
    if missing := inputs.keys() - arrays.keys():
        problems.append(
            f"no array {_some(sorted(missing))}; the model's inputs are {_some(list(inputs))}, "
            f"the file has {_some(list(arrays)) or 'none'}"
        )
    samples = {}
    for name in inputs.keys() & arrays.keys():
        values, shape = arrays[name], inputs[name]
        if values.dtype.kind not in "fiub" or values.ndim == 0 or values[:1].size != int(np.prod(shape)):
            problems.append(
                f"array {name} is {values.dtype} of shape {values.shape}; the input needs numbers of shape "
                f"(samples, {', '.join(map(str, shape))})"
            )
            continue
        samples[name] = values.reshape(len(values), *shape).astype(np.float32)
        if bad := int((~np.isfinite(samples[name])).sum()):
            problems.append(f"array {name} holds NaN or infinity in {counted(bad, 'value')}")
    if len({len(rows) for rows in samples.values()} | ({0} if not samples else set())) > 1:
        problems.append(f"arrays differ in length: {', '.join(f'{n} {len(rows)}' for n, rows in samples.items())}")
    if not problems and len(next(iter(samples.values()))) == 0:
        problems.append("the arrays hold no sample")
    if problems:
        raise ExportError(f"{path}: " + "; ".join(problems))
    return samples


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_ONCE} more" if len(names) > NAMED_AT_ONCE else ""
    return f"{', '.join(names[:NAMED_AT_ONCE])}{more}"
