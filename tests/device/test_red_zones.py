"""A checked image: a write past arena or state stops the emulator and names function, address and buffer."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.fake_model import DENSE_INT16, FakeReference
from tests.scans import sample_row
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.image.build import BuildResult, Extras, build_firmware, read_record
from tinyloc.device.link.client import DeviceClient

FIXTURE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"
BOARDS = ("stm32l4", "aducm3029", "nucleo_l476rg")

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

SPOIL = """
extern unsigned char tl_arena[], tl_localiser[];
__attribute__((noipa)) void culprit(volatile unsigned char *place, unsigned n);
__attribute__((noipa)) void culprit(volatile unsigned char *place, unsigned n) { place[n] = 1; }
__attribute__((noipa)) void culprit_many(volatile void *place);
__attribute__((noipa)) void culprit_many(volatile void *place) {
  __asm volatile("mov r3, %0\\n\\tstmdb r3!, {r0, r1}" :: "r"(place) : "r3", "memory");
}
"""
STEP = "void tl_model_step("


def build(board: str, out: Path, spoil: str = "", checked: bool = True) -> BuildResult:
    """The fixture, whose model runs `spoil` each time."""
    generated = out / "generated"
    shutil.copytree(FIXTURE, generated)
    path = generated / "model.c"
    before, _, step = path.read_text().partition(STEP)
    head, _, body = step.partition("{\n")
    path.write_text(f"{before}{SPOIL if spoil else ''}{STEP}{head}{{\n{spoil}\n{body}")
    return build_firmware(generated, load_board(board), out / "image", extras=Extras(red_zones=checked))


def ask(board: str, image: BuildResult, rows: int = 1) -> list[tuple[int, list[int]]]:
    client = DeviceClient(EmulatedDevice(image.elf, load_board(board)))
    client.hello()
    client.reset()
    sent = np.random.default_rng(5).integers(-100, -40, (rows, DENSE_INT16.inputs)).astype(np.int8)
    return [(answer.class_index, list(answer.scores)) for answer in (sample_row(client, row) for row in sent)]


@pytest.mark.parametrize("board", BOARDS)
def test_a_right_image_answers_as_ever(board: str, tmp_path: Path) -> None:
    reference = FakeReference(DENSE_INT16)
    reference.reset()
    sent = np.random.default_rng(5).integers(-100, -40, (20, DENSE_INT16.inputs)).astype(np.int8)
    assert ask(board, build(board, tmp_path), 20) == [reference.sample(row.tolist())[:2] for row in sent]


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        ("culprit(tl_arena, ARENA);", "behind tl_arena"),
        ("culprit(tl_arena, (unsigned)-1);", "before tl_arena"),
        ("culprit(tl_localiser, STATE + 31u);", "behind tl_localiser"),
        ("culprit_many(tl_localiser);", "before tl_localiser"),
    ],
)
@pytest.mark.parametrize("board", BOARDS)
def test_a_write_past_a_buffer_is_named(board: str, spoil: str, where: str, tmp_path: Path) -> None:
    sizes = _sizes(build(board, tmp_path / "right"))
    image = build(board, tmp_path / "wrong", spoil.replace("ARENA", f"{sizes['tl_arena']}u").replace(
        "STATE", f"{sizes['tl_localiser']}u"))  # fmt: skip
    with pytest.raises(EmulatorCrash, match=rf"write of \d+ bytes at 0x[0-9a-f]{{8}}, {where}") as caught:
        ask(board, image)
    assert caught.value.site.function.startswith("culprit")
    assert caught.value.site.instruction.startswith("st")


def test_without_red_zones_nobody_notices(tmp_path: Path) -> None:
    """What the checked image is for."""
    sizes = _sizes(build("stm32l4", tmp_path / "right"))
    image = build("stm32l4", tmp_path / "wrong", f"culprit(tl_arena, {sizes['tl_arena']}u);", checked=False)
    ask("stm32l4", image)


def _sizes(image: BuildResult) -> dict[str, int]:
    """Bytes of arena and state, from the zones around them."""
    symbols = EmulatedDevice(image.elf, load_board(read_record(image.elf.parent).board)).machine.image.symbols
    return {name: symbols[f"__red_zone_behind_{name}"] - symbols[name] for name in ("tl_arena", "tl_localiser")}
