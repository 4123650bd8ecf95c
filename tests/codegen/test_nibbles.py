"""FULLY_CONNECTED with weights of four bits: LiteRT BUILTIN_REF == NumPy == C on every core, two weights a byte."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, native, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.codegen.compile import compile_bundle, compile_graph
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.collect_answers import collect
from tinyloc.device.evaluation.host_answers import host_answers
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient
from tinyloc.paths import FIRMWARE_DIR

SIZES = ((8, 8), (24, 5), (19, 11), (64, 4), (33, 12))  # inputs, channels


def with_nibbles(element: str = "int4") -> TFLiteModel:
    """Sizes that fill words and blocks and that do not, a scale a channel or one, extremes of the weights."""
    model, chance = TFLiteModel(), np.random.default_rng(12)
    for number, (depth, channels) in enumerate(SIZES):
        x = model.input((2, depth), "int8", 0.04, (-128, 3, 127)[number % 3])
        weights = chance.integers(-8, 8, (channels, depth))
        if number == 1:
            weights = chance.choice([-8, -7, 7], (channels, depth))
        scale = list(chance.uniform(0.02, 0.09, channels)) if number % 2 else 0.05
        w = model.constant(weights, element, scale)
        bias = model.constant(chance.integers(-3000, 3000, channels), "int32", 0.002)
        model.output(model.unary("FULLY_CONNECTED", [x, w, bias], (2, channels), "int8", 0.2, 9))
    return model


@pytest.mark.parametrize("element", ["int4", "int8"])
def test_two_weights_a_byte(element: str) -> None:
    """INT4 tensors, and int8 ones whose values happen to fit."""
    manifest = native(assert_all_equal(with_nibbles(element))).manifest
    assert sum("two a byte" in line for line in manifest.decisions) == len(SIZES)


def test_the_flash_of_a_layer() -> None:
    model = TFLiteModel()
    weights = model.constant(np.random.default_rng(1).integers(-8, 8, (32, 64)), "int4", 0.1)
    model.output(model.unary("FULLY_CONNECTED", [model.input((1, 64)), weights, -1], (1, 32), "int8", 1.0))
    assert native(load(model)).manifest.constant_bytes == 32 * 64 // 2 + 32 * 4 + 5  # weights, bias, one factor


def test_wider_weights_are_bytes() -> None:
    model = TFLiteModel()
    weights = np.full((8, 16), 7)
    weights[3, 5] = 8
    operands = [model.input((1, 16)), model.constant(weights, "int8", 0.1), -1]
    model.output(model.unary("FULLY_CONNECTED", operands, (1, 8), "int8", 0.2))
    assert not any("two a byte" in line for line in native(assert_all_equal(model)).manifest.decisions)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
def test_every_core_gives_the_reference(tmp_path: Path) -> None:
    graph = load(with_nibbles())
    compile_graph(graph, tmp_path / "generated")
    for core, flags in (("cortex-m4", []), ("cortex-m4", ["-DTL_PORTABLE"]), ("cortex-m3", [])):
        network = ArmNetwork(tmp_path / "generated", core, flags)
        for inputs in random_inputs(graph, seed=1, count=3):
            assert_same(f"NumPy and C on {core}", reference_outputs(graph, inputs), network.run(*inputs), graph)


@pytest.mark.parametrize("channels", [5, 8, 12, 31])
def test_a_list_of_heard_inputs_meets_two_weights_a_byte(channels: int, tmp_path: Path) -> None:
    """It took a byte a weight, and a model of 4 bits was as large as one of 8."""
    inputs = 80
    bundle = small_bundle(tmp_path / "bundle", inputs=inputs, hidden=channels, recurrent=False, bits=4)
    manifest = compile_bundle(bundle, tmp_path / "generated")
    assert manifest.sparse and any("heard inputs" in line and "two a byte" in line for line in manifest.decisions)
    wide = small_bundle(tmp_path / "wide", inputs=inputs, hidden=channels, recurrent=False)
    saved = compile_bundle(wide, tmp_path / "wide_generated").constant_bytes - manifest.constant_bytes
    assert saved == inputs * (channels - -(-channels // 8) * 4)
    tests = load_test_set(bundle)
    wanted = host_answers(LocaliserReference(bundle), tests).scores
    assert np.array_equal(host_answers(HostLocaliser(tmp_path / "generated"), tests).scores, wanted)
    for name in ("stm32l4", "cc2650") if channels == 12 and shutil.which(COMPILER) else ():
        board = load_board(name)
        client = DeviceClient(EmulatedDevice(build_firmware(tmp_path / "generated", board, tmp_path / name).elf, board))
        found = collect(client, tests, client.hello().classes, independent=False)
        assert np.array_equal(found.scores, wanted)


def test_few_channels_stay_bytes(tmp_path: Path) -> None:
    """A word of eight channels is not smaller than four bytes."""
    bundle = small_bundle(tmp_path / "bundle", inputs=80, hidden=4, recurrent=False, bits=4)
    assert not any("two a byte" in line for line in compile_bundle(bundle, tmp_path / "generated").decisions)


EIGHTS = """
#include "kernels/tl_sparse.h"
extern const int8_t weights[];
extern const int32_t bias[], high[];
extern const int32_t low[];
extern const int8_t shift[];
void layer(const void *entries, uint16_t count, int16_t *y);
void layer(const void *entries, uint16_t count, int16_t *y)
{
    static const tl_scaling_t scaling = {
        .kind = TL_LONG, .multiplier = high, .multiplier_low = low, .shift = shift, .per_channel = 1, .high = 32767,
    };
    tl_sparse_fully_connected_s16(entries, count, weights, bias, &scaling, 0, 32, y);
}
"""


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
def test_whole_eights_of_channels_compile_without_a_warning(tmp_path: Path) -> None:
    """GCC warned of a loop that never runs, so an MLP of 32 units in 16x8 could not be built."""
    (tmp_path / "layer.c").write_text(EIGHTS)
    flags = ["-mcpu=cortex-m4", "-mthumb", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{FIRMWARE_DIR}"]
    command = [COMPILER, *flags, "-c", "layer.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
