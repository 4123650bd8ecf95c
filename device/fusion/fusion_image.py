"""An image with fusion: firmware/fusion and its application, the compiled student, the port of a board."""

from dataclasses import dataclass
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.codegen.fusion import DATA_FILE
from tinyloc.device.emulator.image import load_image
from tinyloc.device.image.build import (
    Optimise,
    compile_and_link,
    find_compiler,
    firmware_sources,
    model_sources,
    source_name,
    stack_usage,
)
from tinyloc.device.image.footprint import flash_bytes, read_pieces, read_symbols
from tinyloc.device.image.stack import StackBound, frames_of, stack_bound

PROGRAM = ("fusion", "fusion_app", "link")
STATE = "tl_fusion"
"""The one object that the fusion keeps in RAM."""
_PARTS = ("firmware/fusion/", "generated/", "libgcc.a(")
"""Object files, or a part of their names, that are there for the fusion: its functions, the student, soft float."""
_READ_ONLY = (".text", ".rodata")


@dataclass(frozen=True)
class FusionImage:
    """An image and what of it the fusion takes, in bytes."""

    elf: Path
    fusion_flash: int  # code and constants of the fusion, the student and what they need of libgcc
    student_flash: int  # of it, generated code and constants
    image_flash: int  # all that is written to flash, link and port included
    state: int  # RAM of the fusion, the student's arena included
    stack: StackBound  # of the whole image


def build_fusion(generated: Path, board: Board, work: Path, optimise: Optimise = "O2") -> FusionImage:
    """Compile and link what `compile_fusion` wrote with the firmware, into the empty directory `work`.

    Raises:
        BuildError: no compiler, C that does not compile, or an image that does not fit.
    """
    compiler = find_compiler()
    generated, work = generated.resolve(), work.resolve()
    sources = {source_name(path): path for path in firmware_sources(board, PROGRAM)}
    sources |= model_sources(generated) | {"generated/fusion_data": generated / DATA_FILE}
    compile_and_link(compiler, work, sources, generated, board, optimise)
    elf = work / "firmware.elf"
    pieces = [p for p in read_pieces(work / "firmware.map") if p.section.startswith(_READ_ONLY)]
    state = next(symbol.size for symbol in read_symbols(elf) if symbol.name == STATE and symbol.memory == "ram")
    return FusionImage(
        elf=elf,
        fusion_flash=sum(p.size for p in pieces if any(part in p.source for part in _PARTS)),
        student_flash=sum(p.size for p in pieces if "generated/" in p.source),
        image_flash=flash_bytes(elf),
        state=state,
        stack=stack_bound(load_image(elf), frames_of(stack_usage(work))),
    )
