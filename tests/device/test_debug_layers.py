"""--debug-layers: the first layer that differs is named, whatever made it differ."""

import shutil
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.small_bundle import small_bundle
from tinyloc import paths
from tinyloc.boards import Board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.debug_layers import Comparison, DebugError, compare_layers
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient, DeviceRefused

pytest.importorskip("ai_edge_litert", reason="tests make their TFLite files with its schema")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


class Run:
    """A bundle and its generated code; images are built as tests need them."""

    def __init__(self, directory: Path, board: Board, **options: object) -> None:
        self.directory, self.board = directory, board
        self.bundle = small_bundle(directory / "bundle", **options)
        self.generated = directory / "generated"
        self.manifest = compile_bundle(self.bundle, self.generated)

    def build(self, debug_layers: bool = True) -> Path:
        return build_firmware(self.generated, self.board, self.directory / "fw", debug_layers=debug_layers).elf

    def compare(self, elf: Path) -> Comparison:
        return compare_layers(self.bundle, self.generated, self.board, EmulatedDevice(elf, self.board))

    def layer(self, what: str) -> str:
        (name,) = (layer.name for layer in self.manifest.layers if what in layer.name)
        return name


@pytest.fixture
def run(tmp_path: Path, board: Board) -> Run:
    return Run(tmp_path, board)


def flip(elf: Path, symbol: str, at: int = 0) -> None:
    """Change one byte of a constant in the image."""
    with elf.open("r+b") as stream:
        file = ELFFile(stream)
        (entry,) = file.get_section_by_name(".symtab").get_symbol_by_name(symbol)
        section = file.get_section(entry["st_shndx"])
        place = section["sh_offset"] + entry["st_value"] - section["sh_addr"] + at
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 0x55]))


def test_an_image_that_is_right(run: Run) -> None:
    comparison = run.compare(run.build())
    assert comparison.equal and comparison.samples == 24
    assert comparison.text() == f"All {len(run.manifest.layers)} layers equal the host in 24 samples."


def test_a_sparse_model(tmp_path: Path, board: Board) -> None:
    """Its input is a list; 80 access points make the first layer sparse."""
    run = Run(tmp_path, board, inputs=80, recurrent=False)
    assert run.manifest.sparse
    elf = run.build()
    assert run.compare(elf).equal
    flip(elf, f"{run.layer('00')}_weights", at=9)
    found = run.compare(elf)
    assert found.first is not None and found.first.name == run.layer("00")


@pytest.mark.parametrize(("layer", "array"), [("00_fully", "blocks"), ("00_fully", "bias"), ("02_fully", "blocks")])
def test_one_corrupted_byte_of_the_image(run: Run, layer: str, array: str) -> None:
    elf = run.build()
    flip(elf, f"{run.layer(layer)}_{array}", at=1)
    found = run.compare(elf)
    assert found.first is not None
    assert found.first.name == run.layer(layer)
    (record,) = (each for each in run.manifest.layers if each.name == run.layer(layer))
    assert list(found.first.operators) == record.operators
    told = found.text()
    assert f"Sample {found.sample}: the first different layer is {run.layer(layer)} ({record.operators[0]})." in told
    assert "It writes" in told and "int8" in told
    assert layer.startswith("00") or "Also different: scores." in told


def test_a_patched_kernel(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that both layers call is wrong for the last channels only: those that four do not divide."""
    firmware = tmp_path / "firmware"
    shutil.copytree(paths.FIRMWARE_DIR, firmware)
    kernel = firmware / "kernels" / "tl_fully_connected_s8.h"
    text = kernel.read_text()
    head = "tl_fc_row_s8(int32_t sum, const int8_t *x, const int8_t *w, int32_t depth)\n{\n"
    assert head in text
    kernel.write_text(text.replace(head, f"{head}    sum += 4000;\n"))
    monkeypatch.setattr(paths, "FIRMWARE_DIR", firmware)
    found = run.compare(run.build())
    assert found.first is not None and found.first.name == run.layer("00_fully")  # 6 channels; the other layer has 4


def test_a_wrong_table_of_readings_is_the_input(run: Run) -> None:
    elf = run.build()
    for dbm in range(-100, -30):
        flip(elf, "tl_rssi_table", at=dbm + 128)
    found = run.compare(elf)
    assert found.first is not None and (found.sample, found.first.name) == (0, "input")


def test_a_plain_image_is_refused(run: Run) -> None:
    with pytest.raises(DebugError, match=r"does not send checksums.*--debug-layers"):
        run.compare(run.build(debug_layers=False))


def test_a_plain_image_has_nothing_of_it(run: Run) -> None:
    plain = run.build(debug_layers=False)
    assert b"tl_check" not in plain.read_bytes()
    client = DeviceClient(EmulatedDevice(plain, run.board))
    assert not client.hello().checks_layers
    with pytest.raises(DeviceRefused, match="does not know frame type 0x4"):
        client.layers()


def test_before_the_first_sample_there_are_none(run: Run) -> None:
    client = DeviceClient(EmulatedDevice(run.build(), run.board))
    assert client.hello().checks_layers
    assert client.layers() == []
