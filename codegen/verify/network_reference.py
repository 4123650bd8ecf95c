"""What a model must answer: the NumPy integer reference, and outside kernels where they are installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.frontend.reader import read_tflite, state_positions
from tinyloc.codegen.frontend.window_to_step import as_step
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.integer_localiser import library_pass
from tinyloc.codegen.verify.outside_reference import Engine, run_outside

Array = npt.NDArray[Any]


def numpy_outputs(
    path: Path,
    samples: Sequence[Sequence[Array]],
    states: Sequence[tuple[str, str]] = (),
    step: bool = False,
    backend: Backend = "native",
) -> list[list[Array]]:
    """Integers in, integers out, sample by sample with the states carried on; see codegen/semantics/integer_graph.py.

    `step`: samples are those of one step of the file's network over a window, see codegen/frontend/window_to_step.py.
    """
    graph = read_tflite(path, states)
    graph = as_step(graph, str(path)) if step else graph
    if (rewrite := library_pass(backend)) is not None:
        graph, _ = optimise(graph, sparse_input=False, use_library=rewrite)
    stepper = Stepper(graph)
    return [stepper.step(*sample) for sample in samples]


def engine_of(path: Path, states: Sequence[tuple[str, str]] = ()) -> Engine:
    """Whose arithmetic the compiler follows: LiteRT's, or TFLM's where LiteRT has none."""
    return "tflm" if any(op.attributes.get("as_tflm") for op in read_tflite(path, states).operators) else "litert"


def outside_outputs(
    path: Path,
    samples: Sequence[Sequence[Array]],
    states: Sequence[tuple[str, str]] = (),
    engine: Engine = "litert",
) -> list[list[Array]]:
    """The same by an engine's reference kernels, in the file's own types and in a process of its own.

    samples: the file's inputs without the states, in the file's order. A sample's outputs come in the same way.
    What a file keeps by itself lasts from sample to sample where the compiled network keeps it too.
    Raises OutsideError.
    """
    keep = bool(read_tflite(path, states).states)
    return run_outside(engine, path, samples, state_positions(path, states), keep)


def outside_window(
    path: Path, samples: Sequence[Sequence[Array]], engine: Engine = "litert"
) -> tuple[int, list[Array]] | None:
    """(samples of a window, the answers to a window of the first samples); None where there are too few samples.

    samples: those of single steps. For a file without states of its own. Raises OutsideError.
    """
    shapes = [read_tflite(path).tensors[t].shape for t in read_tflite(path).inputs]
    steps = max(shapes[0][:2])
    if len(samples) < steps:
        return None
    window = [
        np.stack([sample[i].ravel() for sample in samples[:steps]]).reshape(shape) for i, shape in enumerate(shapes)
    ]
    return steps, outside_outputs(path, [window], (), engine)[0]
