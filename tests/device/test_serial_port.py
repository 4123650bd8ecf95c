"""The serial code itself, on pseudo-terminals: the emulated firmware on one end, pyserial on the other."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import serial

from tests.pty_bridge import PtyBridge
from tests.scans import sample_row
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link import serial_port
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.serial_port import SerialPort, find_port
from tinyloc.device.link.transport import LinkError

FIXTURE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"


@pytest.fixture(scope="module")
def elf(tmp_path_factory) -> Path:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    return build_firmware(FIXTURE, load_board("stm32l4"), tmp_path_factory.mktemp("image")).elf


@pytest.fixture
def bridge(elf):
    with PtyBridge(EmulatedDevice(elf, load_board("stm32l4"))) as bridge:
        yield bridge
    assert bridge.error is None


def test_the_firmware_answers_through_pyserial(bridge):
    port = SerialPort(bridge.port, 115_200)
    client = DeviceClient(port, timeout=5.0)
    assert client.hello().board == "stm32l4"
    client.reset()
    scores = [sample_row(client, np.full(5, -50 - step, np.int8)).scores.tolist() for step in range(20)]
    assert len({tuple(row) for row in scores}) > 1
    client.reset()
    assert sample_row(client, np.full(5, -50, np.int8)).scores.tolist() == scores[0]
    assert client.counts.retries == 0
    port.close()


def test_the_rate_is_raised_through_pyserial(bridge):
    port = SerialPort(bridge.port, 115_200)
    client = DeviceClient(port, timeout=5.0)
    client.set_baud(921_600)
    assert port.baud == 921_600
    assert bridge.device.machine.part.uart.baud == pytest.approx(921_600, rel=0.02)
    client.reset()
    port.close()


def test_an_unplugged_board_is_told(bridge):
    port = SerialPort(bridge.port, 115_200)
    client = DeviceClient(port, timeout=0.05)
    client.timeout = 5.0
    client.hello()
    bridge.unplug()
    client.timeout = 0.01
    with pytest.raises(LinkError, match=r"port is gone|the device stopped answering"):
        client.hello()
    port.close()


def test_a_missing_port_lists_those_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(serial_port.list_ports, "comports", lambda: [SimpleNamespace(device="/dev/ttyX7")])
    with pytest.raises(LinkError, match=r"no such port; ports here: /dev/ttyX7"):
        SerialPort(str(tmp_path / "ttyACM9"), 115_200)


def test_a_busy_port_and_one_that_may_not_be_opened(tmp_path, monkeypatch):
    master, slave = os.openpty()
    name = os.ttyname(slave)
    first = SerialPort(name, 115_200)
    with pytest.raises(LinkError, match="another program uses this port"):
        SerialPort(name, 115_200)
    first.close()
    os.close(master)
    os.close(slave)

    def refuse(*args, **kwargs):
        raise serial.SerialException(13, "could not open port")

    monkeypatch.setattr(serial_port.serial, "Serial", refuse)
    file = tmp_path / "ttyACM0"
    file.touch()
    with pytest.raises(LinkError, match=r"permission denied; add yourself to the group"):
        SerialPort(str(file), 115_200)


def test_a_file_is_no_serial_port(tmp_path):
    file = tmp_path / "notes.txt"
    file.touch()
    with pytest.raises(LinkError, match="not usable as a serial port"):
        SerialPort(str(file), 115_200)


def test_the_board_is_found_by_its_usb_id(monkeypatch):
    board = load_board("stm32l4")
    ports = [SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None),
             SimpleNamespace(device="/dev/ttyACM1", vid=0x0483, pid=0x374B)]  # fmt: skip
    monkeypatch.setattr(serial_port.list_ports, "comports", lambda: ports)
    assert find_port(board) == "/dev/ttyACM1"
    ports.append(SimpleNamespace(device="/dev/ttyACM0", vid=0x0483, pid=0x374B))
    with pytest.raises(LinkError, match=r"more than one .*ttyACM0, /dev/ttyACM1"):
        find_port(board)
    del ports[1:]
    with pytest.raises(LinkError, match="no Nucleo-L432KC"):
        find_port(board)
