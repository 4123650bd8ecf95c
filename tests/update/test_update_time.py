"""How long an update takes: modelled cycles, modelled flash, and the bytes that cross the wire at 115200 baud."""

import pytest

from tests.update.two_models import NEW, two_models
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.update.client import send_update

BITS = 10
"""On the wire for a byte of 8N1."""
BAUD = 115200
ALLOWED = 1.1


class CountingDevice(EmulatedDevice):
    """Counts the bytes of both directions."""

    moved = 0

    def write(self, data: bytes) -> None:
        self.moved += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        self.moved += len(data)
        return data


@pytest.mark.parametrize(
    "board",
    ["stm32l4", pytest.param("aducm3029", marks=pytest.mark.slow), pytest.param("cc2650", marks=pytest.mark.slow)],
)
def test_an_update_of_20_kb_takes_little_more_than_wire_and_flash(board: str) -> None:
    models, part = two_models(board, inputs=300, hidden=64), load_board(board)
    constants = models.constants[NEW]
    assert 19_000 < len(constants) < 23_000
    device = CountingDevice(models.image.elf, part, measure=True, check_alignment=False)
    client = DeviceClient(device)
    client.hello()
    machine = device.machine
    machine.flash.busy_s, device.moved, before = 0.0, 0, machine.cycles()
    send_update(client, models.headers[NEW], constants)
    core_s = (machine.cycles() - before) / part.clock.hz
    wire_s = device.moved * BITS / BAUD
    payload_s = len(constants) * BITS / BAUD
    flash_s = machine.flash.busy_s
    total_s = wire_s + flash_s + core_s
    print(f"{board}: {len(constants)} bytes: wire {wire_s:.3f} s (constants alone {payload_s:.3f}), "
          f"flash {flash_s:.3f} s, core {core_s:.3f} s, {total_s / (wire_s + flash_s):.3f} x")  # fmt: skip
    assert total_s <= ALLOWED * (wire_s + flash_s)
