"""An arena that is larger than a bank of RAM is divided between two, and no buffer crosses."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tinyloc.boards import load_board
from tinyloc.device.network.run_network import answer, compiled_network, read_samples

BANK = 32 * 1024
pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


def wide(path: Path, channels: int) -> Path:
    """Two convolutions whose results, 256 bytes a channel each, are alive together."""
    from tests.codegen.tflite_models import TFLiteModel

    model, chance = TFLiteModel(), np.random.default_rng(1)
    x = first = model.input((1, 32, 8, 8))
    for depth in (8, channels):
        weights = model.constant(chance.integers(-127, 128, (channels, 1, 1, depth)), "int8", [0.01] * channels)
        bias = model.constant(np.zeros(channels), "int32", [0.001] * channels)
        first, x = x, model.unary("CONV_2D", [x, weights, bias], (1, 32, 8, channels), "int8", 0.3, 3, strideH=1,
                                  strideW=1, dilationHFactor=1, dilationWFactor=1)  # fmt: skip
    both = model.unary("ADD", [first, x], (1, 32, 8, channels), "int8", 0.5, 0)
    model.output(model.unary("MEAN", [both, model.constant([1, 2])], (1, channels), "int8", 0.05, 0))
    return model.write(path)


def test_a_large_arena_lies_in_two_banks(tmp_path: Path) -> None:
    model = wide(tmp_path / "wide.tflite", 72)
    np.save(tmp_path / "x.npy", np.random.default_rng(2).integers(-128, 128, (1, 32, 8, 8)).astype(np.int8))
    with compiled_network(model, load_board("aducm3029")) as network:
        manifest = network.manifest
        assert network.image.fits and manifest.arena_bytes > BANK
        split = manifest.arena_split
        assert split is not None and split <= BANK and manifest.arena_bytes - split <= BANK
        crossing = [b.name for b in manifest.plan if b.offset < split < b.offset + b.size]
        assert not crossing
        found = answer(network, read_samples(network, [str(tmp_path / "x.npy")], real=False))
        assert found.equal and len(np.unique(found.outputs[0])) > 10
    with compiled_network(model, load_board("stm32l4")) as network:
        assert network.manifest.arena_split is None, "one block of RAM needs no division"


def test_what_two_banks_do_not_hold_is_told(tmp_path: Path) -> None:
    with compiled_network(wide(tmp_path / "wide.tflite", 140), load_board("aducm3029")) as network:
        assert not network.image.fits
        assert "ram2 (32768 bytes) is exceeded" in network.image.problems[0]
