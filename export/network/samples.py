"""Calibration and test samples of a network of your own, from arrays, .npz files or a radio map."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.site import Site
from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.network.description import Description
from tinyloc.names import printable
from tinyloc.training.data import own
from tinyloc.training.data.dataset import Recording

Array = npt.NDArray[Any]
LOWEST_DBM, HIGHEST_DBM = -127.0, 20.0


@dataclass(frozen=True)
class NetworkSamples:
    """What the readings are, and both sets of them; letters: P access points, C classes."""

    access_points: tuple[str, ...]
    classes: tuple[str, ...]
    calibration: tuple[Recording, ...]
    test: tuple[Recording, ...]
    rate_hz: float | None = None
    """Samples per second, where the data know it."""
    positions_m: list[tuple[float, float, float]] | None = None
    floors: list[int] | None = None
    site: Site = field(default_factory=Site)
    combine: Combine | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    notes: tuple[str, ...] = ()

    @property
    def apart(self) -> bool:
        """Samples that do not follow one another."""
        return self.calibration[0].apart


def from_files(about: Description, folder: Path) -> NetworkSamples:
    """Read the samples that a description names. Raises ExportError and DataError with every problem."""
    files = about.samples
    if files.data is not None:
        if files.calibration or files.test:
            raise ExportError("[samples]: name either data, or calibration and test, not both")
        return _from_radio_map(about, folder / files.data)
    missing = [name for name in ("calibration", "test") if not getattr(files, name)]
    missing += ["input.access_points"] if about.input.access_points is None else []
    missing += ["output.classes"] if about.output.classes is None else []
    if missing:
        raise ExportError(
            f"{about.name}: {', '.join(missing)} missing; name two .npz files under [samples] with the access points "
            "and classes, or a radio map as samples.data"
        )
    assert files.calibration is not None and files.test is not None
    found, problems = {}, []
    for name, file, needed in (("calibration", files.calibration, ()), ("test", files.test, ("label",))):
        try:
            found[name] = _npz(folder / file, needed)
        except ExportError as error:
            problems.append(str(error))
    if problems:
        raise ExportError("; ".join(problems))
    return from_arrays(about, found["calibration"], found["test"])


def _npz(path: Path, needed: Sequence[str]) -> dict[str, Array]:
    known = ("rssi_dbm", "recording", "label", "position_m")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except Exception as error:  # a damaged file makes np.load raise almost anything
        raise ExportError(f"{path} is no .npz file with plain arrays ({error}); write it with numpy.savez") from error
    lacking = [name for name in ("rssi_dbm", *needed) if name not in arrays]
    strange = [printable(name) for name in arrays if name not in known]
    if lacking or strange:
        told = [f"no array {', '.join(lacking)}"] if lacking else []
        told += [f"unknown array {', '.join(strange)}"] if strange else []
        raise ExportError(f"{path}: {'; '.join(told)}; it may hold {', '.join(known)}")
    return arrays


def from_arrays(about: Description, calibration: dict[str, Array], test: dict[str, Array]) -> NetworkSamples:
    """Check arrays and cut them into recordings.

    Args:
        about: names of access points and classes, codes for "not heard".
        calibration: `rssi_dbm` (N, P) in dBm, `recording` (N,) where there are several.
        test: the same with `label` (N,), class indices or -1, and `position_m` (N, 2 or 3) in metres where known.

    Raises:
        ExportError: every problem of both at once.
    """
    points, classes = about.input.access_points, about.output.classes
    assert points is not None and classes is not None
    problems: list[str] = []
    sets = {
        name: _recordings(name, arrays, about, len(points), len(classes), problems)
        for name, arrays in (("calibration", calibration), ("test", test))
    }
    if problems:
        raise ExportError(f"samples of {about.name}: {'; '.join(problems)}")
    return NetworkSamples(tuple(points), tuple(classes), sets["calibration"], sets["test"])


def _recordings(
    name: str, arrays: dict[str, Array], about: Description, points: int, classes: int, problems: list[str]
) -> tuple[Recording, ...]:
    raw = np.asarray(arrays["rssi_dbm"])
    before = len(problems)
    if raw.ndim != 2 or raw.dtype.kind not in "fiu" or raw.shape[1] != points or not len(raw):
        problems.append(
            f"{name} is {raw.dtype} of shape {list(raw.shape)}; readings in dBm of shape (samples, {points}) are "
            f"needed, a column for each of the {counted(points, 'access point')}"
        )
        return ()
    dbm = raw.astype(np.float32)
    dbm[np.isin(raw, about.input.missing)] = np.nan
    heard = dbm[~np.isnan(dbm)]
    outside = int(((heard < LOWEST_DBM) | (heard > HIGHEST_DBM)).sum())
    if not len(heard):
        problems.append(f"{name}: no access point is heard in any sample")
    elif outside:
        problems.append(
            f"{name}: {counted(outside, 'reading')} beyond {LOWEST_DBM:g} to {HIGHEST_DBM:g} dBm, such as "
            f'{float(heard[(heard < LOWEST_DBM) | (heard > HIGHEST_DBM)][0]):g}; name codes for "not heard" in '
            "input.missing"
        )
    elif heard.min() >= 0 and heard.max() <= 1:
        problems.append(f"{name} lies in 0..1: give readings in dBm; the bundle scales them as [input] says")
    count = len(dbm)
    label = np.asarray(arrays.get("label", np.full(count, -1)))
    if label.shape != (count,) or label.dtype.kind not in "iu":
        problems.append(f"{name}: label is {label.dtype} of shape {list(label.shape)}, not whole numbers ({count},)")
    elif len(label) and not (label.min() >= -1 and label.max() < classes):
        problems.append(
            f"{name}: label holds {int(label.min())} to {int(label.max())}; the {classes} classes are 0 to "
            f"{classes - 1}, -1 is a class that the network does not know"
        )
    recording = np.asarray(arrays.get("recording", np.zeros(count, np.int64)))
    if recording.shape != (count,) or recording.dtype.kind not in "iu":
        problems.append(f"{name}: recording is of shape {list(recording.shape)}, not whole numbers ({count},)")
    position = np.asarray(arrays.get("position_m", np.full((count, 3), np.nan)), np.float32)
    if position.ndim == 2 and position.shape == (count, 2):
        position = np.hstack([position, np.zeros((count, 1), np.float32)])
    if position.shape != (count, 3) or np.isinf(position).any():
        problems.append(
            f"{name}: position_m is of shape {list(position.shape)}; finite metres ({count}, 2 or 3) needed"
        )
    if len(problems) > before:
        return ()
    edges = [0, *(np.flatnonzero(np.diff(recording)) + 1).tolist(), count]
    apart, rate = not about.samples.sequential, about.window.rate_hz
    return tuple(
        Recording(
            f"{name} {number}",
            np.rint(dbm[low:high]).astype(np.float32),
            position[low:high],
            label[low:high].astype(np.int32),
            np.arange(high - low) / rate,
            apart,
        )
        for number, (low, high) in enumerate(itertools.pairwise(edges), 1)
    )


def _from_radio_map(about: Description, path: Path) -> NetworkSamples:
    """Reorder the columns to the network's access points; those that it does not know are left out."""
    data = own.load(path)
    points = tuple(about.input.access_points or data.access_points)
    classes = tuple(about.output.classes or data.classes)
    problems = []
    if lost := [printable(name) for name in points if name not in data.access_points]:
        problems.append(f"{path} has no access point {', '.join(lost[:5])}")
    if strange := [printable(name) for name in data.classes if name not in classes]:
        problems.append(f"output.classes does not name {', '.join(strange[:5])}, which {path} has")
    if problems:
        raise ExportError("; ".join(problems))
    columns = [data.access_points.index(name) for name in points]
    number = np.array([classes.index(name) for name in data.classes] + [-1], np.int32)

    def chosen(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
        return tuple(replace(r, rssi_dbm=r.rssi_dbm[:, columns], label=number[r.label]) for r in recordings)

    site = data.site()
    known = site.access_point_m
    site = site.model_copy(update={"access_point_m": None if known is None else [known[i] for i in columns]})
    same = classes == data.classes
    left_out = len(data.access_points) - len(points)
    notes = [*data.notes, *([f"{counted(left_out, 'access point')} of the data left out"] if left_out else [])]
    return NetworkSamples(
        points, classes, chosen(data.train), chosen(data.test), data.rate_hz,
        data.class_positions() if same else None, data.class_floors() if same else None, site, data.combine,
        data.title, data.licence, data.citation, tuple(notes),
    )  # fmt: skip
