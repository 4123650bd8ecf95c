"""A published MDCSA localiser as a plain network over a whole window: what a decision costs when nothing is kept.

Readings of T samples in one row (1, T * P), oldest first -> scores (T, C), both quantised. Positions count from the
window's start and reach every layer, so that of two overlapping windows nothing but Linear(P, H) could be shared; the
streaming form is the one that devices run (training/models/mdcsa.py).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.flatbuffer import dump
from tinyloc.export.float_file import float_file
from tinyloc.export.integer_file import integer_file, widths_of
from tinyloc.export.quantise.ranges import measure_ranges
from tinyloc.export.step_attention import FoldedWindow
from tinyloc.export.step_names import INPUT, StepNames
from tinyloc.export.to_onnx import check_finite, write_onnx
from tinyloc.export.to_tflite import to_tflite
from tinyloc.training.models.mdcsa import MdcsaLocaliser

Array = npt.NDArray[np.float32]
NAMES = StepNames(())


class _Window(nn.Module):
    def __init__(self, model: MdcsaLocaliser) -> None:
        super().__init__()
        self.folded = FoldedWindow(model)

    def forward(self, x: Tensor) -> Tensor:
        return self.folded.window(x)


def window_files(
    model: MdcsaLocaliser, windows: Array, onnx: Path, arithmetics: Sequence[Arithmetic]
) -> dict[Arithmetic, bytes]:
    """The TFLite files of a model with attention "window". windows (W, T, P): model input that ranges are measured on.

    Writes `onnx`. Raises ExportError as the export of a step does, ValueError for a streaming model.
    """
    if model.streaming:
        raise ValueError("a streaming model has no window of its own; build it with attention = 'window'")
    check_finite(model)
    rows = windows.reshape(len(windows), -1).astype(np.float32)
    write_onnx(_Window(model).eval(), (torch.from_numpy(rows[:1]),), NAMES, onnx)
    exact = float_file(to_tflite(onnx), onnx, NAMES, {INPUT: rows[:1]})
    ranges = measure_ranges(dump(exact), NAMES, [rows])
    return {kind: integer_file(exact, NAMES, ranges, widths_of(kind, {})) for kind in arithmetics}
