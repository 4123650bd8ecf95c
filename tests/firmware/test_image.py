"""What must hold of every image, read from the ELF: vectors, no heap, no recursion, no floats, bounded sizes."""

import itertools
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinyloc.boards import board_names, load_board
from tinyloc.device.image.build import build_firmware
from tinyloc.device.image.footprint import measure_flash, read_sections, read_symbols

FIXTURES = Path(__file__).parent / "fixtures"
MODELS = ("dense_int16", "sparse_int8")


IMAGES = list(itertools.product(board_names(), MODELS, ("Os", "O2")))

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module", params=IMAGES, ids="-".join)
def image(request, tmp_path_factory):
    """(board, build) of each board, fixture and optimisation level."""
    board_name, model, optimise = request.param
    board = load_board(board_name)
    out = tmp_path_factory.mktemp("image") / "build"
    return board, build_firmware(FIXTURES / model, board, out, optimise)


def call_graph(elf: Path) -> dict[str, set[str]]:
    """Function -> functions it calls or jumps to, from the disassembly.

    Calls through pointers are not in it: the firmware has one, tl_cobs_send to the port's UART, which calls nothing.
    """
    text = subprocess.run(["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
    graph: dict[str, set[str]] = {}
    current = ""
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <([^>]+)>:", line):
            current = head[1]
            graph[current] = set()
        jump = re.search(r"\t(b|bl|b[a-z]{2})(?:\.[nw])?\t[0-9a-f]+ <([^>+]+)>", line)
        if jump and (jump[1] == "bl" or jump[2] != current):  # a plain jump to its own start is a loop
            graph[current].add(jump[2])
    return graph


def symbol_address(elf: Path, name: str) -> int:
    with elf.open("rb") as stream:
        (symbol,) = ELFFile(stream).get_section_by_name(".symtab").get_symbol_by_name(name)
        return int(symbol["st_value"])


def test_vector_table(image):
    board, build = image
    data = build.bin.read_bytes()
    flash, ram = board.region("flash"), board.region("ram")
    vectors = struct.unpack_from("<16I", data)
    assert vectors[0] == ram.base + board.build.stack_bytes, "the stack is the first thing in RAM"
    assert vectors[0] % 8 == 0
    assert vectors[1] == symbol_address(build.elf, "tl_reset_entry")
    handlers = [v for v in vectors[1:] if v]
    assert len(handlers) == 10, "all exceptions of the architecture that exist, none of the reserved"
    assert all(v & 1 and flash.base <= v < flash.base + len(data) for v in handlers)
    assert set(vectors[2:]) - {0} == {symbol_address(build.elf, "tl_fault_entry")}


def test_no_heap_no_printing_no_floating_point(image):
    names = {symbol.name for symbol in read_symbols(image[1].elf)}
    foreign = re.compile(r"malloc|free|calloc|sbrk|printf|scanf|_[df](add|sub|mul|div)|_aeabi_[df]|[df]loat|impure")
    assert not {name for name in names if foreign.search(name)}


def test_no_recursion(image):
    graph = call_graph(image[1].elf)
    assert "tl_app_poll" in graph["main"], "the call graph is read right"

    def visit(name: str, path: tuple[str, ...]) -> None:
        for callee in graph.get(name, ()):
            assert callee not in path, " -> ".join((*path, callee))
            visit(callee, (*path, callee))

    for name in graph:
        visit(name, (name,))


def test_every_stack_frame_is_bounded_and_known(image):
    board, build = image
    frames = [line.split() for line in (build.elf.parent / "stack.txt").read_text().splitlines()]
    sizes = {function: int(size) for _, function, size in frames}
    assert {"main", "tl_localiser_sample", "tl_model_step"} <= sizes.keys()
    assert sum(sorted(sizes.values())[-6:]) < board.build.stack_bytes


def test_the_firmware_itself_is_small(image):
    board, build = image
    flash = measure_flash(build.elf, build.map)
    errata = 128 if board.facts.family == "nrf52" else 0  # of its start-up
    assert flash.localise + flash.link + flash.app + flash.library + flash.other <= 4096 + errata


def test_static_ram_of_the_firmware_is_small(image):
    _, build = image
    by_name = {s.name: s.size for s in read_symbols(build.elf) if s.memory == "ram"}
    model = sum(by_name.get(name, 0) for name in ("tl_localiser", "tl_arena", "received", "reply", "estimate"))
    assert build.sizes.static_ram - model <= 128


def test_stack_is_first_in_ram_and_nothing_runs_from_ram(image):
    board, build = image
    sections = {section.name: section for section in read_sections(build.elf)}
    assert sections[".stack"].address == board.region("ram").base
    with build.elf.open("rb") as stream:
        for segment in ELFFile(stream).iter_segments("PT_LOAD"):
            assert not (segment["p_flags"] & 1 and segment["p_flags"] & 2), "writable and executable"
