"""How long an update takes: modelled cycles, modelled flash, and the bytes that cross the wire at 115200 baud."""

import functools
from dataclasses import dataclass

import pytest

from tests.update.two_models import NEW, two_models
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.key import SharedKey
from tinyloc.device.update.client import send_update

BITS = 10
"""On the wire for a byte of 8N1."""
BAUD = 115200
ALLOWED = 1.1
LEAST_THROUGHPUT = 0.9
LINK_KEY = SharedKey(bytes(range(1, 33)))
BOARDS = (
    "aducm3029", pytest.param("stm32l4", marks=pytest.mark.slow), pytest.param("cc2650", marks=pytest.mark.slow),
)  # fmt: skip
"""The slowest core first: it is in the fast tests."""


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


@dataclass(frozen=True)
class Time:
    """Of an update, in seconds; the core's is counted in full, though half of it passes while bytes are on the wire."""

    wire: float
    flash: float
    core: float

    @property
    def total(self) -> float:
        return self.wire + self.flash + self.core


@functools.cache
def time_of(board: str, link_key: SharedKey | None = None) -> Time:
    """Send 20 KB of constants."""
    models, part = two_models(board, inputs=300, hidden=64, link_key=link_key), load_board(board)
    constants = models.constants[NEW]
    assert 19_000 < len(constants) < 23_000
    device = CountingDevice(models.image.elf, part, measure=True, check_alignment=False)
    client = DeviceClient(device, key=link_key)
    client.hello()
    machine = device.machine
    machine.flash.busy_s, device.moved, before = 0.0, 0, machine.cycles()
    send_update(client, models.headers[NEW], constants)
    core_s = (machine.cycles() - before) / part.clock.hz
    return Time(device.moved * BITS / BAUD, machine.flash.busy_s, core_s)


@pytest.mark.parametrize("board", BOARDS)
def test_an_update_of_20_kb_takes_little_more_than_wire_and_flash(board: str) -> None:
    found = time_of(board)
    print(f"{board}: {found}, {found.total / (found.wire + found.flash):.3f} x")
    assert found.total <= ALLOWED * (found.wire + found.flash)


@pytest.mark.parametrize("board", BOARDS)
def test_an_update_with_tags_has_nine_tenths_of_the_throughput(board: str) -> None:
    plain, tagged = time_of(board), time_of(board, LINK_KEY)
    print(f"{board}: {tagged}, throughput with tags {plain.total / tagged.total:.3f} of that without")
    assert plain.total / tagged.total >= LEAST_THROUGHPUT
