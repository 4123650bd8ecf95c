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
from types import ModuleType
from typing import Any

import numpy as np

from tinyloc import paths
from tinyloc.files import write_whole
from tinyloc.names import printable
from tinyloc.training.data import (
    ble_flat,
    ble_tracks,
    files,
    home_rooms,
    house,
    in_home,
    movement_aal,
    own,
    rtt_walk,
    sphere_house,
    tut_floors,
    uji,
    uji_blocks,
    uts,
)
from tinyloc.training.data.dataset import UNSEEN, DataSet, with_good_names
from tinyloc.training.data.floor_plans import HOUSES
from tinyloc.training.errors import DataError

LARGEST_OPTION = 10**9
ENVIRONMENT = "TINYLOC_DATA"
TIMEOUT_S = 30
Option = int | float


@dataclass(frozen=True)
class Source:
    """Where the publisher keeps a data set, and as what it may lie on this machine."""

    url: str
    file: str
    """The zip as `get` names it."""
    sha256: Mapping[str, str]
    """Of the members of the zip, not of the zip; a name with `*` is of all files that match, sorted, one after the
    other. Empty: the publisher's bytes are not known here, so `get` does not download."""
    layouts: tuple[tuple[str, ...], ...] = ()
    """Sets of files (or folders) that the loader reads as well as the zip; each also as NAME.xz."""
    folder: str | None = None
    """Name of the folder in the places that are searched, if it is not the data set's name."""


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
    described: bool = False
    """The user's own files: always read from the path of their description."""


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
    entries = [_published(module, title, source) for module, title, source in _PUBLISHED]
    blocks = "UJIIndoorLoc as sequences inside blocks"
    entries.append(_entry(uji_blocks.NAME, blocks, uji, uji_blocks.load, _UJI_SOURCE))
    for letter in in_home.HOUSES:
        source = Source(in_home.URL, f"{in_home.FOLDER}.zip", {}, ((f"house_{letter}",),), in_home.FOLDER)
        title = f"Residential wearable RSSI, house {letter} (a real house)"
        entries.append(_entry(f"in-home-{letter.lower()}", title, in_home, partial(in_home.load, letter), source))
    for number in tut_floors.COLLECTIONS:
        source = _converted(tut_floors.FOLDER, "darwinquezada/SURIMI", tut_floors.file_of(number))
        title = f"TUT {number}: WiFi, a campus with floors, one scan per place"
        entries.append(_entry(f"tut{number}", title, tut_floors, partial(tut_floors.load, number), source))
    for scene in rtt_walk.SCENES:
        source = _converted(
            rtt_walk.FOLDER, "haiyaoyu/RTT-Indoor-localization-data-set", rtt_walk.FILE, rtt_walk.ANCHOR_FILE
        )
        title = f"Laps of two phones through a {scene}: WiFi, 6 or 8 anchors"
        entries.append(_entry(f"rtt-{scene}", title, rtt_walk, partial(rtt_walk.load, scene), source))
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
    entries.append(
        Entry(
            name=own.NAME,
            title="your own CSV, described by a TOML file (docs/reference/data.md)",
            licence="yours",
            citation="",
            load=own.load,
            options=_options(own.load),
            described=True,
        )
    )
    return {entry.name: entry for entry in entries}


def _entry(name: str, title: str, module: ModuleType, loader: Callable[..., DataSet], source: Source) -> Entry:
    """`module` says LICENCE and CITATION."""
    return Entry(name, title, module.LICENCE, module.CITATION, loader, _options(loader), source)


def _published(module: ModuleType, title: str, source: Source) -> Entry:
    return _entry(getattr(module, "NAME", "ujiindoorloc"), title, module, module.load, source)


_UJI_SOURCE = Source(
    url="https://archive.ics.uci.edu/static/public/310/ujiindoorloc.zip",
    file="UJIIndoorLoc.zip",
    sha256={
        uji.TRAINING_FILE: "45ca0128bd12019c976bb4793e407c979c82995d7a5940ab7288620247905168",
        uji.TEST_FILE: "5f90c536648cd657b2c516d20c4e0968d4003279ea6bd5d5d5322d3f1e8905c0",
    },
    folder="ujiindoorloc",
)
_GITHUB = "https://github.com/{}/archive/{}.zip"


def _converted(folder: str, repository: str, *names: str) -> Source:
    """A set that is read in a converted form only: those files in a folder, made from a repository on GitHub."""
    return Source(f"https://github.com/{repository}", f"{folder}.zip", {}, (names,), folder)


