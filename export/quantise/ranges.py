"""Least and greatest value of every tensor along whole recordings."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.export.litert import StepRunner
from tinyloc.export.step_names import StepNames

Array = npt.NDArray[np.float32]
Range = tuple[float, float]


def measure_ranges(float_model: bytes, names: StepNames, streams: Sequence[Array]) -> dict[str, Range]:
    """Least and greatest value of every computed tensor along streams (T, P), each from a zero state."""
    runner = StepRunner(float_model, names, keep=True)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for x in streams:
        runner.reset()
        for reading in x:
            runner.step(reading)
            for name, value in runner.values().items():
                low[name] = min(low.get(name, np.inf), float(value.min()))
                high[name] = max(high.get(name, -np.inf), float(value.max()))
    return {name: (low[name], high[name]) for name in low}
