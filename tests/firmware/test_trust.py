"""A device for weeks on a bad line: much noise, a whole day, and resets at the worst moments."""

import dataclasses
import random
import shutil

import numpy as np
import pytest
from unicorn import UC_HOOK_CODE, Uc

from tests.firmware.fake_model import DENSE_INT16, MISSING, FakeReference
from tests.firmware.garbage import garbage
from tests.firmware.host_device import DENSE, RESET
from tests.scans import sample_row
from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient, DeviceRestarted
from tinyloc.device.link.frames import Message, Receiver, VersionError

DAY_AT_5_HZ = 24 * 3600 * 5


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    directory = tmp_path_factory.mktemp("trust")
    return build_firmware(DENSE_INT16.write(directory / "model"), load_board("stm32l4"), directory / "firmware").elf


@pytest.mark.slow
def test_a_million_frames_do_not_confuse_the_host():
    """What the host's receiver lets through has a right checksum; it never fails, and never keeps more than a frame."""
    receiver = Receiver()
    accepted = 0
    for seed in range(50):
        stream = garbage(random.Random(1000 + seed), 20_000, 5)
        for place in range(0, len(stream), 4096):
            try:
                found = receiver.feed(stream[place : place + 4096])
            except VersionError:  # a whole frame of another version is told, not swallowed
                continue
            accepted += len(found)
            assert all(isinstance(one.type, Message | int) and 0 <= one.seq <= 0xFFFF for one in found)
    assert 100_000 < accepted < 1_000_000
    assert receiver.spoilt > 100_000


def power_fails_once_at(device: EmulatedDevice, function: str) -> list[int]:
    """Cut the power when the function begins the next time; the list tells where it was cut."""
    machine, cut = device.machine, []
    start = machine.image.symbols[function] & ~1

    def fail(uc: Uc, address: int, size: int, _: object) -> None:
        if not cut:
            cut.append(address)
            machine._reset_cause = "power-on"
            uc.emu_stop()

    machine._uc.hook_add(UC_HOOK_CODE, fail, None, start, start)
    machine._uc.ctl_flush_tb()
    return cut


@pytest.mark.parametrize("place", ["tl_localiser_sample_dense", "tl_model_step", "tl_frame_parse", "tl_frame_send"])
def test_power_fails_inside_the_firmware(image, place):
    """Whatever the firmware was doing, the next recording is answered as by a device that was never disturbed."""
    device = EmulatedDevice(image, load_board("stm32l4"))
    client = DeviceClient(device)
    client.hello()
    client.reset()
    chance = random.Random(place)
    rows = [[chance.randint(-99, -30) if chance.random() < 0.7 else MISSING for _ in range(5)] for _ in range(8)]
    for row in rows[:5]:
        sample_row(client, np.array(row, np.int8))
    cut = power_fails_once_at(device, place)
    with pytest.raises(DeviceRestarted):
        for row in rows:
            sample_row(client, np.array(row, np.int8))
    assert len(cut) == 1
    assert client.hello().board == "stm32l4"
    client.reset()
    reference = FakeReference(DENSE_INT16)
    for row in rows:
        answer = sample_row(client, np.array(row, np.int8))
        assert (answer.class_index, answer.scores.tolist()) == reference.sample(row)


@pytest.mark.slow
def test_a_day_at_5_hz(make_device):
    """432,000 samples of one recording without a reset: no drift, no miss, over six wraps of the sequence number."""
    model = dataclasses.replace(DENSE_INT16)
    device, reference = make_device(model), FakeReference(model)
    chance = random.Random(24)
    device.ask(RESET, 0)
    decisions = 0
    for sample in range(1, DAY_AT_5_HZ + 1):
        row = [chance.randint(-100, -30) if chance.random() < 0.5 else MISSING for _ in range(model.inputs)]
        reply = device.ask(DENSE, sample & 0xFFFF, bytes(value & 0xFF for value in row))
        result = device.result(reply, 16)
        reference.rows = reference.rows[-model.hold - 2 :]
        assert (result.class_index, result.scores) == reference.sample(row), sample
        decisions += result.class_index >= 0
    assert decisions == (DAY_AT_5_HZ - model.window) // model.hop + 1
