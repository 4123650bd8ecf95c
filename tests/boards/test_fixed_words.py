"""The words that a part needs in its flash: what board.toml says, what the build writes, what is refused."""

import shutil
from pathlib import Path

import pytest

from tinyloc.boards import FixedWords, board_names, load_board
from tinyloc.boards.fixed import fixed_problems
from tinyloc.device.image.build import BuildError, build_firmware, fixed_source, memory_script
from tinyloc.device.image.footprint import flash_content, read_sections, read_symbols

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"
needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


def crc32_msb_first(data: bytes) -> int:
    """CRC-32, polynomial 0x04C11DB7, start all ones, not reflected, no final inversion."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C1_1DB7 if crc >> 31 else crc << 1) & 0xFFFF_FFFF
    return crc


def test_the_crc_of_the_aducm_key_is_right():
    assert crc32_msb_first(b"123456789") == 0x0376_E6E7, "CRC-32/MPEG-2, as catalogues give it"
    (block, _) = load_board("aducm3029").fixed
    assert (block.base, block.size) == (0x180, 32)
    assert block.words[4] == crc32_msb_first(block.content[:16])


def test_the_cc2650_stays_open_and_valid():
    (ccfg,) = load_board("cc2650").fixed
    word = {ccfg.base + 4 * i: value for i, value in enumerate(ccfg.words)}
    assert ccfg.base + ccfg.size == 0x2_0000
    assert word[0x1_FFEC] == 0, "image valid"
    assert word[0x1_FFDC] == 0xFFFF_FFFF, "erasing allowed"
    assert word[0x1_FFE4] & 0x00FF_00FF == 0x00C5_00C5, "debugger allowed"
    assert word[0x1_FFD8] >> 24 == 0xC5 and word[0x1_FFD8] & 0xFF == 0xC5, "serial loader allowed"
    assert word[0x1_FFB0] >> 2 & 1, "the port makes the VIMS memory cache"


@pytest.mark.parametrize("name", board_names())
def test_fixed_words_lie_in_the_flash_apart(name):
    board = load_board(name)
    flash = board.region("flash")
    ends = 0
    for block in sorted(board.fixed, key=lambda block: block.base):
        assert block.base % 4 == 0
        assert flash.base + ends <= block.base < block.base + block.size <= flash.base + flash.size
        ends = block.base + block.size


BLOCK = FixedWords(name="key", base=0x100, words=[0x11223344, 0xFFFFFFFF], why="it says so")
BLANK = FixedWords(name="end", base=0x1FC, words=[0xFFFFFFFF], why="it says so")
BOARD = load_board("stm32l4").model_copy(update={"fixed": [BLOCK, BLANK]})
GOOD = bytes.fromhex("44332211")


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ([(0x100, GOOD)], []),
        ([(0xFE, b"ab" + GOOD + b"\xff\xff")], []),
        ([(0x102, GOOD[2:]), (0x100, GOOD[:2])], []),
        ([], ["key (0x100, 8 bytes) is missing: it says so"]),
        ([(0x100, GOOD + b"\0")], ["key (0x100, 8 bytes) holds 0xffffff00 at 0x104, must be 0xffffffff: it says so"]),
        ([(0x100, GOOD), (0x1F0, bytes(16))],
         ["end (0x1fc, 4 bytes) holds 0x00000000 at 0x1fc, must be 0xffffffff: it says so"]),
        ([(0x100, GOOD), (0x200, bytes(16))], []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_image(segments, told):
    assert fixed_problems(BOARD, segments) == told


def test_the_linker_gets_the_flash_without_its_end():
    script = memory_script(load_board("cc2650"))
    assert "FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 0x1FFA8" in script
    assert "FIXED_CCFG (r) : ORIGIN = 0x0001FFA8, LENGTH = 0x58" in script
    script = memory_script(load_board("aducm3029"))
    assert "FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 0x3FFFC" in script
    assert "RAM2 (rw) : ORIGIN = 0x20040000, LENGTH = 0x8000" in script
    assert "FIXED" not in script
    assert "page_crc" not in fixed_source(load_board("aducm3029"))


@needs_compiler
@pytest.mark.parametrize("name", ["aducm3029", "cc2650"])
def test_the_image_holds_them_and_blank_bytes_between(name, tmp_path):
    board = load_board(name)
    build = build_firmware(FIXTURES / "dense_int16", board, tmp_path / "build")
    assert fixed_problems(board, flash_content(build.elf)) == []
    data = build.bin.read_bytes()
    written = [block for block in board.fixed if not block.blank]
    for block in written:
        assert data[block.base : block.base + block.size] == block.content
    if name == "aducm3029":
        assert data[0x40:0x180] == b"\xff" * 0x140
    else:
        assert set(data[build.sizes.flash : 0x1FFA8]) == {0xFF}
        assert len(data) == 0x2_0000


@needs_compiler
def test_a_script_that_forgets_them_is_told(tmp_path):
    board = load_board("stm32l4")
    block = BLOCK.model_copy(update={"base": 0x0800_0100})
    with pytest.raises(BuildError, match=r"stm32l4\.ld does not place the fixed words of the part: key .*it says so"):
        build_firmware(FIXTURES / "dense_int16", board.model_copy(update={"fixed": [block]}), tmp_path / "build")


@needs_compiler
@pytest.mark.parametrize("model", ["dense_int16", "sparse_int8"])
def test_no_object_crosses_the_banks_of_the_aducm(model, tmp_path):
    board = load_board("aducm3029")
    build = build_firmware(FIXTURES / model, board, tmp_path / "build")
    places = {section.name: section for section in read_sections(build.elf)}
    assert places[".bss2"].address == board.region("ram2").base, "the arena, which hibernation need not keep"
    assert places[".stack"].address == board.region("ram").base
    for section in places.values():
        end = section.address + section.size
        assert not section.writable or any(m.base <= section.address and end <= m.base + m.size for m in board.ram)
    arena = next(s for s in read_symbols(build.elf) if s.name == "tl_arena")
    assert arena.size <= places[".bss2"].size


@needs_compiler
def test_an_arena_over_one_bank_is_refused(tmp_path):
    generated = Path(shutil.copytree(FIXTURES / "dense_int16", tmp_path / "generated"))
    header = generated / "model.h"
    text = header.read_text()
    assert "tl_model_arena_t" in text
    header.write_text(text.replace("} tl_model_arena_t;", "uint8_t more[40000]; } tl_model_arena_t;"))
    with pytest.raises(BuildError, match=r"ram2 \(32768 bytes\) is exceeded by \d+ bytes(?s:.)*tl_arena"):
        build_firmware(generated, load_board("aducm3029"), tmp_path / "build")
