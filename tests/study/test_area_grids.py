"""Other grids of UJIIndoorLoc's areas: the vote, the neighbours, and what is committed."""

import json

import numpy as np
from scipy.stats import mode

from tinyloc.study import area_grids
from tinyloc.study.area_grids import RESULTS, page, voted


def test_the_vote_is_the_most_frequent_class_and_of_equals_the_nearest() -> None:
    labels = np.array([[3, 1, 1], [2, 5, 7], [4, 4, 0], [6, 6, 6]])
    assert voted(labels).tolist() == [1, 2, 4, 6]
    many = np.random.default_rng(1).integers(0, 2, (200, 3))  # two classes: never a draw
    assert voted(many).tolist() == mode(many, axis=1).mode.tolist()


def test_the_committed_table_is_of_the_committed_json() -> None:
    found = json.loads((RESULTS / "grids.json").read_text())
    assert (RESULTS / "table.md").read_text() == page(found)
    assert sum(one["ours"] for one in found) == 1
    assert len({(one["cell_m"], *one["shift"]) for one in found}) == len(found) <= len(area_grids.CELLS_M) * 64
