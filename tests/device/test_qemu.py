"""The virtual boards in QEMU: an independent machine gives the same answers over a pseudo-terminal."""

import re
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.fake_model import DENSE_INT16, FakeReference
from tests.scans import sample_row
from tinyloc.boards import load_board
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link import qemu as module
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.qemu import QemuDevice, qemu_command
from tinyloc.device.link.transport import LinkError
from tinyloc.main import main

FIXTURE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@needs_qemu
@needs_gcc
@pytest.mark.parametrize("name", ["cortex-m3", "cortex-m4"])
def test_qemu_gives_the_answers_of_the_reference(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    elf = build_firmware(FIXTURE, board, tmp_path / "image").elf
    rows = np.random.default_rng(5).integers(-100, -40, (40, DENSE_INT16.inputs)).astype(np.int8)
    reference = FakeReference(DENSE_INT16)
    reference.reset()
    with closing(QemuDevice(elf, board)) as device:
        client = DeviceClient(device, timeout=5.0)
        assert client.hello().board == name
        client.reset()
        for row in rows:
            answer = sample_row(client, row)
            assert (answer.class_index, list(answer.scores)) == reference.sample(row.tolist())[:2]
    assert device._process.poll() is not None, "QEMU ends with the evaluation"


@needs_qemu
@needs_gcc
@pytest.mark.slow
@pytest.mark.parametrize("board", ["cortex-m3", "cortex-m4"])
def test_a_whole_test_set_is_equal_in_qemu(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["evaluate", "zoo:uji", "--board", board, "--qemu"])
    said = capsys.readouterr()
    assert re.search(r"All [\d,]+ answers equal the host.s integer reference", said.out), said.out + said.err


def test_what_qemu_cannot_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkError, match=r"Nucleo-L432KC .* take cortex-m4 or cortex-m3"):
        qemu_command(tmp_path / "x.elf", load_board("stm32l4"))
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(LinkError, match="apt install qemu-system-arm"):
        qemu_command(tmp_path / "x.elf", load_board("cortex-m4"))


def test_a_qemu_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu-system-arm"
    program.write_text("#!/bin/sh\necho cannot load the kernel >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(module.shutil, "which", lambda name: str(program))
    with pytest.raises(LinkError, match="did not start: cannot load the kernel"):
        QemuDevice(tmp_path / "x.elf", load_board("cortex-m4"))
