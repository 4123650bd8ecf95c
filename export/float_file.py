"""The float file of a step: operators as devices have them, tensors named after the model's layers."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.export import names as naming
from tinyloc.export.flatbuffer import load
from tinyloc.export.passes.activations import fuse_activations
from tinyloc.export.passes.depthwise import depthwise
from tinyloc.export.passes.fold import fold
from tinyloc.export.passes.products import products
from tinyloc.export.passes.quotients import quotients
from tinyloc.export.passes.rsqrt import rsqrt
from tinyloc.export.step_names import StepNames

Array = npt.NDArray[np.float32]


def simplify(model: Any) -> None:
    """Rewrite a float graph in place to the operators that devices have kernels for."""
    for rewrite in (fold, depthwise, rsqrt, quotients, products, fuse_activations):
        rewrite(model)


def float_file(converted: bytes, onnx: Path, names: StepNames, sample: dict[str, Array]) -> Any:
    """The float file as a ModelT with readable names. sample: one row of recorded inputs, name -> (1, n)."""
    model = load(converted)
    naming.name_step(model, names)
    simplify(model)
    naming.name_values(model, onnx, names, sample)
    return model
