"""What LiteRT's and TFLM's reference kernels answer, each run in a process of its own: they abort on some legal models.

Run as a program on a directory with job.json and inputs.npz; it leaves outputs.npz there, or the reason on stderr.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Engine = Literal["litert", "tflm"]
TITLES: dict[Engine, str] = {"litert": "LiteRT BUILTIN_REF", "tflm": "TensorFlow Lite for Microcontrollers"}
_PACKAGES: dict[Engine, tuple[str, str]] = {
    "litert": ("ai_edge_litert", "'tinyloc[export]'"),
    "tflm": ("tflite_micro", "tflite-micro"),
}
"""The module of an engine, and what pip calls it."""
REFUSED = 3
"""Exit code of the process when the engine says why it does not run the file."""
ARENA_A_BYTE, LEAST_ARENA = 10, 1 << 20
"""Arena of TFLM's interpreter for a byte of the model, and at least."""
_JOB, _INPUTS, _OUTPUTS = "job.json", "inputs.npz", "outputs.npz"


class OutsideError(RuntimeError):
    """An engine that is not installed, does not run the file, or crashed on it."""


def run_outside(
    engine: Engine,
    path: Path,
    samples: Sequence[Sequence[Array]],
    states: Sequence[tuple[int, int]] = (),
    keep: bool = False,
) -> list[list[Array]]:
    """Run a file on samples with an engine's reference kernels, in a process of its own.

    Args:
        engine: whose kernels.
        path: the .tflite file.
        samples: a row of arrays for each sample: the file's inputs without the states, in the file's order and types.
        states: pairs (position among the inputs, position among the outputs) that one sample leaves for the next; they
            start at real zero.
        keep: what the file keeps in variable tensors (of an LSTM) lasts from sample to sample; without it each sample
            starts anew.

    Returns:
        A row of arrays for each sample, the file's outputs without the states.

    Raises:
        OutsideError: the engine is not installed, refuses the file, or its process died.
    """
    module, package = _PACKAGES[engine]
    if find_spec(module) is None:
        raise OutsideError(f"not installed; pip install {package}")
    with tempfile.TemporaryDirectory(prefix="tinyloc-outside-") as name:
        folder = Path(name)
        job = {"engine": engine, "path": str(path.resolve()), "states": list(states), "keep": keep}
        (folder / _JOB).write_text(json.dumps({**job, "samples": len(samples)}), encoding="utf-8", newline="\n")
        np.savez(folder / _INPUTS, **{str(i): np.stack(column) for i, column in enumerate(zip(*samples, strict=True))})
        command = [sys.executable, "-m", __spec__.name, name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            code = done.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            what = "does not run this file" if code == REFUSED else f"crashed on this file ({how})"
            raise OutsideError(f"{what}: {last}")
        with np.load(folder / _OUTPUTS) as outputs:
            columns = [outputs[str(i)] for i in range(len(outputs.files))]
    return [list(row) for row in zip(*columns, strict=True)]


class _LiteRT:
    """LiteRT by positions of inputs and outputs."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_content=path.read_bytes(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
        )
        self._interpreter.allocate_tensors()
        self.inputs, self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()

    def reset(self) -> None:
        self._interpreter.reset_all_variables()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for detail, values in zip(self.inputs, inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._outputs]


class _Tflm:
    """TFLM's interpreter for Python by positions of inputs and outputs."""

    def __init__(self, path: Path) -> None:
        from tflite_micro.python.tflite_micro import runtime

        from tinyloc.codegen.frontend import schema

        arena = max(LEAST_ARENA, ARENA_A_BYTE * path.stat().st_size)
        self._interpreter = runtime.Interpreter.from_file(str(path), arena_size=arena)
        graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
        self.inputs = [self._interpreter.get_input_details(i) for i in range(graph.InputsLength())]
        self._outputs = range(graph.OutputsLength())

    def reset(self) -> None:
        self._interpreter.reset()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for i, (detail, values) in enumerate(zip(self.inputs, inputs, strict=True)):
            self._interpreter.set_input(values.reshape([int(n) for n in detail["shape"]]), i)
        self._interpreter.invoke()
        return [self._interpreter.get_output(i).copy() for i in self._outputs]


def _zero(detail: Any) -> Array:
    """A state at the start of a sequence: real zero."""
    zero_points = detail["quantization_parameters"]["zero_points"]
    return np.full(detail["shape"], int(zero_points[0]) if len(zero_points) else 0, detail["dtype"])


def _answers(engine: _LiteRT | _Tflm, columns: Sequence[Array], job: dict[str, Any]) -> list[Array]:
    """Outputs, stacked over samples. `columns` are the inputs, stacked."""
    state = {before: _zero(engine.inputs[before]) for before, _ in job["states"]}
    given = [i for i in range(len(engine.inputs)) if i not in state]
    kept = {after for _, after in job["states"]}
    rows = []
    for number in range(job["samples"]):
        if not job["keep"]:
            engine.reset()
        sample = {**state, **{i: column[number] for i, column in zip(given, columns, strict=True)}}
        outputs = engine.run([sample[i] for i in range(len(sample))])
        state = {before: outputs[after] for before, after in job["states"]}
        rows.append([values for i, values in enumerate(outputs) if i not in kept])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def main(folder: Path) -> int:
    """Answer the job of a directory. Returns the exit code."""
    job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    with np.load(folder / _INPUTS) as inputs:
        columns = [inputs[str(i)] for i in range(len(inputs.files))]
    try:
        engine = _Tflm(Path(job["path"])) if job["engine"] == "tflm" else _LiteRT(Path(job["path"]))
        outputs = _answers(engine, columns, job)
    except (RuntimeError, ValueError) as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return REFUSED
    np.savez(folder / _OUTPUTS, **{str(i): column for i, column in enumerate(outputs)})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
