"""When a decision is due and what its label is. The same rule holds in PyTorch, on the host and on the device."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Window

Labels = npt.NDArray[np.int32]


def due(samples: int, steps: int, hop: int) -> npt.NDArray[np.int64]:
    """Find the samples at which a decision is due: steps - 1, then every `hop`.

    Args:
        samples: of the recording.
        steps, hop: of the window, in samples.

    Returns:
        Indices (W,); W is 0 for a recording shorter than a window.

    Raises:
        ValueError: steps or hop is below 1.
    """
    if steps < 1 or hop < 1:
        raise ValueError(f"steps = {steps}, hop = {hop}: both must be at least 1")
    return np.arange(steps - 1, samples, hop, dtype=np.int64)


def windows(values: npt.NDArray[Any], steps: int, hop: int) -> npt.NDArray[Any]:
    """Cut values (N, ...) to (W, steps, ...): the samples that each due decision looks at, oldest first."""
    ends = due(len(values), steps, hop)
    return values[ends[:, None] + np.arange(1 - steps, 1)[None, :]]


def modes(labels: npt.NDArray[np.integer[Any]]) -> Labels:
    """Find the most frequent class of each row: (W, steps) from -1 -> (W,); among equals the smallest."""
    labels = np.asarray(labels)
    if labels.size == 0:
        return np.zeros(len(labels), np.int32)
    values = np.arange(labels.min(), labels.max() + 1)
    counts = (labels[:, :, None] == values).sum(axis=1)  # (W, values)
    most_frequent: Labels = values[counts.argmax(axis=1)].astype(np.int32)
    return most_frequent


def mode_labels(labels: Labels, steps: int, hop: int) -> Labels:
    """Label each window with the mode of its samples: labels (N,) of a recording -> (W,)."""
    return modes(windows(labels, steps, hop))


def true_labels(labels: Labels, window: Window) -> Labels:
    """Find what each decision should say: labels (N,) of a recording -> (W,); see `Window`."""
    if window.online:
        return labels[due(len(labels), window.steps, window.hop) - (window.steps - 1)]
    return mode_labels(labels, window.steps, window.hop)


def true_positions(position_m: npt.NDArray[np.float32], window: Window) -> npt.NDArray[np.float32]:
    """Find the true position of each decision: (N, 3) of a recording -> (W, 3), in metres.

    It is the mean of the window, or, online, that of the decided sample.
    """
    if window.online:
        return position_m[due(len(position_m), window.steps, window.hop) - (window.steps - 1)]
    means: npt.NDArray[np.float32] = windows(position_m, window.steps, window.hop).mean(axis=1)
    return means
