"""LiteRT's reference kernels, in a process of their own: they abort on some models that are legal.

Run as a program on a directory with job.json and inputs.npz; it leaves outputs.npz there, or the reason on stderr.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
REFUSED = 3
"""Exit code of the process when LiteRT says why it does not run the file."""
_JOB, _INPUTS, _OUTPUTS = "job.json", "inputs.npz", "outputs.npz"


class LiteRTError(RuntimeError):
    """LiteRT is not installed, does not run the file, or crashed on it."""


def run_litert(
    path: Path, samples: Sequence[Sequence[Array]], states: Sequence[tuple[int, int]] = (), keep: bool = False
) -> list[list[Array]]:
    """Run a file on samples with LiteRT's BUILTIN_REF kernels, in a process of its own.

    Args:
        path: the .tflite file.
        samples: a row of arrays for each sample: the file's inputs without the states, in the file's order and types.
        states: pairs (position among the inputs, position among the outputs) that one sample leaves for the next; they
            start at real zero.
        keep: variable tensors (of an LSTM) last from sample to sample; without it each sample starts anew.

    Returns:
        A row of arrays for each sample, the file's outputs without the states.

    Raises:
        LiteRTError: LiteRT is not installed, refuses the file, or its process died.
    """
    if find_spec("ai_edge_litert") is None:
        raise LiteRTError("not installed; pip install 'tinyloc[export]'")
    with tempfile.TemporaryDirectory(prefix="tinyloc-litert-") as name:
        folder = Path(name)
        job = {"path": str(path.resolve()), "states": list(states), "keep": keep, "samples": len(samples)}
        (folder / _JOB).write_text(json.dumps(job), encoding="utf-8", newline="\n")
        np.savez(folder / _INPUTS, **{str(i): np.stack(column) for i, column in enumerate(zip(*samples, strict=True))})
        command = [sys.executable, "-m", __spec__.name, name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == REFUSED:
            raise LiteRTError(f"does not run this file: {done.stderr.strip().splitlines()[-1]}")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise LiteRTError(f"crashed on this file ({_how(done.returncode)}): {last}")
        with np.load(folder / _OUTPUTS) as outputs:
            columns = [outputs[str(i)] for i in range(len(outputs.files))]
    return [list(row) for row in zip(*columns, strict=True)]


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _run_here(
    path: Path, columns: Sequence[Array], count: int, states: Sequence[tuple[int, int]], keep: bool
) -> list[Array]:
    """Outputs, stacked over samples, in this process. `columns` are the inputs, stacked."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=path.read_bytes(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
    state = {before: _start(ins[before]) for before, _ in states}
    given = [detail for i, detail in enumerate(ins) if i not in state]
    kept = {after for _, after in states}
    answers = [detail["index"] for i, detail in enumerate(outs) if i not in kept]
    rows = []
    for number in range(count):
        for detail, values in zip(given, columns, strict=True):
            interpreter.set_tensor(detail["index"], values[number].reshape(detail["shape"]))
        if not keep:
            interpreter.reset_all_variables()
        for before, values in state.items():
            interpreter.set_tensor(ins[before]["index"], values)
        interpreter.invoke()
        state = {before: interpreter.get_tensor(outs[after]["index"]) for before, after in states}
        rows.append([interpreter.get_tensor(index) for index in answers])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _start(detail: Any) -> Array:
    """A state at the start of a sequence: real zero."""
    return np.full(detail["shape"], detail["quantization"][1], detail["dtype"])


def main(folder: Path) -> int:
    """Answer the job of a directory. Returns the exit code."""
    job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    with np.load(folder / _INPUTS) as inputs:
        columns = [inputs[str(i)] for i in range(len(inputs.files))]
    try:
        outputs = _run_here(Path(job["path"]), columns, job["samples"], job["states"], job["keep"])
    except (RuntimeError, ValueError) as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return REFUSED
    np.savez(folder / _OUTPUTS, **{str(i): column for i, column in enumerate(outputs)})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
