"""The smallest training that still has all parts: a Mamba with a CRF on minutes of the simulated house."""

import tomllib
from typing import Any

import tomli_w

from tinyloc.training.recipe import Recipe, parse_recipe

TINY = """
name = "tiny"
seed = 3
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 1.0 }
[input]
hold_s = 1.0
[window]
steps = 10
hop = 5
[model]
architecture = "mamba"
hidden = 2
crf = true
[training]
epochs = 4
batch = 8
learning_rate = 0.05
chunk = 20
chunks_per_epoch = 16
"""


def tiny_recipe(changes: str = "") -> Recipe:
    """TINY with `changes`, TOML such as "seed = 4" or "training.epochs = 12", put over it."""
    return parse_recipe(tomli_w.dumps(_over(tomllib.loads(TINY), tomllib.loads(changes))), "tiny")


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        deeper = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _over(base[key], value) if deeper else value
    return merged
