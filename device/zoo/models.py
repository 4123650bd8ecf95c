"""The zoo: small trained models that come with tinyloc, a directory each, as bundles that need no training.

    zoo/MODEL/
      card.json             Card: data, licence, figures, sizes, seed
      bundle.json           as of any bundle; its test set is test.npz here
      model_<form>.tflite
      test.npz              golden scans: random readings and the float model's answers
      decisions.npz         the float model's decisions on the real test set

Measured readings of others are not shipped, but for one walk under CC BY 4.0 (walk.csv and walk.json of ble-flat, which
`tinyloc live --demo` replays). Where the data set is on this machine (a simulated house always is) the
real test set takes the place of the golden scans, with the decisions that the float model made on it; else the golden
scans still tell whether the device answers as the host does, and what it costs.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from tinyloc.boards import board_names, load_board
from tinyloc.bundle.schema import (
    BUNDLE,
    MISSING_DBM,
    TEST_SET,
    Arithmetic,
    Bundle,
    SamplesFrom,
    TestSet,
    load_bundle,
    read_bundle,
    sha256,
    write_bundle,
)
from tinyloc.device.image.build import Optimise
from tinyloc.errors import UserError
from tinyloc.files import whole_directory
from tinyloc.names import FileName, Line, OptionalLine, Sha256
from tinyloc.paths import ZOO_DIR
from tinyloc.strict import Strict, problems
from tinyloc.training.data import catalogue
from tinyloc.training.data.dataset import Recording
from tinyloc.training.test_set import as_test_set, readings_digest

CARD, DECISIONS, MARK = "card.json", "decisions.npz", "zoo.json"
WALK, WALK_ABOUT = "walk.csv", "walk.json"
"""A recorded walk for the live view, with its licence; few models have one."""
GOLDEN_SCANS = 64
GOLDEN_HEARD = 18
"""Access points that a golden scan hears at most: as many as a scan of UJIIndoorLoc hears on average."""


class ZooError(UserError):
    """A model that the zoo has not, or that is damaged; the message names those that there are."""


class Figures(Strict):
    """Of one board: bytes of the image, RAM with the stack, modelled cycles and energy of one sample."""

    flash_bytes: int = Field(gt=0, lt=1 << 32)
    ram_bytes: int = Field(gt=0, lt=1 << 32)
    cycles: float = Field(gt=0, le=1e12)
    waited_cycles: float | None = Field(default=None, gt=0, le=1e12)
    """With the wait states of the board's flash; None where it has none."""
    energy_uj: float = Field(ge=0, le=1e9)
    """Of the slower figure."""


class Card(Strict):
    """What a model of the zoo is, and what it was measured to be."""

    name: FileName
    title: Line
    boards: dict[FileName, Figures] = Field(min_length=1)
    """Boards whose budget it fits; zoo:NAME-BOARD names one, zoo:NAME the first."""
    arithmetic: Arithmetic
    optimise: Optimise
    architecture: FileName
    data: FileName
    """Name in the catalogue; of an own network's samples the name of its bundle."""
    data_options: dict[FileName, Annotated[int | float, Field(ge=-1e9, le=1e9)]]
    licence: Line
    """Of the data. The model itself is under tinyloc's licence."""
    citation: OptionalLine
    seed: int = Field(ge=0, lt=1 << 32)
    parameters: int = Field(ge=0, le=10**12)
    test_samples: int = Field(ge=1, le=10**9)
    test_sha256: Sha256
    """See `readings_digest`: the figures below are of these samples."""
    macro_f1: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    float_macro_f1: float = Field(ge=0, le=1)
    float_accuracy: float = Field(ge=0, le=1)
    errors_m: dict[Line, Annotated[float, Field(ge=0, le=1e8)]] | None = None
    file_bytes: int = Field(ge=0, lt=1 << 32)
    constant_bytes: int = Field(ge=0, lt=1 << 32)

    @property
    def board(self) -> str:
        """The first."""
        return next(iter(self.boards))


