"""What makes an image updatable: slots, key and program, as C files and flags of the build."""

from dataclasses import dataclass
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.codegen.manifest import Manifest, read_manifest
from tinyloc.device.link.key import SharedKey
from tinyloc.device.update.constants import constants_of
from tinyloc.device.update.slot import Slots, first_content, make_header, program_of, slots_of


@dataclass(frozen=True)
class UpdatableImage:
    """What the build adds; `sources` is file name -> C text."""

    slots: Slots
    flags: tuple[str, ...]
    link: tuple[str, ...]
    sources: dict[str, str]


def updatable_image(generated: Path, board: Board, key: SharedKey, version: int) -> UpdatableImage:
    """Prepare the build of an image whose model can be replaced.

    Args:
        generated: directory of `tinyloc codegen --updatable`.
        board: with a part whose flash pages are known.
        key: that updates must be tagged with.
        version: of the model that the image starts with.
    """
    manifest: Manifest = read_manifest(generated)
    program = program_of(manifest, board)
    constants = constants_of(generated, manifest, board)
    slots = slots_of(board, len(constants))
    flash = next(memory for memory in board.memory if "w" not in memory.access)
    header = make_header(constants, program, manifest.model_id, version, key)
    content = first_content(header, constants)
    lines = "\n".join(
        "    " + "".join(f"{byte}," for byte in content[at : at + 32]) for at in range(0, len(content), 32)
    )
    slot = (
        "#include <stdint.h>\n"
        '__attribute__((used, section(".slot_a"), aligned(8)))\n'
        f"const uint8_t tl_slot_a[{len(content)}] = {{\n{lines}\n}};\n"
    )
    numbers = ", ".join(str(byte) for byte in program)
    identity = f'#include "update/slots.h"\nconst uint8_t tl_program_id[8] = {{{numbers}}};\n'
    return UpdatableImage(
        slots,
        (
            "-DTL_UPDATE",
            f"-DTL_SLOT_A=0x{slots.first:08X}u",
            f"-DTL_SLOT_B=0x{slots.second:08X}u",
            f"-DTL_SLOT_BYTES={slots.size}u",
            f"-DTL_FLASH_PAGE={slots.page}u",
            f"-DTL_FLASH_BASE=0x{flash.base:08X}u",
            f"-DTL_FLASH_BYTES=0x{flash.size:X}u",
        ),
        (f"-Wl,--section-start=.slot_a=0x{slots.first:08X}", "-Wl,--undefined=tl_slot_a"),
        {"slot": slot, "key": key.c_source("tl_update_key"), "program": identity},
    )
