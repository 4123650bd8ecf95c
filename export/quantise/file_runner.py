"""Run any TFLite file in LiteRT's reference kernels, every value readable, states carried from sample to sample."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, tensor_name
from tinyloc.export.litert import dequantise, quantise
from tinyloc.export.quantise.lstm import CellRanges

Array = npt.NDArray[Any]
REAL = (np.float32, np.int8, np.int16)


class FileRunner:
    """A file with its states, pairs of input and output names. Raises ExportError when LiteRT does not run it."""

    def __init__(self, content: bytes, states: Sequence[tuple[str, str]] = ()) -> None:
        try:
            self._interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                experimental_preserve_all_tensors=True,
            )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"LiteRT's reference kernels do not run this file: {error}") from error
        part = graph(load(content))
        details = {int(d["index"]): d for d in self._interpreter.get_tensor_details()}
        computed = [*map(int, part.inputs), *(int(i) for op in part.operators for i in op.outputs)]
        self._details = {tensor_name(part.tensors[i]): details[i] for i in computed if i in details}
        self._inputs = [tensor_name(part.tensors[i]) for i in part.inputs]
        self.outputs = [tensor_name(part.tensors[i]) for i in part.outputs]
        self._states = list(states)
        self._windows = CellRanges.starts_anew(load(content))

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the inputs that are no states."""
        carried = {source for source, _ in self._states}
        return {name: tuple(self._details[name]["shape"]) for name in self._inputs if name not in carried}

    def along(self, samples: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        """Real values of every computed tensor, sample by sample, from states of 0. samples: name -> (N, *shape)."""
        state = {source: np.zeros(self._details[source]["shape"], np.float32) for source, _ in self._states}
        for number in range(len(next(iter(samples.values())))):
            given = {**{name: rows[number] for name, rows in samples.items()}, **state}
            for name, value in given.items():
                detail = self._details[name]
                self._interpreter.set_tensor(detail["index"], quantise(value, detail).reshape(detail["shape"]))
            if self._windows:  # a sequence in one run; LiteRT would go on from the last one
                self._interpreter.reset_all_variables()
            self._interpreter.invoke()
            values = {name: self._value(detail) for name, detail in self._details.items()}
            state = {source: values[target] for source, target in self._states}
            yield values

    def _value(self, detail: Mapping[str, Any]) -> Array:
        raw = self._interpreter.get_tensor(detail["index"])
        return dequantise(raw, dict(detail)) if detail["dtype"] in REAL else raw