def names(folder: Path = ZOO_DIR) -> list[str]:
    """Models of the zoo, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{CARD}"))


def resolve(name: str, folder: Path = ZOO_DIR) -> tuple[str, str]:
    """NAME or NAME-BOARD -> model and board. ZooError names what there is when it is neither."""
    cards = {model: load_card(model, folder) for model in names(folder)}
    for model, card in cards.items():
        for board in card.boards:
            if name in (model, f"{model}-{board}"):
                return model, board
    for model, card in cards.items():
        board = name.removeprefix(f"{model}-")
        if board != name and board in board_names():
            sizes = ", ".join(f"{other} ({image.flash_bytes:,} bytes of flash)" for other, image in card.boards.items())
            why = "is virtual and draws no current" if load_board(board).virtual else "is too small for it"
            raise ZooError(f"zoo:{model} is not for {board}, which {why}; it is for {sizes}")
    raise ZooError(
        f"no model {name!r} in the zoo; there are {', '.join(cards) or 'none'}. Add -BOARD to choose a board, such as "
        f"{next((f'{model}-{board}' for model, card in cards.items() for board in card.boards), 'NAME-BOARD')}"
    )


def load_card(name: str, folder: Path = ZOO_DIR) -> Card:
    """Read the card of a model of the zoo.

    Raises:
        ZooError: no such model, or a card of another version.
    """
    path = folder / name / CARD
    try:
        return Card.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        why = "; ".join(problems(error, "card")) if isinstance(error, ValidationError) else error
        raise ZooError(f"{path}: not a card of this tinyloc ({why}); use the zoo of this version") from error


def unpack(name: str, run: Path, data_path: Path | None = None, folder: Path = ZOO_DIR) -> str:
    """Make `run/bundle` from a model of the zoo, unless it is there already; says which test set it has.

    Everything else in `run` is of another model or test set then, and goes.
    """
    card = load_card(name, folder)
    test_set, samples_from, told = _test_set(card, folder / name, data_path)
    mark = {
        "zoo": name,
        "model": sha256(folder / name / BUNDLE),
        "test": readings_digest(test_set),
        "from": samples_from,
    }
    if (run / "bundle" / BUNDLE).is_file() and _read_mark(run) == mark:
        return told
    with whole_directory(run) as place:
        bundle = place / "bundle"
        bundle.mkdir()
        for file in (folder / name).iterdir():  # a copy of its own mode: the package may be read-only
            if file.is_file() and file.name not in (CARD, DECISIONS, WALK, WALK_ABOUT):
                shutil.copyfile(file, bundle / file.name)
        test_set.save(bundle / TEST_SET)
        about = {"test_sha256": sha256(bundle / TEST_SET), "samples_from": samples_from}
        write_bundle(read_bundle(bundle).model_copy(update=about), bundle)
        load_bundle(bundle)
        (place / MARK).write_text(json.dumps(mark), encoding="utf-8", newline="\n")
    return told


def card_of(run: Path, folder: Path = ZOO_DIR) -> Card | None:
    """The card of the zoo's model that `unpack` made a run of; None for another run, or a model of another version."""
    mark = _read_mark(run)
    name = mark.get("zoo") if isinstance(mark, dict) else None
    if name not in names(folder) or mark.get("model") != sha256(folder / name / BUNDLE):
        return None
    return load_card(name, folder)


def _read_mark(run: Path) -> Any:
    try:
        return json.loads((run / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _test_set(card: Card, place: Path, data_path: Path | None) -> tuple[TestSet, SamplesFrom, str]:
    """Give the real test set if it is here and the card's, else the golden scans; which it is; a line about it."""
    off = f", median error {card.errors_m['p50']:.2f} m" if card.errors_m else ""
    golden = (
        "golden scans; accuracy is agreement with the float model here ({}). On the real test set: macro F1 "
        f"{card.macro_f1:.3f}, accuracy {card.accuracy:.3f}{off}"
    )
    bundle = load_bundle(place)
    try:
        data = catalogue.load(card.data, card.data_options, data_path)
        test_set = _real(bundle, data.test, data.access_points, place)
    except UserError as error:
        if data_path is not None:
            raise
        return _golden(place), "golden scans", golden.format(str(error).split(";")[0])
    if test_set is None or readings_digest(test_set) != card.test_sha256:
        why = f"the {card.data} on this machine is not the one of the card"
        return _golden(place), "golden scans", golden.format(why)
    return test_set, "test set", f"the test set of {card.data}, {card.test_samples:,} samples"


def _golden(place: Path) -> TestSet:
    with np.load(place / TEST_SET) as arrays:
        return TestSet(**{name: arrays[name] for name in TestSet.__dataclass_fields__ if name in arrays})


def _real(bundle: Bundle, recordings: tuple[Recording, ...], have: tuple[str, ...], place: Path) -> TestSet | None:
    """The recordings in the access points of the bundle, with the float model's decisions; None when others."""
    if not set(bundle.preprocessing.access_points) <= set(have):
        return None
    columns = [have.index(name) for name in bundle.preprocessing.access_points]
    narrow = [replace(recording, rssi_dbm=recording.rssi_dbm[:, columns]) for recording in recordings]
    with np.load(place / DECISIONS) as arrays:
        decisions = arrays["float_class"].astype(np.int32)
    samples = sum(map(len, narrow))
    if len(decisions) != samples:
        return None
    unknown = np.full((samples, len(bundle.outputs.classes)), np.nan, np.float32)  # the scores are not kept
    return as_test_set(narrow, unknown, decisions, carries_state=bool(bundle.models[0].states))


def golden_readings(bundle: Bundle, seed: int) -> npt.NDArray[np.int8]:
    """(GOLDEN_SCANS, P) random readings within the range of the scaling; nothing of them was measured."""
    generator = np.random.default_rng(seed)
    points = len(bundle.preprocessing.access_points)
    readings = np.full((GOLDEN_SCANS, points), MISSING_DBM, np.int8)
    floor, ceiling = round(bundle.preprocessing.floor_dbm), round(bundle.preprocessing.ceiling_dbm)
    for row in readings:
        heard = generator.choice(points, size=generator.integers(1, min(points, GOLDEN_HEARD) + 1), replace=False)
        row[heard] = generator.integers(floor, ceiling + 1, size=len(heard))
    return readings
