"""Models of the zoo measured anew: what its cards say is of today's compiler and kernels."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.device.evaluation.form_record import FormRecord
from tinyloc.device.evaluation.measure_bundle import measure
from tinyloc.device.zoo.models import CARD, Card, Figures, ZooError, load_card, unpack
from tinyloc.files import write_whole
from tinyloc.paths import ZOO_DIR
from tinyloc.training.test_set import readings_digest


def figures(found: FormRecord, what: str) -> dict[str, Figures]:
    """Of each board whose budget the image fits.

    ZooError, which names `what`, when there is no such board, or when a board answers otherwise than the host.
    """
    differ = [board for board, image in found.boards.items() if image.mismatches]
    fits = {board: image for board, image in found.boards.items() if image.fits}
    if differ or not fits:
        sizes = [f"{board}: {image.flash_bytes:,} bytes of flash" for board, image in found.boards.items()]
        too_large = "; ".join([*sizes, *(f"{board}: {why}" for board, why in found.not_built.items())])
        wrong = f"the answers differ on {', '.join(differ)}" if differ else f"it fits no board ({too_large})"
        raise ZooError(f"{what}: {wrong}; not added to the zoo")
    return {
        board: Figures(
            flash_bytes=image.flash_bytes,
            ram_bytes=image.ram_bytes,
            cycles=image.cycles,
            waited_cycles=image.waited_cycles,
            energy_uj=image.energy_uj,
        )
        for board, image in fits.items()
    }


def exist(boards: Sequence[str]) -> tuple[str, ...]:
    """The boards; ZooError when one is virtual and draws no current."""
    virtual = [board for board in boards if load_board(board).virtual]
    if virtual:
        raise ZooError(f"{', '.join(virtual)} is virtual and draws no current; name boards that exist as hardware")
    return tuple(boards)


def measured(name: str, boards: Sequence[str], folder: Path = ZOO_DIR) -> Card:
    """The card as it would be today on `boards`.

    ZooError when the test set that its quality is of is not on this machine: cycles depend on the readings, too.
    """
    card = load_card(name, folder)
    with tempfile.TemporaryDirectory(prefix="tinyloc-zoo-") as place:
        run = Path(place) / "run"
        told = unpack(name, run, folder=folder)
        if readings_digest(load_test_set(run / "bundle")) != card.test_sha256:
            raise ZooError(f"zoo:{name} can only be measured on the test set of its card; this machine has {told}")
        found = measure(run / "bundle", card.arithmetic, exist(boards), card.optimise)
    return card.model_copy(
        update={
            "boards": figures(found, f"zoo:{name}"),
            "macro_f1": found.macro_f1,
            "accuracy": found.accuracy,
            "errors_m": found.errors_m,
            "constant_bytes": found.constant_bytes or 0,
        }
    )


def changes(old: Card, new: Card) -> list[str]:
    """What differs, a line each: "cc2650 cycles 52,689 -> 44,120"."""
    told = []
    for board in dict.fromkeys([*old.boards, *new.boards]):
        before, after = old.boards.get(board), new.boards.get(board)
        if before is None or after is None:
            told.append(f"{board}: {'fits now' if before is None else 'does not fit any more'}")
            continue
        pairs = ((key, getattr(before, key), getattr(after, key)) for key in Figures.model_fields)
        told += [f"{board} {key} {_figure(one)} -> {_figure(other)}" for key, one, other in pairs if one != other]
    others = ((key, getattr(old, key), getattr(new, key)) for key in Card.model_fields if key != "boards")
    return told + [f"{key} {one} -> {other}" for key, one, other in others if one != other]


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:,}"


def write_card(card: Card, place: Path) -> None:
    """Write the card into the directory of its model."""
    write_whole(place / CARD, card.model_dump_json(indent=1, exclude_none=True) + "\n")
