"""Four Wi-Fi radio maps of a campus in Tampere: hundreds of access points, three or four floors, one scan per place.

The publisher's training scans train and validate, its test scans test. Classes are areas, a floor and a cell of a
grid, or with `places` = 1 the places of training scans. Heights are left out, so that errors are those in the plane;
floors are groups of classes.
"""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data import files
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.radio_map.build import Facts, build
from tinyloc.training.data.radio_map.classes import ClassRule
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans
from tinyloc.training.data.radio_map.splits import TRAIN_AND_VALIDATION, SplitRule
from tinyloc.training.errors import DataError

FOLDER = "tut_floors"
COLLECTIONS = (1, 2, 5, 7)
NOT_HEARD = 127
CITATION = (
    "TUT 1 and 2: S. Shrestha, J. Talvitie, E. S. Lohan, Deconvolution-based indoor localization with WLAN signals and "
    "unknown access point locations, ICL-GNSS 2013; TUT 5: doi:10.5281/zenodo.1161525; TUT 7: "
    "doi:10.5281/zenodo.3819917; as collected in github.com/darwinquezada/SURIMI"
)
LICENCE = "CC BY 4.0"


def file_of(collection: int) -> str:
    """The file of a collection, see COLLECTIONS."""
    return f"tut{collection}.npz"


def load(
    collection: int, path: Path, split_seed: int = 0, cell_m: float = 15.0, places: int = 0, place_m: float = 1.0
) -> DataSet:
    """Read a collection from a folder.

    Args:
        collection: One of COLLECTIONS.
        path: The folder with its file.
        split_seed: Fixes which fifth of the places of training scans validates.
        cell_m: Size of an area in metres.
        places: 1: classes are the places of training scans.
        place_m: Places in one cell of a grid of so many metres are one.
    """
    wrong = [f"{name} = {value:g}" for name, value in (("cell_m", cell_m), ("place_m", place_m)) if not value > 0]
    if wrong:
        raise DataError(f"{FOLDER}: {' and '.join(wrong)} must be above 0 metres; correct the data options")
    name = file_of(collection)
    source = f"{path}: {name}"
    arrays = _arrays(files.read_members(path, (name,), FOLDER)[name], source)
    points = tuple(f"AP{number}" for number in range(1, arrays["train_rssi"].shape[1] + 1))
    parts = {
        given: _scans(arrays[f"{part}_rssi"], arrays[f"{part}_label"], points, f"{source}, {part}")
        for given, part in ((TRAIN_AND_VALIDATION, "train"), ("test", "test"))
    }
    facts = Facts(f"tut{collection}", f"TUT {collection}, Wi-Fi, {len(points)} access points", LICENCE, CITATION)
    rule = ClassRule(place_m=place_m) if places else ClassRule(cell_m=cell_m)
    return build(facts, parts, SplitRule(by="place", sequential=False), rule, 1.0, split_seed, Findings())


def _arrays(content: bytes, source: str) -> dict[str, npt.NDArray[np.float64]]:
    """train_rssi (N, P), train_label (N, 5) as x, y, z, floor, building, and the same of test."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {f"{part}_{what}": archive[f"{part}_{what}"].astype(np.float64)
                      for part in ("train", "test") for what in ("rssi", "label")}  # fmt: skip
    except (ValueError, OSError, KeyError) as error:
        raise DataError(
            f"{source}: not the arrays that {FOLDER}/README.md names ({error}); copy the file again"
        ) from error
    width = arrays["train_rssi"].shape[-1]
    for part in ("train", "test"):
        shapes = arrays[f"{part}_rssi"].shape, arrays[f"{part}_label"].shape
        if shapes != ((len(arrays[f"{part}_label"]), width), (len(arrays[f"{part}_rssi"]), 5)):
            raise DataError(f"{source}: {part} arrays have shapes {shapes}, not (N, {width}) and (N, 5)")
    return arrays


def _scans(
    rssi: npt.NDArray[np.float64], label: npt.NDArray[np.float64], points: tuple[str, ...], source: str
) -> Scans:
    count = len(label)
    flat = np.column_stack([label[:, :2], np.zeros(count)])
    return Scans(
        source=source,
        points=points,
        rssi_dbm=files.whole_dbm(np.where(rssi == NOT_HEARD, np.nan, rssi)),
        position=flat,
        time_s=np.arange(count, dtype=np.float64),
        line=np.arange(1, count + 1),
        recording=np.full(count, source, object),
        group=np.array([f"B{building:.0f} F{floor:.0f}" for floor, building in label[:, 3:5]], object),
    )
