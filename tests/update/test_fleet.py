"""A fleet behind pseudo-terminals whose cables drop: every device has the model in the end, and each is reported."""

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pty_bridge import PtyBridge
from tests.update.two_models import KEY, NEW, OLD, TwoModels, two_models
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.serial_port import SerialPort
from tinyloc.device.update.client import read_status
from tinyloc.device.update.fleet import DeviceReport, Fleet, ModelPackage, read_ports, update_fleet
from tinyloc.device.update.slot import UpdateError
from tinyloc.main import main


class LooseCable(EmulatedDevice):
    """An emulated board whose line loses whole bursts of bytes, in both directions, `drops` of a hundred."""

    drops = 0
    chance = random.Random(0)

    def write(self, data: bytes) -> None:
        super().write(b"" if self.chance.random() * 100 < self.drops else data)

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        return b"" if data and self.chance.random() * 100 < self.drops else data


def _run(models: TwoModels, count: int, drops: int, link_key: SharedKey | None = None) -> list[DeviceReport]:
    """Update a fleet twice: the second time every device has the model."""
    generated = models.generated[NEW]
    with ExitStack() as stack:
        devices = []
        for number in range(count):
            device = LooseCable(models.image.elf, models.found)
            device.drops, device.chance = drops, random.Random(number)
            devices.append(stack.enter_context(PtyBridge(device)))
        fleet = Fleet([bridge.port for bridge in devices], lambda port: SerialPort(port, 115200), link_key)
        package = ModelPackage(generated, KEY, 2)
        first = update_fleet(fleet, package, timeout=0.3)
        unreached = [report for report in first if not report.good]
        again = update_fleet(fleet, package, timeout=0.3)
        assert all(report.outcome == "had it" or report.port in {r.port for r in unreached} for report in again)
        for bridge in devices:
            assert bridge.error is None
            bridge.unplug()
            assert models.which(DeviceClient(_straight(bridge.device), key=link_key)) == NEW
        return again


def _straight(device: EmulatedDevice) -> EmulatedDevice:
    assert isinstance(device, LooseCable)
    device.drops = 0
    return device


def test_a_small_fleet_with_cables_that_drop() -> None:
    reports = _run(two_models("stm32l4"), 4, 8)
    assert [report.good for report in reports] == [True] * 4


def test_a_small_fleet_whose_frames_are_tagged() -> None:
    key = SharedKey(bytes(range(60, 92)))
    reports = _run(two_models("stm32l4", link_key=key), 2, 8, key)
    assert [report.good for report in reports] == [True] * 2


def test_a_device_that_asks_for_tags_is_refused_by_name_without_the_key() -> None:
    models = two_models("stm32l4", link_key=SharedKey(bytes(range(60, 92))))
    with PtyBridge(models.power_up()) as bridge:
        fleet = Fleet([bridge.port], lambda port: SerialPort(port, 115200))
        (report,) = update_fleet(fleet, ModelPackage(models.generated[NEW], KEY, 2))
        fleet = Fleet([bridge.port], lambda port: SerialPort(port, 115200), SharedKey(bytes(range(1, 33))))
        (other,) = update_fleet(fleet, ModelPackage(models.generated[NEW], KEY, 2))
    assert report.outcome == "refused" and "--link-key" in report.detail
    assert other.outcome == "refused" and "its key of the link is another" in other.detail


@pytest.mark.slow
def test_fifty_devices_with_cables_that_drop() -> None:
    reports = _run(two_models("stm32l4"), 50, 8)
    assert [report.good for report in reports] == [True] * 50


def test_what_a_device_refuses() -> None:
    models = two_models("stm32l4")
    with PtyBridge(models.power_up()) as bridge:
        fleet = Fleet([bridge.port], lambda port: SerialPort(port, 115200))
        (other_key,) = update_fleet(fleet, ModelPackage(models.generated[NEW], SharedKey(bytes(range(1, 33))), 2))
        assert other_key.outcome == "refused" and "tag is not of the device's key" in other_key.detail
        (same_version,) = update_fleet(fleet, ModelPackage(models.generated[NEW], KEY, 1))
        assert same_version.outcome == "refused" and "only --rollback goes back" in same_version.detail
        (done,) = update_fleet(fleet, ModelPackage(models.generated[NEW], KEY, 2))
        assert (done.outcome, done.version_before, done.version) == ("updated", 1, 2)
        (back,) = update_fleet(fleet, ModelPackage(models.generated[NEW], KEY, 2), rollback=True)
        assert (back.outcome, back.version_before, back.version) == ("went back", 2, 1)
        assert back.model_id == models.model_ids[OLD]


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    wide = two_models("stm32l4", 10)
    with PtyBridge(two_models("stm32l4").power_up()) as bridge:
        fleet = Fleet([bridge.port], lambda port: SerialPort(port, 115200))
        (report,) = update_fleet(fleet, ModelPackage(wide.generated[NEW], KEY, 2))
    assert report.outcome == "refused" and "code, kernels or capacities differ" in report.detail


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.small_bundle import small_bundle

    run, key = tmp_path / "run", tmp_path / "key"
    small_bundle(run / "bundle")
    key.write_text("".join(f"{byte:02x}" for byte in range(32)) + "\n")
    assert main(["codegen", str(run), "--updatable"]) == 0
    assert main(["build", str(run), "--key", str(key)]) == 0
    small_bundle(run / "bundle2", seed=9)
    from tinyloc.boards import load_board
    from tinyloc.device.image.build import load_build

    image = load_build(run / "firmware" / "stm32l4")
    assert "000102030405" not in (run / "firmware" / "stm32l4" / "build.json").read_text()
    (run / "bundle").rename(run / "old")
    (run / "bundle2").rename(run / "bundle")
    assert main(["codegen", str(run), "--updatable"]) == 0
    with PtyBridge(EmulatedDevice(image.elf, load_board("stm32l4"))) as bridge:
        ports = tmp_path / "ports"
        ports.write_text(f"# the hall\n{bridge.port}\n")
        command = ["update", str(run), "--key", str(key), "--model-version", "2"]
        assert main([*command, "--ports", str(ports), "--json", str(tmp_path / "report.json")]) == 0
        assert main(command) == 2  # no port
        assert main([*command, "--port", bridge.port]) == 0
        assert read_status(DeviceClient(SerialPort(bridge.port, 115200))).version == 2
    shown = capsys.readouterr().out
    assert "updated, version 1 -> 2" in shown and "had it, version 2 -> 2" in shown


def test_a_file_of_ports_is_checked(tmp_path: Path) -> None:
    ports = tmp_path / "ports"
    ports.write_text("/dev/a\n/dev/a\n")
    with pytest.raises(UpdateError, match="twice"):
        read_ports(ports)
    ports.write_text("# none\n")
    with pytest.raises(UpdateError, match="names no port"):
        read_ports(ports)


def test_the_key_is_in_no_text_of_its_own() -> None:
    secret = os.urandom(32)
    assert secret.hex() not in repr(SharedKey(secret)) and str(secret) not in repr(SharedKey(secret))
