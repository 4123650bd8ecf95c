"""The table of data sets: what each is, whose it is, where it is found or fetched, and what loads it."""

import hashlib
import inspect
import io
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.boards.files import write_whole
from tinyloc.training.data import house, uji
from tinyloc.training.data.dataset import UNSEEN, DataSet
from tinyloc.training.data.floor_plans import HOUSES
from tinyloc.training.errors import DataError

ENVIRONMENT = "TINYLOC_DATA"
TIMEOUT_S = 30
Option = int | float


@dataclass(frozen=True)
class Source:
    """Where the publisher keeps a data set. `sha256` is of the members of the zip, not of the zip."""

    url: str
    file: str
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """One data set. Without a source it is made on the spot."""

    name: str
    title: str
    licence: str
    citation: str
    load: Callable[..., DataSet]
    options: Mapping[str, Option]
    """Options of the loader with their defaults."""
    source: Source | None = None


@dataclass(frozen=True)
class Listing:
    """A row of `tinyloc data list`."""

    entry: Entry
    place: str
    """Where it lies, "built in", or "not here"."""
    available: bool


@dataclass(frozen=True)
class Split:
    """Counts of one split."""

    recordings: int
    samples: int
    minutes: float
    heard_per_sample: float
    classes: int
    unseen: int


@dataclass(frozen=True)
class Description:
    """What `tinyloc data describe` shows."""

    data_set: DataSet
    access_points_heard: int
    weakest_dbm: float
    strongest_dbm: float
    splits: dict[str, Split] = field(default_factory=dict)


def _options(loader: Callable[..., DataSet]) -> dict[str, Option]:
    parameters = inspect.signature(loader).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _table() -> dict[str, Entry]:
    entries = [
        Entry(
            name="ujiindoorloc",
            title="UJIIndoorLoc: WiFi, 520 access points, 3 buildings",
            licence=uji.LICENCE,
            citation=uji.CITATION,
            load=uji.load,
            options=_options(uji.load),
            source=Source(
                url="https://archive.ics.uci.edu/static/public/310/ujiindoorloc.zip",
                file="UJIIndoorLoc.zip",
                sha256={
                    uji.TRAINING_FILE: "45ca0128bd12019c976bb4793e407c979c82995d7a5940ab7288620247905168",
                    uji.TEST_FILE: "5f90c536648cd657b2c516d20c4e0968d4003279ea6bd5d5d5322d3f1e8905c0",
                },
            ),
        )
    ]
    for name, plan in HOUSES.items():
        entries.append(
            Entry(
                name=name,
                title=f"Simulated house {name[-1].upper()}: {len(plan.access_points)} access points, "
                f"{len(plan.spaces)} rooms",
                licence=house.LICENCE,
                citation=house.CITATION,
                load=partial(house.load, name),
                options=_options(house.load),
            )
        )
    return {entry.name: entry for entry in entries}


DATA_SETS = _table()


