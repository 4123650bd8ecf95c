"""Rows that never change, that nobody reads, or that the fast kernels cannot do: bytes, and what is computed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, random_inputs, reference_outputs
from tests.codegen.row_kinds_models import RowNetwork, random_rows
from tests.codegen.test_kernels_on_arm import VARIANTS
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.lowering.lower import make_program
from tinyloc.codegen.passes import optimise
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import compiled_network

CASE = Path(__file__).parents[1] / "cases" / "dead_channel"
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")


def shapes(model: TFLiteModel) -> dict[str, tuple[int, ...]]:
    """The weights that are left, by the kind and number of their operator."""
    graph, _ = optimise(load(model))
    layers = [op for op in graph.operators if len(op.inputs) == 3]
    return {f"{op.kind} {i}": graph.tensors[op.inputs[1]].shape for i, op in enumerate(layers)}


@pytest.mark.parametrize("seed", range(16))
def test_rows_of_every_kind(seed: int) -> None:
    """LiteRT BUILTIN_REF == NumPy == optimised == C."""
    assert_all_equal(random_rows(seed), seed, count=4)


@pytest.mark.slow
def test_rows_of_every_kind_in_many_networks() -> None:
    for seed in range(16, 300):
        assert_all_equal(random_rows(seed), seed, count=4)


@needs_compiler
@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_of_every_kind_on_each_core(variant: str, tmp_path: Path) -> None:
    graph = load(random_rows(6))
    compile_graph(graph, tmp_path / "generated")
    core, flags = VARIANTS[variant]
    network = ArmNetwork(tmp_path / "generated", core, [*flags])
    for inputs in random_inputs(graph, seed=6, count=3):
        assert_same(f"NumPy and C on {variant}", reference_outputs(graph, inputs), network.run(*inputs), graph)


@needs_compiler
def test_the_case_with_a_dead_channel() -> None:
    """Took 5,337,703 cycles, as one dead row sent its layer to the plain kernel."""
    inputs, expected = np.load(CASE / "input.npy"), np.load(CASE / "expected.npy")
    graph = read_tflite(CASE / "model.tflite")
    shape = graph.tensors[graph.inputs[0]].shape
    samples = [[x.reshape(shape)] for x in inputs]
    with compiled_network(CASE / "model.tflite", load_board("cortex-m4")) as network:
        result = run_network(network.image.elf, network.board, network.manifest, samples, 1)
    for got, wanted in zip(result.outputs, expected, strict=True):
        np.testing.assert_array_equal(got[0].ravel(), wanted.ravel())
    assert result.costs[0].cycles < 1_100_000


def chain(dead: bool, padding: int = 0) -> RowNetwork:
    """1 x 1 -> depthwise 3 x 3 -> 1 x 1; rows 0 to 3 of the first are dead, or none is."""
    net = RowNetwork(3, (5, 6, 4), mix=(1, 0, 0, 0, 0, 0, 0))
    rows = net._rows

    def with_dead(out: int, taps: int, kinds: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        filters, scales, bias = rows(out, taps)
        if dead and (out, taps) == (8, 4):
            filters[:4], bias[:4], scales[:4] = 0, -(2**30), 1e-9
        return filters, scales, bias

    net._rows = with_dead  # type: ignore[assignment]
    net.convolution(8, (1, 1))
    net.convolution(0, multiplier=1, padding=padding)
    net.convolution(6, (1, 1))
    return net


def test_what_only_dead_channels_feed_is_dropped() -> None:
    whole = {"CONV_2D 0": (8, 1, 1, 4), "DEPTHWISE_CONV_2D 1": (1, 3, 3, 8), "CONV_2D 2": (6, 1, 1, 8)}
    live = {"CONV_2D 0": (4, 1, 1, 4), "DEPTHWISE_CONV_2D 1": (1, 3, 3, 4), "CONV_2D 2": (6, 1, 1, 4)}
    assert shapes(chain(dead=False).finish()) == whole
    model = chain(dead=True, padding=1).finish()
    assert_all_equal(model)
    assert shapes(model) == live


def test_behind_padding_a_constant_that_is_not_zero_changes_at_the_border() -> None:
    """A dead row gives 40 above the zero point: the depthwise layer sees zero points beyond the border, and is kept."""
    net = RowNetwork(3, (5, 6, 4), mix=(1, 0, 0, 0, 0, 0, 0))
    model, x = net.model, net.t
    filters = net.chance.integers(-127, 128, (4, 1, 1, 4))
    filters[2] = 0
    one = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    w, b = model.constant(filters, "int8", [0.002] * 4), model.constant([0, 0, 2**24, 0], "int32", [0.002 * 0.03] * 4)
    first = model.unary("CONV_2D", [x, w, b], (1, 5, 6, 4), "int8", 0.0252, -20, padding=0, **one)
    taps = model.constant(net.chance.integers(-127, 128, (1, 3, 3, 4)), "int8", [0.003] * 4, axis=3)
    none = model.constant([0] * 4, "int32", [0.0001] * 4)
    second = model.unary(
        "DEPTHWISE_CONV_2D", [first, taps, none], (1, 5, 6, 4), "int8", 0.06, 5, padding=0, depthMultiplier=1, **one
    )
    last = model.constant(net.chance.integers(-127, 128, (3, 1, 1, 4)), "int8", [0.003] * 3)
    bias = model.constant([5, 6, 7], "int32", [0.0001] * 3)
    model.output(model.unary("CONV_2D", [second, last, bias], (1, 5, 6, 3), "int8", 0.05, 5, padding=0, **one))
    assert_all_equal(model)
    assert shapes(model)["DEPTHWISE_CONV_2D 1"] == (1, 3, 3, 4)


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_one_odd_row_does_not_decide_for_its_neighbours(element: str) -> None:
    """A factor above 1/2 in one of eight rows, which is live: the plain kernel does this row alone."""
    net = RowNetwork(5, (6, 5, 4), element, mix=(1, 0, 0, 0, 0, 0, 0))
    rows = net._rows

    def with_odd(out: int, taps: int, kinds: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        filters, scales, bias = rows(out, taps)
        filters[3], scales[3], bias[3] = np.arange(taps) % 3 - 1, 4.0 if element == "int8" else 2.0, 0
        return filters, scales, bias

    net._rows = with_odd  # type: ignore[assignment]
    net.convolution(8, relu=0)
    net.convolution(0, multiplier=1, relu=0)
    graph = assert_all_equal(net.finish())
    for layer in make_program(graph, ["a"], ["b"]).layers:
        text = "\n".join(layer.lines)
        assert "tl_conv_blocks_s" in text or "tl_depthwise_rows_s" in text
        assert ", 1, y);" in text and "1 row with a factor" in layer.lowered.note
