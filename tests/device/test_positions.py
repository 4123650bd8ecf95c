"""A model that decides positions, in the emulator: millimetres over the link, and the errors that they make."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.device.hellos import hello
from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.frontend.source import position_rule
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.evaluation.measure_bundle import measure
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.frames import FrameError, parse_result
from tinyloc.training.places import mean_position

pytest.importorskip("ai_edge_litert", reason="tests make their TFLite files with its schema")
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

PLACES = [(-250.0, 3.5, 30.0), (12.345, -80.0, 0.0), (13.0, -79.0, 4.0), (401.5, 0.25, 9.0)]  # on several floors


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    directory = tmp_path_factory.mktemp("position")
    bundle = small_bundle(directory / "bundle", recurrent=False, samples=40)
    content = json.loads((bundle / "bundle.json").read_text())
    content["outputs"] |= {"positions_m": PLACES, "position": "mean"}
    (bundle / "bundle.json").write_text(json.dumps(content))
    compile_bundle(bundle, directory / "generated")
    board = load_board("cc2650")
    build = build_firmware(directory / "generated", board, directory / "firmware")
    return bundle, evaluate(bundle, directory / "generated", build, board, EmulatedDevice(build.elf, board), measured=4)


def test_the_device_decides_the_references_positions(found: tuple[Path, Evaluation]) -> None:
    bundle, result = found
    assert result.mismatches == 0
    assert result.device == result.host_int
    rule = position_rule(bundle)
    assert rule is not None
    decided = np.array(result.positions)[:, 3:]
    steps = np.abs(decided[:, None, :2] - np.array(PLACES)[None, :, :2]).sum(-1).min(1)
    assert np.median(steps) > 0.05  # between places, not at them
    errors = np.linalg.norm(decided, axis=1)  # every true position of the bundle is 0
    assert result.device.errors_m is not None
    assert result.device.errors_m["mean"] == pytest.approx(errors.mean(), abs=1e-3)


def test_a_study_scores_the_positions_that_the_device_decides(found: tuple[Path, Evaluation]) -> None:
    bundle, result = found
    form = measure(bundle, "int8", (), "Os")
    assert result.device.errors_m is not None and form.errors_m is not None
    assert form.errors_m["mean"] == pytest.approx(result.device.errors_m["mean"], abs=1e-3)


def test_the_float_model_decides_the_mean_too(found: tuple[Path, Evaluation]) -> None:
    _, result = found
    scores = np.zeros((1, len(PLACES)))  # as the bundle says of the float model
    expected = float(np.linalg.norm(mean_position(scores, np.array(PLACES))))
    assert result.float_model.errors_m is not None
    assert result.float_model.errors_m["p50"] == pytest.approx(expected)


def test_a_result_of_another_length_is_no_result() -> None:
    device = hello(classes=2, score_bytes=1)
    bare, placed = (struct.pack("<hBHiIHH2b", 1, flags, 3, 2, 5, 32, 2, -1, 1) for flags in (0, 2))
    assert parse_result(bare, device).position_mm is None
    assert parse_result(placed + bytes.fromhex("e803000018fcffff"), device).position_mm == (1000, -1000)
    for wrong in (placed, placed + bytes(4), bare + bytes(8)):
        with pytest.raises(FrameError, match="does not hold 2 scores"):
            parse_result(wrong, device)
