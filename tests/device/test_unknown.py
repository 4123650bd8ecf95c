""" "Unknown" as an answer: the device refuses in integers what the host refuses, and the report says how many."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.bundle.schema import MISSING_DBM, load_test_set, sha256
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.coverage import host_refuses
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.image.build import build_firmware
from tinyloc.device.report.baselines import coverage_lines

pytest.importorskip("ai_edge_litert", reason="tests make their TFLite files with its schema")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


def test_silent_and_close_decisions_are_unknown_and_told(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle", recurrent=False, samples=60)
    test_set = load_test_set(bundle)
    test_set.rssi_dbm[:7] = MISSING_DBM
    test_set.save(bundle / "test.npz")
    content = json.loads((bundle / "bundle.json").read_text())
    content["test_sha256"] = sha256(bundle / "test.npz")
    content["outputs"]["unknown"] = {"margin": 0.4, "least_heard": 1}
    (bundle / "bundle.json").write_text(json.dumps(content))
    compile_bundle(bundle, tmp_path / "generated")
    board = load_board("cc2650")
    build = build_firmware(tmp_path / "generated", board, tmp_path / "firmware")
    device = EmulatedDevice(build.elf, board)
    found = evaluate(bundle, tmp_path / "generated", build, board, device, measured=2, log=tmp_path / "log")
    told = found.coverage
    assert told is not None and told.mismatches == 0 and found.mismatches == 0
    assert told.silent == 7 and 0.0 < told.answered < 53 / 60
    assert f"{100 * told.answered:.1f} % of the decisions" in coverage_lines(found)[0]


def test_integers_refuse_by_margin_and_by_what_is_heard() -> None:
    scores = np.array([[5, 1, 0], [5, 4, 0], [5, 1, 0], [-128, 127, 126]], np.int32)
    heard = np.array([3, 3, 0, 3])
    assert host_refuses(scores, heard, 2, 1).tolist() == [False, True, True, True]
    assert host_refuses(scores, heard, 0, 1).tolist() == [False, False, True, False]
