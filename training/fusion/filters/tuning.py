"""Search for the settings of a filter on walks that are not tested on."""

from collections.abc import Mapping, Sequence

import numpy as np

from tinyloc.training.fusion.filters.batch import Batch
from tinyloc.training.fusion.filters.ekf import Track, run
from tinyloc.training.fusion.filters.rules import Predictor, make_rule
from tinyloc.training.fusion.filters.scores import errors
from tinyloc.training.fusion.filters.settings import FilterSettings

Space = Mapping[str, Sequence[float | int | bool]]
COMMON: Space = {
    "r": (0.15, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0),
    "acceleration": (0.1, 0.3, 0.6, 1.0, 2.0),
    "step_noise": (0.15, 0.3, 0.6),
    "still_noise": (0.05, 0.2, 0.5, 1.0),
}
SPACES: dict[str, Space] = {
    "fixed": COMMON,
    "robust": COMMON,
    "gated": {**COMMON, "gate": (1.5, 2.0, 3.0, 4.0), "far": (10.0, 100.0, 1000.0)},
    "adaptive": {
        **COMMON,
        "k1": (0.5, 1.0, 2.0), "k2": (2.0, 3.0, 5.0), "moderate": (2.0, 5.0, 10.0), "far": (30.0, 300.0, 3000.0),
        "persistence": (1, 2, 3), "clean": (False, True),
    },
    "variance": {**COMMON, "trust": (0.3, 1.0, 4.0), "surprise": (0.0, 0.3, 1.0, 3.0)},
    "steered": {**COMMON, "trust": (0.3, 1.0, 4.0), "surprise": (0.0, 0.3, 1.0), "pull": (0.05, 0.1, 0.2, 0.4)},
}  # fmt: skip


def track(batch: Batch, settings: FilterSettings, student: Predictor | None) -> Track:
    """Filter a batch with a fresh rule."""
    return run(batch, settings, make_rule(settings, student, len(batch)))


def loss(batch: Batch, settings: FilterSettings, student: Predictor | None) -> float:
    """Mean over walks of the root mean square error, metres."""
    found = track(batch, settings, student)
    walks = errors(found.position_m, batch.truth_m, found.started & batch.valid)
    return float(np.mean([np.sqrt((e * e).mean()) for e in walks]))


def tune(batch: Batch, method: str, student: Predictor | None, trials: int, seed: int) -> FilterSettings:
    """The best of `trials`: one half drawn at random, then one setting changed at a time from the best so far."""
    space = SPACES[method]
    generator = np.random.default_rng(seed)
    rule = "variance" if method == "steered" else method
    best, best_loss = FilterSettings(rule=rule), np.inf  # type: ignore[arg-type]
    tried: set[str] = set()
    for trial in range(trials):
        change = {key: values[int(generator.integers(len(values)))] for key, values in space.items()}
        if trial >= trials // 2:
            key = list(space)[int(generator.integers(len(space)))]
            change = {key: change[key]}
        candidate = best.model_copy(update=change)
        if candidate.model_dump_json() in tried:
            continue
        tried.add(candidate.model_dump_json())
        found = loss(batch, candidate, student)
        if found < best_loss:
            best, best_loss = candidate, found
    return best
