"""Measures what the fast and the small form of each kind of layer take: writes codegen/lowering/kernel_costs.json.

Each row is a network of two typical layers, so that the compiler does not specialise a kernel for one. Bytes are those
of the functions that the image has beyond one of a layer without a kernel; cycles are the whole run's, a product, in
the emulator without wait states. Run it after a kernel changed: `python -m tests.bench.form_costs`;
tests/codegen/test_forms.py says when that is due.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.boards import Board, Core, load_board
from tinyloc.codegen.lowering import kernel_selection
from tinyloc.codegen.lowering.kernel_costs import FILE
from tinyloc.codegen.lowering.kernel_selection import FormOptions, Level
from tinyloc.codegen.operators import softmax
from tinyloc.device.image.footprint import read_symbols
from tinyloc.device.network.flash_budget import LEVELS
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import Network, compiled_network
from tinyloc.files import write_whole

BOARDS: Mapping[Core, str] = {"cortex-m4f": "cortex-m4", "cortex-m3": "cortex-m3"}
OPTIONS = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def _layer(
    model: TFLiteModel, kind: str, element: str, size: int, depth: int, channels: int, window: tuple[int, int] = (3, 3)
) -> None:
    """A layer with random weights on an image of size x size, or on a row of `depth` values."""
    chance = np.random.default_rng(0)
    image = (1, depth) if kind == "FULLY_CONNECTED" else (1, size, size, depth)
    x = model.input(image, element, 0.05 if element == "int8" else 0.0002)
    taps = {
        "CONV_2D": (channels, 3, 3, depth), "TRANSPOSE_CONV": (channels, 4, 4, depth),
        "DEPTHWISE_CONV_2D": (1, *window, channels), "FULLY_CONNECTED": (channels, depth),
    }[kind]  # fmt: skip
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    weights = model.constant(chance.integers(-127, 128, taps), "int8", [0.01] * channels, axis=axis)
    wide = "int32" if element == "int8" else "int64"
    bias = model.constant(chance.integers(-900, 900, channels), wide, [0.0005] * channels)
    options: dict[str, object] = dict(OPTIONS)
    operands, result = [x, weights, bias], [*image[:-1], channels]
    if kind == "DEPTHWISE_CONV_2D":
        options["depthMultiplier"] = 1
    elif kind == "FULLY_CONNECTED":
        options = {}
    elif kind == "TRANSPOSE_CONV":
        result = [1, 2 * size, 2 * size, channels]
        operands = [model.constant(result), weights, x, bias]
        options = {"padding": 0, "strideH": 2, "strideW": 2}
    model.output(model.unary(kind, operands, result, element, 0.2 if element == "int8" else 0.0008, **options))


def _layers(
    kind: str,
    element: str,
    depth: int,
    channels: int,
    window: tuple[int, int] = (3, 3),
    sizes: tuple[int, int] = (8, 5),
) -> TFLiteModel:
    model = TFLiteModel()
    _layer(model, kind, element, sizes[0], depth, channels, window)
    _layer(model, kind, element, sizes[1], depth + 4, depth + 4 if kind == "DEPTHWISE_CONV_2D" else channels, window)
    return model


def _softmax() -> TFLiteModel:
    model = TFLiteModel()
    x = model.input((16, 16), "int8", 0.05)
    model.output(model.unary("SOFTMAX", [x], (16, 16), "int8", 1 / 256, -128, beta=1.0))
    return model


def _nothing(element: str) -> TFLiteModel:
    model = TFLiteModel()
    model.output(model.unary("ABS", [model.input((1, 4), element)], (1, 4), element, 0.1))
    return model


def typical(element: str) -> dict[tuple[str, str], Callable[[], TFLiteModel]]:
    """(fast kernel, small kernel) -> the layer to measure them on."""
    suffix = "s8" if element == "int8" else "s16"
    rows = {
        ("conv_blocks", "conv"): lambda: _layers("CONV_2D", element, 16, 16),
        ("conv_parts", "transpose_conv"): lambda: _layers("TRANSPOSE_CONV", element, 16, 16),
        ("depthwise_lines", "depthwise"): lambda: _layers("DEPTHWISE_CONV_2D", element, 32, 32, (5, 1)),
        ("depthwise_taps", "depthwise"): lambda: _layers("DEPTHWISE_CONV_2D", element, 32, 32, (3, 1), (2, 1)),
        ("depthwise_rows", "depthwise"): lambda: _layers("DEPTHWISE_CONV_2D", element, 32, 32),
        ("fully_connected", "fully_connected_small"): lambda: _layers("FULLY_CONNECTED", element, 64, 66),
    }
    named = {(f"{fast}_{suffix}", f"{small}_{suffix}"): build for (fast, small), build in rows.items()}
    return named | ({("softmax_s8", "softmax_few_s8"): _softmax} if element == "int8" else {})


def functions(network: Network) -> dict[str, int]:
    """Bytes of each function of an image; of tables and such, nothing."""
    found = read_symbols(network.image.elf)
    code = [s for s in found if s.memory == "flash" and s.name.startswith(("tl_", "__aeabi", "mem"))]
    return {s.name.split(".")[0]: s.size for s in code}


def measured(model: TFLiteModel, board: Board, forms: FormOptions) -> tuple[dict[str, int], float]:
    """(functions of the image, cycles a product) of a network in one form."""
    with tempfile.TemporaryDirectory() as work:
        path = model.write(Path(work) / "model.tflite")
        small = mock.patch.object(kernel_selection, "MOST_TIMES", 1000)  # measured whatever they take
        with small, compiled_network(path, board, optimise=forms.level, aim=forms.aim) as network:
            chance = np.random.default_rng(1)
            given = network.manifest.inputs
            inputs = [[chance.integers(-100, 100, a.shape).astype(a.element) for a in given]]
            result = run_network(network.image.elf, board, network.manifest, inputs, 1)
            products = network.manifest.macs or sum(a.size for a in given)
            return functions(network), round(median(cost.cycles for cost in result.costs) / products, 2)


Costs = tuple[dict[str, dict[str, int]], dict[str, float]]


def costs(core: Core, level: Level) -> Costs:
    """(functions, cycles a product) of each kernel on one core."""
    board, sizes, cycles = load_board(BOARDS[core]), {}, {}
    for element in ("int8", "int16"):
        known, _ = measured(_nothing(element), board, FormOptions("speed", core, level))
        for names, build in typical(element).items():
            # a softmax that computes its exponentials takes memory for them, so that size alone does not choose it
            few = mock.patch.object(softmax, "_computes", return_value=True) if "softmax_s8" in names else nullcontext()
            fast = measured(build(), board, FormOptions("speed", core, level))
            with few:
                slow = measured(build(), board, FormOptions("size", core, level))
            for name, (found, spent) in zip(names, (fast, slow), strict=True):
                sizes[name] = {n: found[n] for n in sorted(found) if n not in known}
                cycles[name] = spent
    return sizes, cycles


def text(found: Mapping[tuple[Core, Level], Costs]) -> str:
    """codegen/lowering/kernel_costs.json."""
    table: dict[str, dict[str, dict[str, object]]] = {}
    for (core, level), (sizes, cycles) in found.items():
        kernels = {kernel: {"functions": sizes[kernel], "cycles": cycles[kernel]} for kernel in cycles}
        table.setdefault(core, {})[level] = kernels
    return json.dumps(table, indent=1) + "\n"


if __name__ == "__main__":
    rows = {(core, level): costs(core, level) for core in BOARDS for level in LEVELS}
    write_whole(FILE, text(rows))
