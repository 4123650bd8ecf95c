"""Flash and RAM by what takes them: every byte once, and the parts where they belong."""

import itertools
import shutil
from pathlib import Path

import pytest

from tinyloc.boards import load_board
from tinyloc.device.build import build_firmware
from tinyloc.device.emulator.image import ImageError, load_image
from tinyloc.device.footprint import (
    FootprintError,
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
    held, left, ring, places = 5 * 2, 5, 4 * 3 * 2, 2 + 2
    assert held + left + ring + places <= ram.localiser <= held + left + ring + places + 3
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
