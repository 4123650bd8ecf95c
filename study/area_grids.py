"""How much the rule of UJIIndoorLoc's areas decides: three nearest neighbours over every grid that gives as many areas.

arXiv 2412.09289 has 59 areas and does not say which. `python -m tinyloc.study.area_grids` writes results/areas/.
It reads the test file to show how far figures move with a rule that nobody published; nothing is chosen by it.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.files import write_whole
from tinyloc.study.tables import table
from tinyloc.training.data import catalogue, uji
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.errors import DataError
from tinyloc.training.metrics import macro_f1

DATA = "ujiindoorloc"
AREAS = 59
CELLS_M = range(60, 121)
SHIFTS = 8
"""The origin moves by this many parts of a cell, along each axis."""
NEIGHBOURS = 3
SILENT_DBM = -105.0
RESULTS = Path("results/areas")


def nearest(training: uji.Scans, test: uji.Scans) -> npt.NDArray[np.int64]:
    """(N, NEIGHBOURS) training scans of the least Euclidean distance, the nearest first."""
    known, asked = (np.nan_to_num(scans.rssi_dbm, nan=SILENT_DBM).astype(np.float64) for scans in (training, test))
    squares = (known**2).sum(1)
    distance = squares - 2 * asked @ known.T
    return np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]


def voted(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N, K) classes of the neighbours -> (N,): the most frequent, of equals that of the nearest."""
    counts = (labels[:, :, None] == labels[:, None, :]).sum(2)
    return labels[np.arange(len(labels)), counts.argmax(1)]


def grids(training: uji.Scans, test: uji.Scans) -> list[dict[str, Any]]:
    """Every grid of CELLS_M and SHIFTS with AREAS areas in the training file, and what the neighbours reach on it."""
    neighbours = nearest(training, test)
    corner = np.array([training.longitude_m.min(), training.latitude_m.min()])
    found = []
    for cell_m, x, y in itertools.product(CELLS_M, range(SHIFTS), range(SHIFTS)):
        origin = corner - np.array([x, y]) * cell_m / SHIFTS
        keys = uji.areas(training, origin, float(cell_m))
        known = sorted(set(keys))
        if len(known) != AREAS:
            continue
        index = {key: number for number, key in enumerate(known)}
        label = np.array([index[key] for key in keys])
        true = np.array([index.get(key, UNSEEN) for key in uji.areas(test, origin, float(cell_m))])
        decided = voted(label[neighbours])
        counts = np.bincount(true[true >= 0], minlength=AREAS)
        found.append(
            {
                "cell_m": cell_m,
                "shift": [x, y],
                "macro_f1": round(macro_f1(true, decided), 4),
                "accuracy": round(float((true == decided).mean()), 4),
                "rare_classes": int(((counts > 0) & (counts <= 6)).sum()),
                "unseen": int((true == UNSEEN).sum()),
                "ours": cell_m == uji.AREA_M and (x, y) == (0, 0),
            }
        )
    return found


def page(found: list[dict[str, Any]]) -> str:
    """Markdown: the spread over all grids, ours among them."""
    f1 = np.array([one["macro_f1"] for one in found])
    accuracy = np.array([one["accuracy"] for one in found])
    (ours,) = [one for one in found if one["ours"]]
    rank = int((f1 > ours["macro_f1"]).sum()) + 1
    lines = [
        [name, f"{values.min():.3f}", f"{np.median(values):.3f}", f"{values.max():.3f}", f"{ours[key]:.3f}"]
        for name, key, values in (("macro F1", "macro_f1", f1), ("accuracy", "accuracy", accuracy))
    ]
    return "\n".join(
        [
            "# UJIIndoorLoc: every grid with 59 areas",
            "",
            "Made by `python -m tinyloc.study.area_grids`; do not edit.",
            "",
            f"arXiv 2412.09289 has {AREAS} areas and does not define them. Of the grids with cells of {CELLS_M[0]} to "
            f"{CELLS_M[-1]} m in steps of {CELLS_M.step} m and {SHIFTS} x {SHIFTS} origins, {len(found)} give {AREAS} "
            f"areas (building, floor, cell), ours among them ({uji.AREA_M:g} m, origin at the smallest coordinates). "
            "Three nearest neighbours over all training scans (Euclid, silent = -105 dBm), on the publisher's "
            "validation file:",
            "",
            *table(["", "least", "median", "largest", f"ours (rank {rank} of {len(found)})"], lines),
            "",
            "Figures of another rule are not comparable.",
        ]
    ) + "\n"  # fmt: skip


def main() -> None:
    """Write results/areas/grids.json and table.md."""
    path = catalogue.find(DATA)
    if path is None:
        raise DataError(f"data set {DATA} is not on this machine; run `tinyloc data get {DATA}`")
    training, test = uji.read(path)
    found = grids(training, test)
    write_whole(RESULTS / "grids.json", json.dumps(found, indent=None).replace("}, {", "},\n {") + "\n")
    write_whole(RESULTS / "table.md", page(found))


if __name__ == "__main__":
    main()
