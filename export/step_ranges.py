"""Ranges of a step's values along the calibration stream: what the integers of its file should hold."""

import numpy as np
import numpy.typing as npt

from tinyloc.export import parity
from tinyloc.export.quantise.ranges import Range, measure_ranges
from tinyloc.export.step_names import OUTPUT, StepNames
from tinyloc.training.compress.scales import score_range

Array = npt.NDArray[np.float32]
WEAK = 0.5
"""Share of the readings that a weak scan keeps."""


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
        scores, weak = (
            parity.tflite_scores(float_file, names, streams) for streams in (measured, weak_scans(measured))
        )
        ranges[OUTPUT] = score_range(scores, weak)
    return ranges


def weak_scans(streams: parity.Streams) -> list[Array]:
    """Silence readings at random: another day, a deafer phone. The best score of such scans lies lower.

    streams: (T, P) model input, 0 where nothing is heard.
    """
    chance = np.random.default_rng(0)
    return [(stream * (chance.random(stream.shape) < WEAK)).astype(np.float32) for stream in streams]
