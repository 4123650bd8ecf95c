"""The bound of the stack: frames and calls as they are, and never below what the painted stack tells."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.scans import sample_row
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.lowering.harness import add_harness
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.image import load_image
from tinyloc.device.image.build import build_firmware, read_record, stack_usage
from tinyloc.device.image.stack import StackError, frames_of, stack_bound
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.network_image import build_network

Compile = Callable[..., Path]
FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"
WORD_OF_PADDING = 8
"""Bytes of a frame that the code need not touch: gcc keeps the stack aligned to 8."""

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

CHAIN = """
NOIPA void leaf(volatile char *p) { p[0] = 1; }
NOIPA void small(void) { volatile char room[16]; leaf(room); }
NOIPA void large(void) { volatile char room[200]; leaf(room); }
NOIPA void through(void (*call)(void)) { volatile char room[32]; leaf(room); call(); }
void start(void) { uart_on(); small(); through(small); through(large); for (;;) get(); }
"""


def test_the_deepest_chain_is_found_also_through_pointers(firmware: Compile) -> None:
    image = load_image(firmware(CHAIN))
    frames = {"start": 8, "small": 24, "large": 208, "through": 40, "leaf": 0}
    bound = stack_bound(image, frames, "start")
    assert bound.bytes == 8 + 40 + 208
    assert [name for name, _ in bound.chain][:3] == ["start", "through", "large"]


def test_frames_of_functions_without_a_record_come_from_their_code(firmware: Compile) -> None:
    """gcc's own record of the same functions is the check."""
    elf = firmware(CHAIN)
    reported = {"small": 24, "large": 208, "through": 40}
    for name, size in reported.items():
        alone = stack_bound(load_image(elf), {"leaf": 0}, name)
        assert alone.chain[0] == (name, size), name


def test_recursion_has_no_bound(firmware: Compile) -> None:
    source = """
    NOIPA int down(int n) { return n ? down(n - 1) + 1 : 0; }
    void start(void) { uart_on(); down((int)get()); for (;;) get(); }
    """
    with pytest.raises(StackError, match="recursion: start -> down -> down"):
        stack_bound(load_image(firmware(source, optimise="-O0")), {}, "start")


def test_names_of_clones_and_equal_names() -> None:
    usage = ["a.c layer 16", "b.c layer.constprop.0 40", "c.c other 8"]
    assert frames_of(usage) == {"layer": 40, "other": 8}


@pytest.mark.parametrize("board_name", ["cortex-m4", "cortex-m3"])
def test_the_painted_stack_of_networks(board_name: str, tmp_path: Path) -> None:
    """All kinds of products in one network: the bound holds, and is what was used but for padding."""
    from tests.codegen.test_kernels_on_arm import everything

    board = load_board(board_name)
    manifest = compile_tflite(everything("int8").write(tmp_path / "m.tflite"), tmp_path / "generated")
    add_harness(tmp_path / "generated", manifest)
    (tmp_path / "build").mkdir()
    image = build_network(tmp_path / "generated", board, tmp_path / "build")
    sample = [np.full(a.shape, 77, a.element) for a in manifest.inputs]
    used = run_network(image.elf, board, manifest, [sample]).stack_bytes
    assert used <= image.stack.bytes <= used + WORD_OF_PADDING * len(image.stack.chain)
    assert image.stack.chain[0][0] == "tl_reset_entry"
    assert image.stack.bytes == sum(size for _, size in image.stack.chain)
    reported = frames_of(stack_usage(tmp_path / "build"))
    beyond = {name: size - reported[name] for name, size in image.stack.chain if name in reported}
    assert set(beyond.values()) <= {
        0,
        WORD_OF_PADDING,
        2 * WORD_OF_PADDING,
    }  # gcc leaves arguments out that the code pushes for a call


@pytest.mark.parametrize("board_name", ["stm32l4", "cc2650"])
def test_the_painted_stack_of_the_firmware(board_name: str, tmp_path: Path) -> None:
    board = load_board(board_name)
    build = build_firmware(FIXTURES / "dense_int16", board, tmp_path / "build")
    bound = read_record(tmp_path / "build").stack_bound_bytes
    client = DeviceClient(EmulatedDevice(build.elf, board))
    client.hello()
    client.reset()
    used = max(sample_row(client, np.full(5, -60, np.int8)).stack_high_water for _ in range(3))
    assert bound is not None and used <= bound < board.build.stack_bytes
