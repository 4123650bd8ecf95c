"""TensorFlow Lite for Microcontrollers on this machine: the interpreter of the package tflite-micro.

It says whether TFLM can run a model, how large an arena it takes, and what it answers. It ends the process at some
models, so it is asked in a process of its own: `python -m tinyloc.codegen.backends.tflm_host MODEL`.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.backend_names import BackendError

MODULE = "tflite_micro"
ARENA_A_BYTE = 10
"""Arena of the host's interpreter for a byte of the model; what it takes of it is measured."""
LEAST_ARENA = 1 << 20
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_IRRELEVANT = ("Traceback", "  ", "RuntimeError: TFLM failed", "I0000", "WARNING")

Array = npt.NDArray[Any]


def host_arena_bytes(model: Path) -> int:
    """What the host's interpreter takes of its arena, in bytes. Its pointers are twice as wide as a Cortex-M's.

    Raises BackendError with the interpreter's own reason when TFLM cannot run the model.
    """
    need_package()
    command = [sys.executable, "-m", __name__, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _TOTAL.search(done.stderr + done.stdout)
    if done.returncode == 0 and found:
        return int(found[1])
    said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(_IRRELEVANT)]
    reason = "; ".join(dict.fromkeys(said)) or f"its process ended with {done.returncode}"
    raise BackendError(f"{model}: TensorFlow Lite for Microcontrollers cannot run this model: {reason}")


def need_package() -> None:
    """Raises BackendError when tflite-micro is not installed."""
    if importlib.util.find_spec(MODULE) is None:
        raise BackendError(
            "the back end tflm asks the host's interpreter for the size of the arena: pip install tflite-micro"
        )


class TflmStepper:
    """The host's interpreter with the interface of interpreter.Stepper.

    Args:
        inputs, outputs: positions of the readings and scores among the model's inputs and outputs.
        states: (position among the inputs, among the outputs, start value) of each state.
    """

    def __init__(
        self, model: Path, inputs: list[int], outputs: list[int], states: list[tuple[int, int, Array]]
    ) -> None:
        need_package()
        from tflite_micro.python.tflite_micro import runtime

        arena = max(LEAST_ARENA, ARENA_A_BYTE * model.stat().st_size)
        self._interpreter = runtime.Interpreter.from_file(str(model), arena_size=arena)
        self._inputs, self._outputs, self._states = inputs, outputs, states
        self.reset()

    def reset(self) -> None:
        """States as at the start of a recording."""
        self._interpreter.reset()
        self._values = [start for _, _, start in self._states]

    def step(self, *inputs: Array) -> list[Array]:
        """One sample: inputs in order -> outputs in order."""
        for position, values in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_input(values.reshape(self._shape(position)), position)
        for (position, _, _), values in zip(self._states, self._values, strict=True):
            self._interpreter.set_input(values.reshape(self._shape(position)), position)
        self._interpreter.invoke()
        self._values = [self._interpreter.get_output(position).copy() for _, position, _ in self._states]
        return [self._interpreter.get_output(position).copy() for position in self._outputs]

    def _shape(self, position: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._interpreter.get_input_details(position)["shape"])


def main(path: str) -> None:
    """Load a model, run it once, and let the interpreter print what it took."""
    from tflite_micro.python.tflite_micro import runtime

    arena = max(LEAST_ARENA, ARENA_A_BYTE * Path(path).stat().st_size)
    interpreter = runtime.Interpreter.from_file(path, arena_size=arena)
    details = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
    interpreter.invoke()
    interpreter.print_allocations()


if __name__ == "__main__":
    main(sys.argv[1])
