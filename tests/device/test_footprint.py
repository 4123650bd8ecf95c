"""Flash and RAM by what takes them: every byte once, and the parts where they belong."""

import itertools
import shutil
from pathlib import Path

import pytest

from tinyloc.boards import load_board
from tinyloc.device.emulator.image import ImageError, load_image
from tinyloc.device.image import footprint
from tinyloc.device.image.build import build_firmware
from tinyloc.device.image.footprint import (
    FootprintError,
    Section,
    flash_bytes,
    largest_symbols_table,
    measure_flash,
    measure_ram,
    read_pieces,
    read_sections,
    read_symbols,
    static_ram_bytes,
    type_size,
)

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("footprint")
    board = load_board("stm32l4")
    return {name: build_firmware(FIXTURES / name, board, directory / name) for name in ("dense_int16", "sparse_int8")}


@pytest.mark.parametrize("name", ["dense_int16", "sparse_int8"])
def test_parts_of_the_flash_add_up_to_what_is_written(builds, name):
    build = builds[name]
    flash = measure_flash(build.elf, build.map)
    parts = flash.weights + flash.kernels + flash.localise + flash.link + flash.app + flash.library + flash.other
    assert parts == flash.total == flash_bytes(build.elf) == build.bin.stat().st_size


def test_constants_of_the_model_are_weights(builds):
    build = builds["dense_int16"]
    flash = measure_flash(build.elf, build.map)
    table, weights, transitions = 256 * 2, 5 * 3, 4 * (9 + 3 + 3)
    assert table + weights + transitions <= flash.weights <= table + weights + transitions + 3


def test_every_function_lies_in_one_piece(builds):
    build = builds["dense_int16"]
    pieces = read_pieces(build.map)
    for section in read_sections(build.elf):
        own = sorted((p for p in pieces if p.output == section.name), key=lambda p: p.address)
        for before, after in itertools.pairwise(own):
            assert before.address + before.size <= after.address
    sources = {s.name: s.source for s in read_symbols(build.elf, build.map)}
    assert sources["tl_crc16"] == "firmware/link/crc16.o"
    assert sources["tl_viterbi_mode"] == "firmware/localise/viterbi.o"
    assert sources["tl_model_step"] == "generated/model.o"
    assert sources["tl_weights"] == "generated/weights.o"
    assert sources["tl_localiser"] == "firmware/app/app.o"


def test_ram(builds):
    build = builds["dense_int16"]
    ram = measure_ram(build.elf, stack_bytes=333, stack_reserved=2048)
    assert (ram.arena, ram.state, ram.stack, ram.stack_reserved) == (12, 12, 333, 2048)
    held, left, ring, places, margin = 5 * 2, 5, 4 * 3 * 2, 2 + 2, 4
    least = held + left + ring + places + margin
    assert least <= ram.localiser <= least + 3
    assert ram.arena + ram.state + ram.localiser + ram.static == static_ram_bytes(build.elf)
    assert ram.total == ram.arena + ram.state + ram.localiser + ram.stack + ram.static


def test_a_model_without_state_takes_none(builds):
    build = builds["sparse_int8"]
    ram = measure_ram(build.elf, stack_bytes=0)
    assert ram.state == 0
    assert 40 * 4 <= ram.localiser <= 40 * 4 + 8  # all access points may be heard
    assert ram.arena + ram.localiser + ram.static == ram.total == static_ram_bytes(build.elf)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_a_truncated_image_is_told(builds, tmp_path, share):
    whole = builds["dense_int16"].elf.read_bytes()
    cut = tmp_path / "firmware.elf"
    cut.write_bytes(whole[: int(len(whole) * share)])
    told = r"firmware\.elf: .*(`tinyloc build`|build the firmware)"
    for read in (flash_bytes, read_symbols, lambda elf: type_size(elf, "tl_model_state_t"), load_image):
        with pytest.raises((FootprintError, ImageError), match=told):
            read(cut)


def test_size_of_a_type(builds):
    assert type_size(builds["dense_int16"].elf, "tl_model_state_t") == 12
    assert type_size(builds["sparse_int8"].elf, "tl_model_state_t") == 1
    assert type_size(builds["sparse_int8"].elf, "no_such_type_t") == 0


