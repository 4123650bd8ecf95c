"""A cable pulled in the middle of a test set: emulated firmware behind pseudo-terminals, pyserial at the other end."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.pty_bridge import PtyBridge
from tinyloc.boards import load_board
from tinyloc.bundle.schema import MISSING_DBM, TestSet
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.collect_answers import collect
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link import persistent_port
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.persistent_port import PersistentPort
from tinyloc.device.link.serial_port import SerialPort
from tinyloc.device.link.transport import LinkError

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    board = load_board("stm32l4")
    return {
        path.name: build_firmware(path, board, tmp_path_factory.mktemp("image")).elf
        for path in FIXTURES.iterdir()
        if path.is_dir()
    }


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(persistent_port, "LOOK_S", 0.01)


def walks(inputs: int, lengths: tuple[int, ...] = (8, 30, 6)) -> TestSet:
    chance = np.random.default_rng(3)
    total = sum(lengths)
    rssi = chance.integers(-100, -30, (total, inputs)).astype(np.int8)
    rssi[chance.random(rssi.shape) < 0.4] = MISSING_DBM
    return TestSet(
        rssi_dbm=rssi,
        recording=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
        label=np.zeros(total, np.int32),
        position_m=np.zeros((total, 3), np.float32),
        float_scores=np.zeros((total, 3), np.float32),
        float_class=np.zeros(total, np.int32),
    )


def emulated(image: Path) -> EmulatedDevice:
    return EmulatedDevice(image, load_board("stm32l4"))


class Cable:
    """A board at the end of a cable that can be pulled; `plug` may bring another board."""

    def __init__(self, image: Path) -> None:
        self.bridge: PtyBridge | None = None
        self.plug(image)

    def plug(self, image: Path) -> None:
        self.bridge = PtyBridge(emulated(image)).__enter__()

    def pull(self) -> None:
        assert self.bridge is not None
        self.bridge.unplug()
        self.bridge = None

    def open(self) -> SerialPort:
        if self.bridge is None:
            raise LinkError("no such port")
        return SerialPort(self.bridge.port, 115_200)


def answers_with(cable: Cable, test_set: TestSet, at_sample: dict[int, str], images: dict[str, Path], said: list[str]):
    """Collect over the cable; before sample i it is pulled and the image `at_sample[i]` plugged in when missed."""
    waiting: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if waiting:
            cable.plug(images[waiting.pop()])

    def before(index: int) -> None:
        if index in at_sample:
            waiting.append(at_sample.pop(index))
            cable.pull()

    port = PersistentPort(cable.open, patience=20.0, tell=tell)
    client = DeviceClient(port, timeout=2.0)
    device = client.hello()
    try:
        return collect(client, test_set, device.classes, independent=False, before=before)
    finally:
        port.close()
        if cable.bridge is not None:
            cable.pull()


def test_the_evaluation_goes_on_when_the_board_is_back(images):
    test_set, said = walks(inputs=5), []
    plain = DeviceClient(emulated(images["dense_int16"]))
    expected = collect(plain, test_set, plain.hello().classes, independent=False)
    cable = Cable(images["dense_int16"])
    found = answers_with(cable, test_set, {20: "dense_int16", 40: "dense_int16"}, images, said)
    assert found.restarts == 2, "a board without its cable has no power"
    np.testing.assert_array_equal(found.class_index, expected.class_index)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert len(said) == 4 and "is gone" in said[0] and said[1].endswith("is back")


def test_another_board_at_the_same_cable_is_not_believed(images):
    with pytest.raises(LinkError, match=r"the board or image changed: now model [0-9a-f]{16}"):
        answers_with(Cable(images["dense_int16"]), walks(inputs=5), {20: "sparse_int8"}, images, [])


def test_a_board_that_stays_away_ends_it(images):
    cable = Cable(images["dense_int16"])
    port = PersistentPort(cable.open, patience=0.05)
    client = DeviceClient(port, timeout=2.0)
    client.hello()
    cable.pull()
    with pytest.raises(LinkError, match=r"did not come back within 0.05 s \(no such port\)"):
        client.reset()
    port.close()
