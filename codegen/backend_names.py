"""Whose kernels run a model. docs/reference/backends.md tells what each takes, needs and equals.

native     our kernels, nothing to install
cmsis_nn   Arm's CMSIS-NN for the operators it has, our kernels for the rest
tflm       TensorFlow Lite for Microcontrollers: the interpreter, with the file as it is
"""

from typing import Literal, get_args

from tinyloc.errors import UserError

Backend = Literal["native", "cmsis_nn", "tflm"]


BACKENDS: tuple[Backend, ...] = get_args(Backend)


class BackendError(UserError):
    """A back end that is unknown, not installed, or cannot run this model; the message says what to do."""


def backend_named(name: str) -> Backend:
    """The back end of that name. Raises BackendError."""
    for backend in BACKENDS:
        if backend == name:
            return backend
    raise BackendError(f"--backend {name}: unknown back end; choose from {', '.join(BACKENDS)}")
