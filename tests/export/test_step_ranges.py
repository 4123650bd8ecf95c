"""Ranges of a step's scores: scans that hear less than the calibration are measured, too."""

import numpy as np

from tinyloc.export.step_ranges import weak_scans


def test_weak_scans_lose_half_of_their_readings_and_gain_none() -> None:
    streams = [np.random.default_rng(1).random((200, 30)).astype(np.float32) for _ in range(2)]
    weak = weak_scans(streams)
    for before, after in zip(streams, weak, strict=True):
        kept = after != 0
        assert np.array_equal(after[kept], before[kept])
        assert 0.45 < kept.mean() < 0.55
    assert all(np.array_equal(a, b) for a, b in zip(weak, weak_scans(streams), strict=True))
