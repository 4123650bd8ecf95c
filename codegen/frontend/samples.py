"""Samples of a model from .npy and .npz files, and its answers into them.

A sample is one array an input. Files hold one sample, in the input's own shape, or many along the first axis: in place
of a first dimension of 1, or before the shape. Answers keep that form.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.manifest import ArgumentRecord
from tinyloc.errors import UserError, counted
from tinyloc.files import write_whole

Array = npt.NDArray[Any]
_DECORATION = re.compile(r"^serving_default_|:\d+$")


class SampleError(UserError):
    """A file of samples that is missing, damaged, or not of the model's inputs; or outputs that have no place."""


@dataclass(frozen=True)
class Samples:
    """`rows` has the inputs' arrays of each sample, of the files' types. `batched`: the files had a first axis of them,
    `added`: which stood before the input's shape."""

    rows: list[list[Array]]
    batched: bool
    added: bool


def plain(name: str) -> str:
    """A tensor's name without TFLite's decoration: `serving_default_x:0` is `x`."""
    return _DECORATION.sub("", name)


def load_samples(given: Sequence[str], arguments: Sequence[ArgumentRecord], types: Sequence[str]) -> Samples:
    """Read the samples for a model's inputs.

    Args:
        given: one .npz with an array an input by its name; or .npy files in the order of the inputs, or `NAME=file`;
            a name may be the number of the input.
        types: NumPy type that each input must have; "real" takes any floating type.
    Raises:
        SampleError: with everything that is wrong.
    """
    arrays = _by_argument(given, arguments)
    problems, forms = [], []
    for argument, kind in zip(arguments, types, strict=True):
        values = arrays[argument.argument]
        problems += _type_problems(values, argument, kind)
        form = _form(values.shape, tuple(argument.shape))
        if form is None:
            shape = tuple(argument.shape)
            many = ("N", *shape[1:]) if shape[:1] == (1,) else ("N", *shape)
            problems.append(
                f"{argument.tensor} has shape {values.shape}; the model takes {shape}, or N samples as "
                f"({', '.join(map(str, many))})"
            )
        else:
            forms.append(form)
    counts = {count for count, _, _ in forms}
    if not problems and len(counts) > 1:
        found = ", ".join(f"{a.tensor} {count}" for a, (count, _, _) in zip(arguments, forms, strict=True))
        problems.append(f"the inputs have different numbers of samples: {found}")
    if 0 in counts:
        problems.append("the file holds no sample")
    if problems:
        raise SampleError("; ".join(problems))
    columns = [arrays[a.argument].reshape(-1, *a.shape) for a in arguments]
    (count,) = counts
    rows = [[column[i] for column in columns] for i in range(count)]
    return Samples(rows, any(form[1] for form in forms), any(form[2] for form in forms))


def _form(found: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, bool, bool] | None:
    """(samples, whether along a first axis, whether that axis was added), None for a wrong shape."""
    if found == shape:
        return 1, False, False
    if shape[:1] == (1,) and found[:1] and found[1:] == shape[1:]:
        return found[0], True, False
    if found[:1] and found[1:] == shape:
        return found[0], True, True
    return None


def _type_problems(values: Array, argument: ArgumentRecord, kind: str) -> list[str]:
    if kind == "real":
        fits = values.dtype.kind == "f"
        kind = "a floating type (--float)"
    else:
        fits = values.dtype == np.dtype(kind)
    if not fits:
        hint = "; real numbers need --float" if values.dtype.kind == "f" else ""
        return [f"{argument.tensor} is of type {values.dtype}; the model takes {kind}{hint}"]
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [f"{argument.tensor} holds NaN, which cannot be quantised"]
    return []


def _by_argument(given: Sequence[str], arguments: Sequence[ArgumentRecord]) -> dict[str, Array]:
    """C name of each input -> its array."""
    takes = f"the model takes {counted(len(arguments), 'input')}: {', '.join(a.tensor for a in arguments)}"
    if len(given) == 1 and given[0].endswith(".npz"):
        named: Mapping[str, Array] = _load(Path(given[0]), dict)
    else:
        named, positional = {}, [a.tensor for a in arguments]
        for item in given:
            name, found, file = item.rpartition("=")
            if not found or Path(item).is_file():
                if not positional:
                    raise SampleError(f"{item}: one file too many; {takes}")
                name, file = positional[0], item
            named[name] = _load(Path(file), np.ndarray)
            numbers = {a.tensor: str(i) for i, a in enumerate(arguments)}
            positional = [tensor for tensor in positional if name not in (tensor, plain(tensor), numbers[tensor])]
    arrays, unknown = {}, []
    for name, values in named.items():
        found_names = [a for i, a in enumerate(arguments) if name in (a.tensor, plain(a.tensor), a.argument, str(i))]
        if found_names:
            arrays[found_names[0].argument] = values
        else:
            unknown.append(name)
    missing = [a.tensor for a in arguments if a.argument not in arrays]
    if unknown or missing:
        told = [f"no input is called {', '.join(unknown)}"] if unknown else []
        told += [f"no file is given for {', '.join(missing)}"] if missing else []
        raise SampleError(f"{'; '.join(told)}; {takes}. Give one .npz, or --input once per input")
    return arrays


def _load(path: Path, kind: type) -> Any:
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            several = isinstance(loaded, np.lib.npyio.NpzFile)
            content = {name: loaded[name] for name in loaded.files} if several else loaded
    except OSError as error:
        raise SampleError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # np.load raises almost anything on a damaged file
        raise SampleError(f"{path}: not a whole file of numpy.save or numpy.savez ({error})") from error
    if not isinstance(content, kind):
        want = ".npz of several arrays" if kind is dict else ".npy of one array"
        raise SampleError(f"{path}: not a {want}")
    return content


def joined(outputs: Sequence[Sequence[Array]], samples: Samples) -> list[Array]:
    """Each output of all samples in the form that the inputs had."""
    found = []
    for number in range(len(outputs[0])):
        values = [row[number] for row in outputs]
        if not samples.batched:
            found.append(values[0])
        elif values[0].shape[:1] == (1,) and not samples.added:
            found.append(np.concatenate(values))
        else:
            found.append(np.stack(values))
    return found


def check_targets(targets: Sequence[Path], arguments: Sequence[ArgumentRecord]) -> None:
    """Raises SampleError when these files cannot take the outputs: one .npz for all, or a .npy for each."""
    if len(targets) == 1 and (targets[0].suffix == ".npz" or len(arguments) == 1):
        return
    if len(targets) != len(arguments):
        names = ", ".join(a.tensor for a in arguments)
        raise SampleError(
            f"the model has {counted(len(arguments), 'output')} ({names}), but "
            f"{counted(len(targets), 'file')} {'is' if len(targets) == 1 else 'are'} named; "
            "give one .npz, or --output once per output"
        )


def save_outputs(
    targets: Sequence[Path],
    arguments: Sequence[ArgumentRecord],
    values: Sequence[Array],
    write: Callable[[Path, bytes], None] = write_whole,
) -> None:
    """Write the outputs as check_targets allows them; in a .npz they have their plain names."""
    if len(targets) == 1 and targets[0].suffix == ".npz":
        stream = io.BytesIO()
        names = [plain(a.tensor) for a in arguments]
        if len(set(names)) < len(names):
            names = [a.argument for a in arguments]
        np.savez(stream, **dict(zip(names, values, strict=True)))
        write(targets[0], stream.getvalue())
        return
    for target, array in zip(targets, values, strict=True):
        stream = io.BytesIO()
        np.save(stream, array)
        write(target, stream.getvalue())
