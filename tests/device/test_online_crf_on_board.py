"""Decisions with a lag through the whole image: link, localiser and CRF in the emulator against the reference."""

import shutil
from pathlib import Path

import pytest

from tests.online_bundle import online_bundle
from tinyloc.boards import Board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.image.build import build_firmware

pytest.importorskip("ai_edge_litert", reason="tests make their TFLite files with its schema")


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_an_image_that_decides_with_a_lag_answers_as_the_host(tmp_path: Path, board: Board) -> None:
    bundle = online_bundle(tmp_path / "bundle", lag=5, hop=1)
    compile_bundle(bundle, tmp_path / "generated")
    build = build_firmware(tmp_path / "generated", board, tmp_path / "firmware")
    found = evaluate(bundle, tmp_path / "generated", build, board, EmulatedDevice(build.elf, board), measured=4)
    assert (found.samples, found.mismatches) == (120, 0), found.first_mismatches
