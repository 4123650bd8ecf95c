"""The fuzzers' frames into real images on emulated boards: strict memory, no runaway, the answers of the host's build.

Floating point of the fusion rounds otherwise on the boards: of a FIX the head is compared, and that it can be true.
"""

from pathlib import Path

import pytest
from cobs import cobs

from tests.firmware.fuzz_build import FUSIONS, compile_fuzzer, exchanges
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.fusion.fusion_client import parse_fix
from tinyloc.device.fusion.fusion_image import build_fusion
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.frames import Message

HELLO, RESULT, FIX, IMU = (int(kind) for kind in (Message.HELLO_REPLY, Message.RESULT, Message.FIX, Message.IMU_REPLY))
HEAD = 4


def payloads(wire: bytes) -> list[bytes]:
    return [cobs.decode(part)[:-2] for part in wire.split(b"\0") if part]


def comparable(payload: bytes) -> bytes:
    """Without cycles and stack, which are the board's own, and without what HELLO says of the board."""
    if payload[1] == HELLO:
        return payload[:HEAD]
    if payload[1] == RESULT:
        return payload[: HEAD + 9] + payload[HEAD + 15 :]
    if payload[1] in (FIX, IMU):
        return payload[:HEAD]
    return payload


@pytest.mark.parametrize("count", [600, pytest.param(100_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("target", "board"), [("house", "stm32l4"), ("scan", "cc2650"), ("steered", "stm32l4")])
def test_a_board_answers_as_the_host_s_build(target: str, board: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    program = compile_fuzzer(target, tmp_path / "host", "fast")
    generated = tmp_path / "host" / "generated"
    if target in FUSIONS:
        (tmp_path / "image").mkdir()
        elf = build_fusion(generated, load_board(board), tmp_path / "image", "Os").elf
    else:
        elf = build_firmware(generated, load_board(board), tmp_path / "image").elf
    device = EmulatedDevice(elf, load_board(board))
    fixes = 0
    for number, (sent, answer) in enumerate(exchanges(program, 7, tmp_path / "record")[:count]):
        expected = payloads(answer)
        if expected and expected[0][1] == Message.BAUD_REPLY:
            continue  # the rate stays
        device.write(sent)
        found = payloads(device.read(0.0))
        assert [comparable(p) for p in found] == [comparable(p) for p in expected], number
        if found and found[0][1] == FIX:
            parse_fix(found[0][HEAD:])  # every number is finite, no flag or variance that cannot be
            fixes += 1
    assert fixes > 50 or target not in FUSIONS
