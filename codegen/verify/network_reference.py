"""What a model must answer: the NumPy integer reference, and LiteRT's reference kernels where they are installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.frontend.reader import plain_name, read_tflite
from tinyloc.codegen.frontend.window_to_step import as_step
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.integer_localiser import library_pass

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


def litert_outputs(
    path: Path, samples: Sequence[Sequence[Array]], states: Sequence[tuple[str, str]] = ()
) -> list[list[Array]] | None:
    """The same by LiteRT's BUILTIN_REF kernels, in the file's own types; None where LiteRT is not installed.

    samples: the file's inputs without the states, in the file's order. A sample's outputs come in the same way.
    Raises RuntimeError or ValueError when LiteRT does not run the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        return None
    interpreter = Interpreter(
        model_content=path.read_bytes(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    ins = interpreter.get_input_details()
    named = {plain_name(str(d["name"])): d["index"] for d in [*ins, *interpreter.get_output_details()]}
    carried = {named[plain_name(before)]: named[plain_name(after)] for before, after in states}
    state = {d["index"]: _start(d) for d in ins if d["index"] in carried}
    answers = [d["index"] for d in interpreter.get_output_details() if d["index"] not in carried.values()]
    given = [d for d in ins if d["index"] not in carried]
    results = []
    for sample in samples:
        for detail, values in zip(given, sample, strict=True):
            interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
        interpreter.reset_all_variables()  # what an LSTM keeps by itself: every sample is a sequence from its start
        for index, values in state.items():
            interpreter.set_tensor(index, values)
        interpreter.invoke()
        state = {index: interpreter.get_tensor(after) for index, after in carried.items()}
        results.append([interpreter.get_tensor(index) for index in answers])
    return results


def litert_window(path: Path, samples: Sequence[Sequence[Array]]) -> tuple[int, list[Array]] | None:
    """(samples of a window, LiteRT's answers to a window of the first samples); None where there are too few.

    samples: those of single steps. For a file without states of its own.
    """
    shapes = [read_tflite(path).tensors[t].shape for t in read_tflite(path).inputs]
    steps = max(shapes[0][:2])
    if len(samples) < steps:
        return None
    window = [
        np.stack([sample[i].ravel() for sample in samples[:steps]]).reshape(shape) for i, shape in enumerate(shapes)
    ]
    answers = litert_outputs(path, [window])
    return None if answers is None else (steps, answers[0])


def _start(detail: Any) -> Array:
    """A state at the start of a sequence: real zero."""
    return np.full(detail["shape"], detail["quantization"][1], detail["dtype"])
