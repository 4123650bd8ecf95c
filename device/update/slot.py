"""A slot of flash: its header, and where the two slots of a board lie. firmware/update/slots.h is the other side."""

import hashlib
import struct
from dataclasses import dataclass

from tinyloc.boards import Board
from tinyloc.codegen.manifest import Manifest
from tinyloc.device.link.key import SharedKey
from tinyloc.errors import UserError

MAGIC = 0x31534C54
SIGNED, RECORDS, HEADER = 64, 96, 128
UNIT = 8
"""Bytes that are programmed at once."""
_SIGNED = struct.Struct("<II8s8sII32s")
FIRST_SEQUENCE = 1


class UpdateError(UserError):
    """An update that cannot be made, or that a device refuses."""


@dataclass(frozen=True)
class Slots:
    """Where the slots of an image lie."""

    first: int
    second: int
    size: int
    page: int


def slots_of(board: Board, constant_bytes: int) -> Slots:
    """The two slots at the end of a board's flash, in whole pages of their own.

    Raises:
        UpdateError: the part's flash is not known, or too small.
    """
    facts = board.facts
    if facts.flash_page is None:
        raise UpdateError(f"{board.title}: parts/{facts.name}.toml names no flash_page, so its model cannot be updated")
    flash = next(memory for memory in board.memory if "w" not in memory.access)
    end, middle = flash.base + flash.size, flash.base + flash.size // 2
    end = min((block.base for block in board.fixed if middle < block.base < end), default=end)
    end = end // facts.flash_page * facts.flash_page
    size = -(-(HEADER + constant_bytes) // facts.flash_page) * facts.flash_page
    first = end - 2 * size
    if first <= flash.base:
        raise UpdateError(f"{board.title}: two slots of {size:,} bytes do not fit {flash.size:,} bytes of flash")
    return Slots(first, first + size, size, facts.flash_page)


def program_of(manifest: Manifest, board: Board) -> bytes:
    """8 bytes that identify a program in an image: constants are packed for a core.

    Raises:
        UpdateError: the code was not generated as updatable.
    """
    if manifest.updatable is None:
        raise UpdateError(
            f"{manifest.name}: its code holds the model as immediates; generate it with `tinyloc codegen --updatable`"
        )
    return hashlib.sha256(f"{manifest.updatable.program_id} {board.core}".encode()).digest()[:8]


def make_header(constants: bytes, program: bytes, model_id: str, version: int, key: SharedKey) -> bytes:
    """The 96 bytes that a device takes at the beginning of an update."""
    model = int(model_id, 16).to_bytes(8, "little")
    digest = hashlib.sha256(constants).digest()
    signed = _SIGNED.pack(MAGIC, len(constants), program, model, version, 0, digest)
    return signed + key.tag(signed)


def first_content(header: bytes, constants: bytes) -> bytes:
    """The first slot of a new image: committed once, with room for three rollbacks."""
    record = struct.pack("<II", FIRST_SEQUENCE, FIRST_SEQUENCE ^ 0xFFFFFFFF)
    return header + record + b"\xff" * (HEADER - RECORDS - len(record)) + constants