_PUBLISHED: list[tuple[ModuleType, str, Source]] = [
    (uji, "UJIIndoorLoc: WiFi, 520 access points, 3 buildings", _UJI_SOURCE),
    (
        ble_flat,
        "BLE in a furnished flat: 6 anchors, rooms and positions",
        Source(
            url=_GITHUB.format("marckolak/ble-rss-fingerprints-calib2021", "0a69aaa7006909d3f8f9f3a14fcba9405d404fa5"),
            file="ble_flat_kolakowski.zip",
            sha256={
                ble_flat.TRAINING_FILE: "70016148cec0c10f320ee7078c7635d7614cb029f0a7a5142fda20fad059c50b",
                ble_flat.TEST_FILE: "3c49cddf3a090e6ceeef997164f6f183d9c6a2d95c4c5e40f933cc52fa8abd9c",
            },
            layouts=((ble_flat.TRAINING_FILE, ble_flat.TEST_FILE),),
        ),
    ),
    (
        ble_tracks,
        "BLE tracks with camera positions: 12 sensors, 21 x 18 m",
        Source(
            url=_GITHUB.format(
                "philotuxo/Position-Annotated-BLE-RSSI-Dataset", "77474b69dc7d73fc5b07b74d7b4b65f3235a663e"
            ),
            file="ble_position_annotated_danis.zip",
            sha256={
                ble_tracks.PUBLISHED_FILES: "5f5544b5aa01ad6343e65c2cf0f93adaa1ef8ef033fd7bab93dd955786c2a2d7",
                ble_tracks.SENSOR_FILE: "0a888eb25c7059fcebd8c0c159e37537087914bc8098754317ffec029bbd9bee",
            },
            layouts=((ble_tracks.CONVERTED_FILE,), (ble_tracks.PUBLISHED_FILES, ble_tracks.SENSOR_FILE)),
        ),
    ),
    (
        movement_aal,
        "MovementAAL: does a walk change the room? 4 anchors, 314 sequences",
        Source(
            url=_GITHUB.format(
                "Smart-Adaptive-Intelligent-Systems-Lab/mobility", "c49aeea26b86f32ce417d366d15dbb459bcc5fee"
            ),
            file="movementaal.zip",
            sha256={
                "MovementAAL_RSS_*.csv": "e7b7060875b5f628a00afe4a996c93299a9ccb6a88cdff5b46aa79273a2e4814",
                "MovementAAL_target.csv": "f308ac714c24dc4e10bc8e44ef429825ce17a00d57c877f54411416519e616df",
                "MovementAAL_DatasetGroup.csv": "c684365bcd6dc6763a3965e63ed6bf0f490eea1b40c6162d1c39a4e8023d55c5",
            },
            layouts=(movement_aal.CONVERTED_FILES, movement_aal.PUBLISHED_FILES),
        ),
    ),
    (
        home_rooms,
        "A real house with 14 rooms: WiFi of a phone, 6 access points, 66 sessions",
        _converted(home_rooms.NAME, "akualab/gjoa", home_rooms.FILE),
    ),
    (
        sphere_house,
        "A real house with 9 rooms: BLE at the wrist, 4 receivers that change, 10 recordings",
        _converted(sphere_house.NAME, "smartHomeDataScience/dataset1", sphere_house.FILE),
    ),
    (
        uts,
        "UTSIndoorLoc: WiFi, 589 access points, 16 floors",
        Source(
            url="https://github.com/XudongSong/UTSIndoorLoc-dataset",
            file="UTSIndoorLoc.zip",
            sha256={},
            layouts=((uts.TRAINING_FILE, uts.TEST_FILE),),
        ),
    ),
]
DATA_SETS = _table()


