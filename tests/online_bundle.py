"""The small bundle with a CRF that decides with a lag."""

import json
from pathlib import Path

import numpy as np

from tests.small_bundle import small_bundle


def online_bundle(directory: Path, lag: int, hop: int) -> Path:
    """Three recordings of 40 samples; transitions weak enough that paths change."""
    path = small_bundle(directory, samples=120)
    chance = np.random.default_rng(3)
    content = json.loads((path / "bundle.json").read_text())
    size = len(content["outputs"]["classes"])
    content["crf"] = {
        "transitions": chance.normal(0, 0.4, (size, size)).tolist(), "start": chance.normal(0, 0.4, size).tolist(),
        "end": chance.normal(0, 9, size).tolist(),
    }  # fmt: skip
    content["window"] = {"steps": lag + 1, "hop": hop, "rate_hz": 5.0, "online": True}
    (path / "bundle.json").write_text(json.dumps(content))
    return path