def entry(name: str) -> Entry:
    """The data set of that name; DataError names the known ones."""
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}; known data sets: {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def cache_directory() -> Path:
    """Where `get` puts data sets: $XDG_CACHE_HOME/tinyloc/data, usually ~/.cache/tinyloc/data."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinyloc" / "data"


def search_places() -> list[Path]:
    """Directories that are searched for data sets, in order."""
    given = os.environ.get(ENVIRONMENT)
    clone = Path(__file__).resolve().parents[2]
    places = [Path(given)] if given else []
    places += [Path.cwd().parent / "shared" / "data", clone.parent / "shared" / "data", cache_directory()]
    return list(dict.fromkeys(places))


def find(name: str) -> Path | None:
    """The file or folder to load a published data set from; None when it is nowhere."""
    source = entry(name).source
    if source is None:
        return None
    for place in search_places():
        for folder in (place / name, place):
            if (folder / source.file).is_file():
                return folder / source.file
            if all((folder / member).is_file() for member in source.sha256):
                return folder
    return None


def listing() -> list[Listing]:
    """Every data set and whether it is here."""
    rows = []
    for item in DATA_SETS.values():
        path = find(item.name)
        place = "built in" if item.source is None else str(path) if path else "not here"
        rows.append(Listing(item, place, item.source is None or path is not None))
    return rows


def check_options(name: str, options: Mapping[str, Any]) -> list[str]:
    """Problems of data options, one sentence each."""
    known = entry(name).options
    problems = []
    for key, value in options.items():
        if key not in known:
            problems.append(f"{name} has no option {key!r} (it has {', '.join(known)})")
        elif isinstance(value, bool) or not isinstance(value, int if isinstance(known[key], int) else int | float):
            kind = "a whole number" if isinstance(known[key], int) else "a number"
            problems.append(f"{key} = {value!r} must be {kind}")
    return problems


def load(name: str, options: Mapping[str, Any] | None = None, path: Path | None = None) -> DataSet:
    """Load a data set; a published one from `path` or from where it is found.

    Raises DataError when it is unknown, not on this machine, malformed, or the options are wrong.
    """
    item = entry(name)
    problems = check_options(name, options or {})
    if problems:
        raise DataError(f"data set {name}: {'; '.join(problems)}")
    if item.source is None:
        if path is not None:
            raise DataError(f"{name} is simulated and is not read from a file; leave out the path {path}")
        return item.load(**(options or {}))
    place = path or find(name)
    if place is None:
        searched = ", ".join(str(directory / name) for directory in search_places())
        raise DataError(
            f"data set {name} is not on this machine (searched {searched}); run `tinyloc data get {name}`, "
            f"or download {item.source.url} elsewhere and set {ENVIRONMENT} to the folder you put it in"
        )
    return item.load(place, **(options or {}))


def get(name: str, destination: Path | None = None) -> Path:
    """Download a data set from its publisher, check it, and put it where it will be found: the zip's path.

    Nothing is left behind when the download fails or its content is not what was published. A whole copy that is
    there already is kept.
    """
    item = entry(name)
    if item.source is None:
        raise DataError(f"{name} is simulated: there is nothing to download, use it as it is")
    target = (destination or cache_directory() / name) / item.source.file
    if target.is_file() and not _wrong_members(target.read_bytes(), item.source):
        return target
    way_out = (
        f"on a machine with a network download {item.source.url} and put it here as {target}, "
        f"or set {ENVIRONMENT} to a folder that holds {name}/{item.source.file}"
    )
    try:
        with urllib.request.urlopen(item.source.url, timeout=TIMEOUT_S) as reply:
            content = reply.read()
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{name}: cannot download {item.source.url} ({reason}); {way_out}") from error
    wrong = _wrong_members(content, item.source)
    if wrong:
        raise DataError(f"{name}: {item.source.url} sent not what was published: {'; '.join(wrong)}; {way_out}")
    write_whole(target, content)
    return target


def _wrong_members(content: bytes, source: Source) -> list[str]:
    """How the zip differs from the published one; empty when it does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {Path(name).name: name for name in archive.namelist()}
            problems = [f"no {member} in the zip" for member in source.sha256 if member not in names]
            for member, expected in source.sha256.items():
                if member in names and hashlib.sha256(archive.read(names[member])).hexdigest() != expected:
                    problems.append(f"{member} has another sha256 than {expected[:12]}...")
            return problems
    except zipfile.BadZipFile:
        return [f"{len(content)} bytes that are no zip file"]


def describe(data_set: DataSet) -> Description:
    """Counts that tell at a glance what is in a data set."""
    readings = np.concatenate([r.rssi_dbm for recordings in data_set.splits.values() for r in recordings])
    training = np.concatenate([recording.rssi_dbm for recording in data_set.train])
    splits = {}
    for name, recordings in data_set.splits.items():
        labels = np.concatenate([recording.label for recording in recordings])
        heard = sum(int((~np.isnan(recording.rssi_dbm)).sum()) for recording in recordings)
        splits[name] = Split(
            recordings=len(recordings),
            samples=len(labels),
            minutes=len(labels) / data_set.rate_hz / 60 if data_set.sequential else 0.0,
            heard_per_sample=heard / max(1, len(labels)),
            classes=len(set(labels.tolist()) - {UNSEEN}),
            unseen=int((labels == UNSEEN).sum()),
        )
    return Description(
        data_set=data_set,
        access_points_heard=int((~np.isnan(training)).any(axis=0).sum()),
        weakest_dbm=float(np.nanmin(readings)),
        strongest_dbm=float(np.nanmax(readings)),
        splits=splits,
    )
