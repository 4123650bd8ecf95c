"""PyTorch -> ONNX, one time step.

The legacy exporter on purpose: the dynamo exporter turns some activations into Greater and Where, and a SELECT in
TFLite forces one scale on all that it joins.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.step_form import flat_state, step_form
from tinyloc.export.step_names import StepNames
from tinyloc.training.models.localiser import Localiser

OPSET = 17

Array = npt.NDArray[np.float32]


def check_finite(model: Localiser) -> None:
    """Raise ExportError naming every parameter that is not a number or infinite."""
    bad = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if bad:
        found = counted(len(bad), "parameter holds", "parameters hold")
        raise ExportError(
            f"{found} NaN or infinity ({', '.join(bad[:4])}{', ...' if len(bad) > 4 else ''}): "
            "the training diverged; train again with a lower learning rate"
        )


def to_onnx(model: Localiser, path: Path) -> StepNames:
    """Write the step of `model` to `path`. Inputs (1, P) and (1, n) a state; outputs (1, C) and (1, n) a state."""
    check_finite(model)
    names = StepNames(model.state_names)
    arguments = (torch.zeros(1, model.inputs), *flat_state(model, model.initial_state(1)))
    with torch.no_grad():
        write_onnx(step_form(model), arguments, names, path)
    return names


def write_onnx(module: nn.Module, arguments: tuple[Tensor, ...], names: StepNames, path: Path) -> None:
    """Write a module that takes `arguments` to `path`, its inputs and outputs named. ExportError if nothing came."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _without_log():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            arguments,
            str(path),
            input_names=list(names.inputs),
            output_names=list(names.outputs),
            opset_version=OPSET,
            dynamo=False,
        )
    if not path.is_file():
        raise ExportError(f"the ONNX exporter wrote no {path.name}; check that torch is the pinned version")


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Torch switches its log on whatever is asked, and prints the whole graph on an error."""
    log = vars(torch._C).get("_jit_onnx_log")
    if log is None:  # of another torch
        yield
        return
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def record(model: Localiser, x: Array) -> dict[str, Array]:
    """Inputs of the step form along one stream (T, P), the state carried: name -> (T, n)."""
    names = StepNames(model.state_names)
    rows: dict[str, list[Array]] = {name: [] for name in names.inputs}
    state = flat_state(model, model.initial_state(1))
    with torch.no_grad():
        step = step_form(model)
        for sample in torch.from_numpy(x):
            for name, value in zip(names.inputs, [sample[None], *state], strict=True):
                rows[name].append(value.numpy())
            state = list(step(sample[None], *state)[1:])
    return {name: np.concatenate(values).astype(np.float32) for name, values in rows.items()}