def entry(name: str) -> Entry:
    """The data set of that name; DataError names the known ones."""
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}; known data sets: {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def cache_directory() -> Path:
    """Where `get` puts data sets: the cache's folder data."""
    return paths.cache_directory() / "data"


def search_places() -> list[Path]:
    """Directories that are searched for data sets, in order."""
    given = os.environ.get(ENVIRONMENT)
    places = [Path(given)] if given else []
    places += [Path.cwd().parent / "shared" / "data", paths.CLONE_DIR.parent / "shared" / "data", cache_directory()]
    return list(dict.fromkeys(places))


def find(name: str) -> Path | None:
    """The file or folder to load a published data set from; None when it is nowhere."""
    source = entry(name).source
    if source is None:
        return None
    layouts = [layout for layout in (tuple(source.sha256), *source.layouts) if layout]
    for place in search_places():
        for folder in (place / (source.folder or name), place):
            if (folder / source.file).is_file():
                return folder / source.file
            if any(all(_is_here(folder, member) for member in layout) for layout in layouts):
                return folder
    return None


def _is_here(folder: Path, name: str) -> bool:
    if "*" in name:
        return folder.is_dir() and any(folder.glob(name))
    return (folder / name).exists() or (folder / f"{name}.xz").is_file()


def listing() -> list[Listing]:
    """Every data set and whether it is here."""
    rows = []
    for item in DATA_SETS.values():
        path = find(item.name)
        own_files = "yours: --data FILE.toml" if item.described else "built in"
        place = own_files if item.source is None else str(path) if path else "not here"
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
        elif not abs(value) <= LARGEST_OPTION:
            problems.append(f"{key} = {printable(str(value), 20)} must be a number within ±{LARGEST_OPTION:,}")
        elif key.endswith("seed") and value < 0:
            problems.append(f"{key} = {value} must be 0 or more")
    return problems


def load(name: str, options: Mapping[str, Any] | None = None, path: Path | None = None) -> DataSet:
    """Load a data set; a published one from `path` or from where it is found.

    Raises DataError when it is unknown, not on this machine, malformed, or the options are wrong.
    """
    item = entry(name)
    problems = check_options(name, options or {})
    if problems:
        raise DataError(f"data set {name}: {'; '.join(problems)}")
    if item.described:
        if path is None:
            way = "name the TOML file that describes them (data.path, or --data FILE.toml)"
            raise DataError(f"data set {name} reads your own files: {way}")
        return with_good_names(item.load(path, **(options or {})))
    if item.source is None:
        if path is not None:
            raise DataError(f"{name} is simulated, not read from a file; remove the path {path}")
        return with_good_names(item.load(**(options or {})))
    place = path or find(name)
    if place is None:
        searched = ", ".join(str(directory / (item.source.folder or name)) for directory in search_places())
        way = f"run `tinyloc data get {name}`, or " if item.source.sha256 else ""
        raise DataError(
            f"data set {name} is not on this machine (searched {searched}); {way}"
            f"download {item.source.url} on another machine and set {ENVIRONMENT} to its folder"
        )
    return with_good_names(item.load(place, **(options or {})))


def get(name: str, destination: Path | None = None) -> Path:
    """Download a data set from its publisher, check it, and store it in the cache.

    Leaves nothing behind when the download fails or its content is wrong. Keeps a whole copy that is there already.

    Args:
        name: of the catalogue.
        destination: folder for the zip; without it the cache.

    Returns:
        Path of the zip.

    Raises:
        DataError: nothing to download, no network, or a content with other checksums.
    """
    item = entry(name)
    if item.described:
        raise DataError(f"{name} reads your own files; there is nothing to download")
    if item.source is None:
        raise DataError(f"{name} is simulated; there is nothing to download")
    folder = item.source.folder or name
    if not item.source.sha256:
        raise DataError(
            f"{name}: tinyloc has no checksum of these files and does not download them; get them at "
            f"{item.source.url} and set {ENVIRONMENT} to a folder that holds {folder}/ with them"
        )
    target = (destination or cache_directory() / folder) / item.source.file
    if target.is_file() and not _wrong_members(target.read_bytes(), item.source):
        return target
    way_out = (
        f"on a machine with a network download {item.source.url} and put it here as {target}, "
        f"or set {ENVIRONMENT} to a folder that holds {folder}/{item.source.file}"
    )
    try:
        with urllib.request.urlopen(item.source.url, timeout=TIMEOUT_S) as reply:
            content = reply.read()
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{name}: cannot download {item.source.url} ({reason}); {way_out}") from error
    wrong = _wrong_members(content, item.source)
    if wrong:
        raise DataError(f"{name}: {item.source.url} sent other content than published: {'; '.join(wrong)}; {way_out}")
    write_whole(target, content)
    return target


def _wrong_members(content: bytes, source: Source) -> list[str]:
    """How the zip differs from the published one; empty when it does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {Path(name).name: name for name in archive.namelist()}
            problems = [f"no {member} in the zip" for member in files.unmatched(list(source.sha256), names)]
            for member, expected in source.sha256.items():
                found = b"".join(archive.read(names[name]) for name in files.matching([member], names))
                if found and hashlib.sha256(found).hexdigest() != expected:
                    problems.append(f"{member} has another sha256 than {expected[:12]}...")
            return problems
    except zipfile.BadZipFile:
        return [f"{len(content)} bytes that are not a zip file"]


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
