"""Extremely randomised trees on single scans, tuned by the validation split; their bytes grow with the survey."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.protocol.votes import Split, Votes, merit

TREES = 50
LEAVES = (1, 5)
"""Least scans of a leaf, to choose from."""
SEED = 0
MOST_FITTED = 20_000
MOST_TUNED = 2_000
TUNED_TREES = 20


@dataclass(frozen=True)
class Trees:
    """A fitted forest."""

    least: int
    forest: Any
    places: bool
    """It regresses x, y and a share of each floor; otherwise it classifies."""

    def text(self) -> str:
        return f"{TREES} trees, at least {self.least} scans per leaf"


def tuned(train: Split, validation: Split, preprocessing: Preprocessing, positions: bool) -> int:
    """Choose the least scans of a leaf by validation."""
    asked = validation.spread(MOST_TUNED)
    grown = [fit(train, least, preprocessing, positions, TUNED_TREES) for least in LEAVES]
    return LEAVES[int(np.argmax([merit(ask(trees, asked, preprocessing), asked, positions) for trees in grown]))]


def fit(train: Split, least: int, preprocessing: Preprocessing, positions: bool, count: int = TREES) -> Trees:
    """Grow the forest."""
    kept = train.spread(MOST_FITTED)
    x = _input(kept, preprocessing)
    if not positions:
        forest = ExtraTreesClassifier(count, min_samples_leaf=least, random_state=SEED, n_jobs=1)
        return Trees(least, forest.fit(x, kept.label), False)
    target = np.hstack([kept.position_m, np.eye(int(kept.class_floor.max()) + 1)[kept.floor]])
    forest = ExtraTreesRegressor(count, min_samples_leaf=least, max_features="sqrt", random_state=SEED, n_jobs=1)
    return Trees(least, forest.fit(x, target), True)


def ask(trees: Trees, asked: Split, preprocessing: Preprocessing) -> Votes:
    """Compute the votes of the trees for each scan; a place votes for the nearest class of its floor."""
    x = _input(asked, preprocessing)
    scores = np.zeros((len(asked), asked.classes), np.float32)
    if not trees.places:
        scores[:, trees.forest.classes_] = trees.forest.predict_proba(x)
        centres = asked.class_position_m
        nowhere = np.full((len(asked), 3), np.nan)
        return Votes(scores, nowhere if centres is None else centres[scores.argmax(axis=1)].astype(np.float64))
    answer = trees.forest.predict(x)
    place, floor = answer[:, :3], answer[:, 3:].argmax(axis=1)
    assert asked.class_position_m is not None
    away = np.linalg.norm(place[:, None] - asked.class_position_m[None], axis=2)
    away[floor[:, None] != asked.class_floor[None]] += 1e9
    scores[np.arange(len(asked)), away.argmin(axis=1)] = 1.0
    return Votes(scores, place)


def data_bytes(trees: Trees, points: int, classes: int) -> int:
    """Estimate what a device would store: an inner node has access point, threshold and jump, a leaf its answer."""
    nodes = sum(int(tree.tree_.node_count) for tree in trees.forest.estimators_)
    leaves = sum(int(tree.tree_.n_leaves) for tree in trees.forest.estimators_)
    inner = (1 if points <= 256 else 2) + 1 + 2
    leaf = 5 if trees.places else (1 if classes <= 256 else 2)
    return (nodes - leaves) * inner + leaves * leaf


def _input(split: Split, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    return np.nan_to_num(split.rssi_dbm, nan=preprocessing.floor_dbm).astype(np.float32)
