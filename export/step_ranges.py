"""Ranges of a step's values along the calibration stream: what the integers of its file should hold."""

import numpy.typing as npt
from numpy import float32

from tinyloc.export import parity
from tinyloc.export.quantise.ranges import Range, measure_ranges
from tinyloc.export.step_names import OUTPUT, StepNames
from tinyloc.training.compress.scales import score_range

Array = npt.NDArray[float32]


def calibration_streams(calibration: Array, apart: bool) -> list[Array]:
    """Split (T, P) model input into streams that start from a zero state: its rows if they are `apart`, else one."""
    return list(calibration[:, None]) if apart else [calibration]


def step_ranges(float_file: bytes, names: StepNames, measured: parity.Streams, path: bool) -> dict[str, Range]:
    """Least and greatest value by tensor name.

    Args:
        float_file: of the step.
        names: its inputs and outputs.
        measured: streams (T, P) of model input, each from a zero state.
        path: scores are added up along a path, so all of their range counts; see `score_range` for the others.
    """
    ranges = measure_ranges(float_file, names, measured)
    if not path:
        ranges[OUTPUT] = score_range(parity.tflite_scores(float_file, names, measured))
    return ranges
