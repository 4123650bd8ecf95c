"""MovementAAL: will this walk lead into another room? Signal strength of four anchors at a mote on the chest, 8 Hz.

A recording is one of the 314 sequences and every sample of it has the sequence's class. The publisher scaled readings
to -1..1 for each anchor; here they become levels of -100..0 in steps of 1 (0.02 of the publisher's scale, finer than
the readings were), which travel as if they were dBm but are not. There are no positions.
The publisher asks once a sequence, at its last sample, where all walks pass the same marker. `last_s` does so too:
every recording is then as long, the seconds before the marker, and silent before the start of a shorter walk.
"""

from pathlib import Path

import numpy as np

from tinyloc.training.data import files
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.data.table import read_table
from tinyloc.training.errors import DataError

NAME = "movementaal"
CONVERTED_FILES = ("rss_sequences.csv", "sequences.csv")
PUBLISHED_FILES = ("MovementAAL_RSS_*.csv", "MovementAAL_target.csv", "MovementAAL_DatasetGroup.csv")
CITATION = (
    "D. Bacciu, P. Barsocchi, S. Chessa, C. Gallicchio, A. Micheli, An experimental characterization of reservoir "
    "computing in ambient assisted living applications, Neural Computing and Applications 24, 2014, "
    "doi:10.1007/s00521-013-1364-4"
)
LICENCE = "CC BY 4.0"
RATE_HZ = 8.0
CLASSES = ("stays", "changes room")
SHARES = (0.6, 0.2, 0.2)
"""Of the sequences of each class in each of the three settings: train, validation, test."""
SHARES_OF_OTHER_ROOMS = (0.75, 0.25, 0.0)
"""The same, of the two settings that do not test."""
Sequences = dict[int, tuple[files.Floats, int, int]]
"""Number -> readings (T, 4) in -1..1, class -1 or 1, setting 1 to 3."""


def load(path: Path, split_seed: int = 0, last_s: float = 0.0, new_rooms: int = 0) -> DataSet:
    """Read the sequences: the publisher's files, or the two that join them.

    Args:
        path: folder or zip.
        split_seed: of the splits.
        last_s: seconds before the marker to keep; 0 keeps the walks as they are.
        new_rooms: a setting, 1 to 3, that tests as a whole, so that its rooms are new; a quarter of the other two
            validates. 0: all settings are in all splits.

    Raises:
        DataError: missing or damaged files, or options that leave a split empty.
    """
    samples = round(last_s * RATE_HZ)
    if last_s and samples < 1:
        raise DataError(
            f"{NAME}: last_s = {last_s:g} is shorter than a sample; use at least {1 / RATE_HZ:g} s, or 0 for all"
        )
    sequences = _read(path)
    settings = sorted({setting for _, _, setting in sequences.values()})
    if new_rooms and new_rooms not in settings:
        raise DataError(f"{NAME}: new_rooms = {new_rooms}; choose a setting of {files.some(settings)}, or 0")
    groups: dict[tuple[int, int], list[int]] = {}
    for number, (_, label, setting) in sorted(sequences.items()):
        groups.setdefault((label, setting), []).append(number)
    generator = np.random.default_rng(split_seed)
    splits: list[list[Recording]] = [[], [], []]
    for (_, setting), numbers in groups.items():
        order = generator.permutation(numbers)
        shares = SHARES if not new_rooms else (0.0, 0.0, 1.0) if setting == new_rooms else SHARES_OF_OTHER_ROOMS
        edges = np.rint(np.cumsum(shares)[:2] * len(order)).astype(int)
        for split, chosen in zip(splits, np.split(order, edges), strict=True):
            split += [_recording(int(number), *sequences[int(number)][:2], samples) for number in chosen]
    if not all(splits):
        raise DataError(
            f"{path}: {len(sequences)} sequences are too few for three splits; use all files of the publisher"
        )
    train, validation, test = map(tuple, splits)
    return DataSet(
        name=NAME,
        title="MovementAAL, 4 anchors",
        licence=LICENCE,
        citation=CITATION,
        access_points=tuple(f"anchor {number}" for number in range(1, 5)),
        classes=CLASSES,
        class_position_m=None,
        rate_hz=RATE_HZ,
        sequential=True,
        train=train,
        validation=validation,
        test=test,
    )


def _recording(number: int, readings: files.Floats, label: int, last: int) -> Recording:
    """The whole sequence, or its last samples after as much silence as makes them `last`."""
    if last:
        silence = np.full((max(0, last - len(readings)), readings.shape[1]), np.nan)
        readings = np.concatenate([silence, readings[-last:]])
    samples = len(readings)
    return Recording(
        name=f"sequence {number}",
        rssi_dbm=files.whole_dbm(50 * readings - 50),
        position_m=np.full((samples, 3), np.nan, np.float32),
        label=np.full(samples, int(label > 0), np.int32),
        time_s=np.arange(samples) / RATE_HZ,
    )


def _read(path: Path) -> Sequences:
    try:
        members = files.read_members(path, CONVERTED_FILES, NAME)
    except DataError:
        return _checked(_read_published(path), path)
    steps = read_table(
        members[CONVERTED_FILES[0]], f"{path}: {CONVERTED_FILES[0]}",
        ["sequence_id", "step", *(f"rss_anchor{number}" for number in range(1, 5))],
    )  # fmt: skip
    table = read_table(
        members[CONVERTED_FILES[1]], f"{path}: {CONVERTED_FILES[1]}", ["sequence_id", "class_label", "dataset_id"]
    )
    ids, order = steps.numbers(["sequence_id", "step"]).T
    readings = steps.numbers([f"rss_anchor{number}" for number in range(1, 5)])
    found = {}
    for number, label, setting in table.numbers(["sequence_id", "class_label", "dataset_id"]).astype(int).tolist():
        rows = np.flatnonzero(ids == number)
        found[number] = (readings[rows[np.argsort(order[rows])]], label, setting)
    return _checked(found, path)


def _read_published(path: Path) -> Sequences:
    members = files.read_members(path, PUBLISHED_FILES, NAME)
    facts = []
    for name, column in (("MovementAAL_target.csv", "class_label"), ("MovementAAL_DatasetGroup.csv", "dataset_ID")):
        pairs = read_table(members[name], f"{path}: {name}", ["sequence_ID", column])
        facts.append(dict(pairs.numbers(["sequence_ID", column]).astype(int).tolist()))
    found = {}
    for name in files.matching(["MovementAAL_RSS_*.csv"], members):
        number = files.natural(name)[0]
        columns = [f"RSS_anchor{anchor}" for anchor in range(1, 5)]
        table = read_table(members[name], f"{path}: {name}", columns)
        found[number] = (table.numbers(columns), facts[0].get(number, 0), facts[1].get(number, 0))
    return found


def _checked(sequences: Sequences, path: Path) -> Sequences:
    problems = [
        f"sequence {number} has {len(readings)} samples, class {label}, setting {setting}"
        for number, (readings, label, setting) in sequences.items()
        if not len(readings) or label not in (-1, 1) or setting < 1 or np.abs(readings).max() > 1
    ]
    if problems:
        raise DataError(f"{path}: {files.some(problems)}; needed are samples in -1..1, class -1 or 1, and a setting")
    return sequences
