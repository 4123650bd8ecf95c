"""The fault handler, run in the emulator: the core's exception entry is imitated, the handler is the image's own."""

import shutil
import struct
from pathlib import Path

import pytest
from cobs import cobs
from elftools.elf.elffile import ELFFile
from unicorn.arm_const import UC_ARM_REG_SP

from tests.firmware.host_device import ERROR, HELLO, frame
from tinyloc.boards import Board, board_names, load_board
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.image.build import build_firmware

FIXTURES = Path(__file__).parent / "fixtures"
STACK_START = 0x2000_0000  # of every board
PC, LR = 0x0800_0ABC, 0x0800_0123

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module", params=board_names())
def board(request):
    return load_board(request.param)


@pytest.fixture(scope="module")
def elf(board, tmp_path_factory):
    assert board.region("ram").base == STACK_START
    return build_firmware(FIXTURES / "dense_int16", board, tmp_path_factory.mktemp("fault") / "build").elf


def handler(elf: Path) -> int:
    with elf.open("rb") as stream:
        (symbol,) = ELFFile(stream).get_section_by_name(".symtab").get_symbol_by_name("tl_fault_entry")
        return int(symbol["st_value"])


def fault_at(elf: Path, board: Board, stack_pointer: int | None) -> tuple[list[bytes], Machine]:
    """Boot, take a fault with the stack at that address (None: where it is), and read what is sent."""
    machine = Machine(elf, board)
    machine.run()
    uart, uc = machine.part.uart, machine._uc
    pushed = struct.pack("<8I", 0, 1, 2, 3, 12, LR, PC, 1 << 24)
    top = uc.reg_read(UC_ARM_REG_SP) if stack_pointer is None else stack_pointer
    if top - len(pushed) >= STACK_START:
        uc.mem_write(top - len(pushed), pushed)
    uc.reg_write(UC_ARM_REG_SP, top - len(pushed))
    machine._pc = handler(elf)
    uart.sent.clear()
    machine.run()
    sent = [cobs.decode(part) for part in bytes(uart.sent).split(b"\0") if part]
    uart.sent.clear()
    return sent, machine


@pytest.mark.parametrize(
    ("stack_pointer", "pc", "lr"),
    [
        pytest.param(None, PC, LR, id="in the main loop"),
        pytest.param(STACK_START + 64, PC, LR, id="with the stack nearly full"),
        pytest.param(STACK_START - 8, 0, 0, id="after a stack overflow, when nothing could be pushed"),
    ],
)
def test_a_fault_is_told_and_the_device_restarts(elf, board, stack_pointer, pc, lr):
    (told,), machine = fault_at(elf, board, stack_pointer)
    version, kind, seq, code, _, told_pc, told_lr = struct.unpack_from("<BBHBIII", told)
    assert (version, kind, seq, code) == (2, ERROR, 0, 12)
    assert (told_pc, told_lr) == (pc, lr)

    machine.part.uart.received += frame(HELLO, 5)
    machine.run()
    (hello,) = [cobs.decode(part) for part in bytes(machine.part.uart.sent).split(b"\0") if part]
    assert hello[1] == 0x81
    assert hello[4 + 23] == 3, "reset cause: software"
