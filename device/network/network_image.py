"""From a generated plain network to an image that runs it under `tinyloc run`, and what that image takes of a board."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tinyloc.boards import Board, Core, load_board
from tinyloc.device.emulator.image import load_image
from tinyloc.device.image.build import (
    Extras,
    Optimise,
    OverflowingImage,
    compile_and_link,
    find_compiler,
    firmware_sources,
    model_sources,
    source_name,
    stack_usage,
)
from tinyloc.device.image.footprint import STACK_SECTION, Piece, flash_bytes, read_pieces, read_sections, read_symbols
from tinyloc.device.image.stack import StackBound, frames_of, stack_bound

NETWORK, HARNESS = "generated/", "generated/harness"
PROGRAM = ("run",)
"""Areas of the firmware beside the port."""
ARENAS, STATE, BUFFERS = ("tl_arena", "tl_upper"), "tl_state", ("tl_input", "tl_output")
LIBRARIES = ("firmware/port/cortex_m/memory.o", ".a(")
"""Object files, or a part of their names, of what generated code calls: memcpy and its kind, libgcc."""
VIRTUAL: dict[Core, str] = {"cortex-m3": "cortex-m3", "cortex-m4f": "cortex-m4"}
ROOM = 64 << 20
"""Bytes that each memory of the virtual board is taken to have when what does not fit is linked to be measured."""


class NetworkSizes(BaseModel):
    """Bytes that a network takes. The image has nothing but the network, its buffers and the start-up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code_bytes: int
    """The network's functions, kernels among them, and what they call of libraries."""
    constant_bytes: int
    """Weights, biases, multipliers and tables, as linked."""
    io_bytes: int
    """The buffers of inputs and outputs, which the caller owns."""
    state_bytes: int
    """What a sequence model carries from run to run."""
    static_bytes: int
    """All static RAM of the image but the arena: inputs, outputs, state, and the few words of the start-up."""
    arena_bytes: int
    stack_bound_bytes: int
    """The deepest chain of calls from reset on, from gcc's frames and the calls of the linked image."""
    image_flash_bytes: int
    """All that is written to flash."""
    image_ram_bytes: int
    """static_bytes + arena_bytes + stack_bound_bytes."""


@dataclass(frozen=True)
class NetworkImage:
    """An image of a network; `problems` says why it does not fit the board, and is empty when it does."""

    elf: Path
    sizes: NetworkSizes
    stack: StackBound
    problems: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the board can hold and run it."""
        return not self.problems


def build_network(
    generated: Path, board: Board, work: Path, optimise: Optimise = "O2", extras: Extras | None = None
) -> NetworkImage:
    """Compile and link a network with its harness into the empty directory `work`.

    Args:
        generated: what compile_tflite and add_harness wrote.
        optimise: for the network; the start-up is always built for size.
        extras: headers and libraries of a back end.
    Raises:
        BuildError: no compiler, or C that does not compile. What does not fit is no error: it is linked for the
            virtual board of the same core and measured there.
    """
    generated = generated.resolve()
    sources = model_sources(generated) | {HARNESS: generated / "harness.c"}
    return link_network(sources, generated, board, work, optimise, extras)


def link_network(
    network: Mapping[str, Path],
    headers: Path,
    board: Board,
    work: Path,
    optimise: Optimise,
    extras: Extras | None = None,
) -> NetworkImage:
    """Link C that is not of add_harness with the start-up of `tinyloc run`.

    Args:
        network: object name -> C file, all below `generated/`. A function tl_model_run is measured; tl_input, tl_output
            and tl_arena are its buffers.
        headers: directory of harness.h, which declares what firmware/run/main.c calls.
        board, work, optimise, extras: as in build_network.

    Raises:
        BuildError: no compiler, or C that does not compile.
    """
    compiler, work = find_compiler(), work.resolve()
    sources = {source_name(path): path for path in firmware_sources(board, PROGRAM)} | dict(network)
    problems: list[str] = []
    try:
        compile_and_link(compiler, work, sources, headers, board, optimise, extras)
    except OverflowingImage as overflow:
        problems += overflow.regions
        roomy = _roomy(board)
        sources = {source_name(path): path for path in firmware_sources(roomy, PROGRAM)} | dict(network)
        compile_and_link(compiler, work, sources, headers, roomy, optimise, extras)
    elf = work / "firmware.elf"
    stack = stack_bound(load_image(elf), frames_of(stack_usage(work)))
    if stack.bytes > board.build.stack_bytes:
        problems.append(f"the stack may use {stack.bytes} bytes, {board.name} reserves {board.build.stack_bytes}")
    return NetworkImage(elf, measure(elf, work / "firmware.map", stack), stack, tuple(problems))


def _roomy(board: Board) -> Board:
    """The virtual board of the same core, with more memory still."""
    virtual = load_board(VIRTUAL[board.core])
    return virtual.model_copy(
        update={"memory": [memory.model_copy(update={"size": ROOM}) for memory in virtual.memory]}
    )


def measure(elf: Path, map_file: Path, stack: StackBound) -> NetworkSizes:
    """Measure a linked image in bytes: functions and constants by the object files of the map, RAM by the symbols."""
    pieces = read_pieces(map_file)

    def placed(kind: str, *sources: str) -> int:
        return sum(p.size for p in pieces if p.section.startswith(kind) and _of(p, sources))

    ram = {symbol.name: symbol.size for symbol in read_symbols(elf) if symbol.memory == "ram"}
    static = sum(s.size for s in read_sections(elf) if s.writable and s.name != STACK_SECTION)
    arena = sum(ram.get(name, 0) for name in ARENAS)
    return NetworkSizes(
        code_bytes=placed(".text", NETWORK, *LIBRARIES),
        constant_bytes=placed(".rodata", NETWORK),
        io_bytes=sum(size for name, size in ram.items() if name.startswith(BUFFERS)),
        state_bytes=ram.get(STATE, 0),
        static_bytes=static - arena,
        arena_bytes=arena,
        stack_bound_bytes=stack.bytes,
        image_flash_bytes=flash_bytes(elf),
        image_ram_bytes=static + stack.bytes,
    )


def _of(piece: Piece, sources: tuple[str, ...]) -> bool:
    return any(source in piece.source for source in sources) and not piece.source.startswith(HARNESS)