def test_largest_symbols(builds):
    build = builds["dense_int16"]
    symbols = read_symbols(build.elf, build.map)
    lines = largest_symbols_table(symbols, "flash", count=3).splitlines()
    assert len(lines) == 3
    sizes = [int(line.split()[0]) for line in lines]
    assert sizes == sorted(sizes, reverse=True)
    assert any("tl_rssi_table  (generated/weights.o)" in line for line in lines)
    assert "tl_rssi_table" not in largest_symbols_table(symbols, "ram")


def test_the_map_of_another_image_is_refused(builds):
    with pytest.raises(FootprintError, match="is not the map of"):
        measure_flash(builds["sparse_int8"].elf, builds["dense_int16"].map)


MERGED_MAP = """
Linker script and memory map

.text           0x08000040       0xa0
 *(.text .text.*)
 .text.tl_model_step
                0x08000040       0x40 generated/model.o
 *(.rodata .rodata.*)
 .rodata.tl_tflm_model.str1.1
                0x08000080        0xd generated/model.o
                                 0x1f (size before relaxing)
 .rodata.str1.4
                0x08000090       0x2c /lib/libc.a(lib_a-strerror.o)
 .rodata.str1.4
                0x080000a0       0x2c /lib/libm.a(lib_a-wf_log.o)
                                  0x1 (size before relaxing)
 .rodata.cst8   0x080000a0        0x8 /lib/libm.a(lib_a-k_sin.o)
                                 0x10 (size before relaxing)
 .rodata.tl_weights
                0x080000a8       0x10 generated/weights.o
 .rodata.str1.1
                0x080000c0       0x40 firmware/app/app.o
 .rodata.str1.4
                0x080000e0       0x2c /lib/libm.a(lib_a-wf_exp.o)
                                  0x1 (size before relaxing)
                0x0800010c                        . = ALIGN (0x4)

.glue_7         0x080000e0        0x0
"""
"""As GNU ld 2.39 writes it: merged strings overlap their neighbours and run over the end of .text."""


def test_strings_that_the_linker_merged_end_at_the_next_piece(tmp_path, monkeypatch):
    file = tmp_path / "firmware.map"
    file.write_text(MERGED_MAP)
    text = Section(".text", 0x08000040, 0xA0, writable=False, loaded=True)
    monkeypatch.setattr(footprint, "read_sections", lambda elf: [text])
    assert [(piece.section, piece.size) for piece in read_pieces(file)] == [
        (".text.tl_model_step", 0x40),
        (".rodata.tl_tflm_model.str1.1", 0xD),
        (".rodata.str1.4", 0x10),
        (".rodata.cst8", 0x8),
        (".rodata.tl_weights", 0x10),
        (".rodata.str1.1", 0x20),
    ]
    flash = measure_flash(tmp_path / "firmware.elf", file)
    assert (flash.kernels, flash.weights, flash.library, flash.app) == (0x40, 0xD + 0x10, 0x10 + 0x8, 0x20)
    assert (flash.other, flash.total) == (0x3 + 0x8, 0xA0)  # alignment, and what no piece tells of


@pytest.mark.parametrize(
    ("found", "claimed"),
    [
        ("0x080000a8       0x10 gen", "0x080000a8       0x60 gen"),  # code and constants that are too much
        ("0x080000e0       0x2c /lib", "0x080000e4       0x2c /lib"),  # strings that begin outside
        (".rodata.str1.1\n                0x080000c0", ".rodata.strings\n                0x080000c0"),
    ],
)
def test_only_merged_strings_may_overlap(tmp_path, monkeypatch, found, claimed):
    file = tmp_path / "firmware.map"
    assert found in MERGED_MAP
    file.write_text(MERGED_MAP.replace(found, claimed))
    text = Section(".text", 0x08000040, 0xA0, writable=False, loaded=True)
    monkeypatch.setattr(footprint, "read_sections", lambda elf: [text])
    with pytest.raises(FootprintError, match=r"is not the map of .* \(\.text differs\); build again"):
        measure_flash(tmp_path / "firmware.elf", file)


def test_files_that_are_no_image(tmp_path):
    with pytest.raises(FootprintError, match="no such file"):
        flash_bytes(tmp_path / "firmware.elf")
    (tmp_path / "firmware.elf").write_text("hello")
    with pytest.raises(FootprintError, match="not an ELF"):
        flash_bytes(tmp_path / "firmware.elf")
    with pytest.raises(FootprintError, match="no map file"):
        read_pieces(tmp_path / "firmware.map")
    (tmp_path / "firmware.map").write_text("hello")
    with pytest.raises(FootprintError, match="not a map file"):
        read_pieces(tmp_path / "firmware.map")
