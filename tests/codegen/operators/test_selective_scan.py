"""The fused selective scan: equal in NumPy and in C on every core, nearer to real numbers than the unfused graph."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import Array, assert_same, load, native, random_inputs, reference_outputs
from tests.codegen.streaming import random_stream, window_form
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.source import ReferenceNameError, reference_named
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.operators.selective_scan import KIND, power_of_two, settings, step_size
from tinyloc.codegen.passes.selective_scan import fuse_selective_scan
from tinyloc.codegen.semantics.integer_graph import Stepper

VARIANTS = {
    "dsp": ("cortex-m4", ["-O2"]),
    "dsp for size": ("cortex-m4", ["-Os"]),
    "portable": ("cortex-m4", ["-O2", "-DTL_PORTABLE"]),
    "m3": ("cortex-m3", ["-O2"]),
}
STATES = [("h_in", "h_out")]
USUAL = {"a": 4e-4, "u": 1.5e-4, "b": 1.4e-4, "c": 1.2e-4, "z": 1.4e-4, "h": 6e-4, "y": 1e-3, "out": 3e-4}
"""Scales of a trained scan, by letter; y: C . h + D * u."""
SCALES = {
    "usual": {},
    "what is driven is small beside the state": {"u": 1e-5, "h": 3e-3},
    "what is driven is large beside the state": {"u": 3e-3, "b": 3e-3},
    "a sum far below what it could be": {"y": 2e-6, "out": 9e-6},
    "a sum far above": {"y": 0.9, "out": 0.3},
    "small steps": {"a": 1e-5},
    "large steps": {"a": 1.3e-3},
}


def scan_model(channels: int, states: int, swapped: bool = False, seed: int = 0, **scales: float) -> TFLiteModel:
    """One step of a scan as the export writes it, the state with channels last; `swapped` turns products round."""
    s, model, chance = {**USUAL, **scales}, TFLiteModel(), np.random.default_rng(seed)
    row, square = (1, channels), (states, channels)
    a, u = model.input(row, "int16", s["a"]), model.input(row, "int16", s["u"])
    b, c = model.input((1, states), "int16", s["b"]), model.input((1, states), "int16", s["c"])
    z = model.input(row, "int16", s["z"])
    h = model.input((1, states * channels), "int16", s["h"], name="h_in")
    rates = model.constant(chance.integers(0, 32768, square), "int16", 5e-4)
    d = model.constant(chance.integers(-32767, 32768, row), "int16", 5e-5)

    def view(x: int, shape: Sequence[int], scale: float) -> int:
        return model.unary("RESHAPE", [x, model.constant(list(shape))], tuple(shape), "int16", scale)

    def product(kind: str, x: int, y: int, shape: tuple[int, ...], scale: float) -> int:
        return model.unary(kind, [y, x] if swapped else [x, y], shape, "int16", scale)

    minus = model.unary("LOG", [model.unary("LOGISTIC", [a], row, "int16", 2.0**-15)], row, "int16", 3e-4)
    decay = model.unary("EXP", [product("MUL", minus, rates, square, 5e-3)], square, "int16", 1 / 32767)
    kept = product("MUL", decay, view(h, square, s["h"]), square, s["h"])
    driven = product("MUL", product("MUL", minus, u, row, 3e-4), view(b, (states, 1), s["b"]), square, s["h"])
    after = product("ADD", kept, driven, square, s["h"])
    result = view(after, (1, states * channels), s["h"])
    model.graph.tensors[result].name = b"h_out"
    three = view(c, (1, 1, states), s["c"]), view(after, (1, *square), s["h"])
    read = view(model.unary("BATCH_MATMUL", three, (1, 1, channels), "int16", s["y"]), row, s["y"])
    total = product("ADD", read, product("MUL", u, d, row, s["y"]), row, s["y"])
    gate = model.unary("LOGISTIC", [z], row, "int16", 2.0**-15)
    y = product("MUL", total, product("MUL", z, gate, row, s["z"]), row, s["out"])
    model.output(y, result)
    return model


def fused(model: TFLiteModel) -> Graph:
    """The graph with its scan as one operator."""
    graph, notes = fuse_selective_scan(load(model, STATES))
    assert [op.kind for op in graph.operators] == [KIND] and len(notes) == 1, notes
    return graph


def plain(graph: Graph) -> Graph:
    """The state as an ordinary input and output."""
    ((before, after),) = graph.states
    return dataclasses.replace(graph, inputs=(*graph.inputs, before), outputs=(graph.outputs[0], after), states=())


@pytest.mark.parametrize("swapped", [False, True])
def test_a_scan_is_found_in_either_order(swapped: bool) -> None:
    graph = fused(scan_model(4, 3, swapped))
    (op,) = graph.operators
    assert op.inputs[:6] == (*graph.inputs, graph.states[0][0])
    unfused = load(scan_model(4, 3, swapped), STATES)
    (rates,) = (t.data for t in unfused.tensors if t.data is not None and t.shape == (3, 4))
    assert rates is not None
    np.testing.assert_array_equal(graph.tensors[op.inputs[7]].data, rates.T)


def test_what_others_read_or_cannot_be_honoured_stays() -> None:
    model = scan_model(4, 3)
    decay = next(i for i, t in enumerate(model.graph.tensors) if abs(t.quantization.scale[0] - 1 / 32767) < 1e-9)
    model.output(decay)
    graph = load(model, STATES)
    same, notes = fuse_selective_scan(graph)
    assert same is graph and "others read parts of it" in notes[0]
    graph = load(scan_model(4, 3, a=1.5e-3), STATES)
    same, notes = fuse_selective_scan(graph)
    assert same is graph and "scale" in notes[0] and "step size" in notes[0]
    carried = load(scan_model(4, 3))  # without states: h is an input, and what follows an output
    assert fuse_selective_scan(carried) == (carried, [])


@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES.keys())
def test_numpy_equals_c(scales: dict[str, float]) -> None:
    shape = (2, 1) if scales == SCALES["small steps"] else (4, 27)
    graph = plain(fused(scan_model(*shape, **scales)))
    compiled = native(graph)
    for inputs in random_inputs(graph, seed=4, count=12):
        assert_same("NumPy and C", reference_outputs(graph, inputs), compiled.run(*inputs), graph)


def test_the_scales_reach_both_ends() -> None:
    """The cases above are shifts of both signs and none."""

    def of(name: str) -> tuple[int, int]:
        graph = fused(scan_model(4, 3, **SCALES[name]))
        found = settings(graph, graph.operators[0])
        return found.drive_shift, found.sum_shift

    assert of("what is driven is small beside the state")[0] < 0 < of("what is driven is large beside the state")[0]
    assert of("a sum far above")[1] > of("usual")[1] >= of("a sum far below what it could be")[1]


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("shape", [(3, 16), (4, 27)], ids=str)
def test_numpy_equals_every_core(shape: tuple[int, int], tmp_path: Path) -> None:
    names = ("what is driven is large beside the state", "a sum far above")
    for number, name in enumerate(names):
        graph = plain(fused(scan_model(*shape, seed=number, **SCALES[name])))
        samples = random_inputs(graph, seed=number, count=6)
        compile_graph(graph, tmp_path / f"{number}")
        for variant, (core, flags) in VARIANTS.items():
            network = ArmNetwork(tmp_path / f"{number}", core, flags)
            for inputs in samples:
                expected = reference_outputs(graph, inputs)
                assert_same(f"{name}: NumPy and C on {variant}", expected, network.run(*inputs), graph)


def test_a_stream_equals_its_window() -> None:
    """States in the caller's struct, written over themselves, against a graph that knows of no state."""
    graph = fused(scan_model(6, 10))
    stepper, compiled = Stepper(graph), native(graph)
    stream = random_stream(graph, 30, seed=2)
    rows = [stepper.step(*inputs) for inputs in stream]
    for inputs, row in zip(stream, rows, strict=True):
        assert_same("NumPy and C", row, compiled.run(*inputs), graph)
    window = window_form(graph, len(stream))
    whole = reference_outputs(window, [values for inputs in stream for values in inputs])
    np.testing.assert_array_equal(np.concatenate(whole), np.concatenate([v for row in rows for v in row]))
    assert len({row[0].tobytes() for row in rows}) > len(rows) // 2, "the sequence stands still"


def real_scan(graph: Graph, stream: Sequence[Sequence[Array]]) -> np.ndarray:
    """The equations in double precision -> y of each step, in units of the output."""
    a, u, b, c, z = (graph.tensors[t].scale for t in graph.inputs)
    d, rates = (graph.tensors[t] for t in graph.operators[0].inputs[6:])
    assert d.data is not None and rates.data is not None
    h, found = np.zeros(rates.shape), []
    for inputs in stream:
        av, uv, bv, cv, zv = (x.ravel() * s for x, s in zip(inputs, (a, u, b, c, z), strict=True))
        dt = np.log1p(np.exp(-av))
        h = np.exp(-dt[:, None] * rates.data * rates.scale) * h - (dt * uv)[:, None] * bv
        y = (h @ cv + d.data.ravel() * d.scale * uv) * zv / (1 + np.exp(-zv))
        found.append(y / graph.tensors[graph.outputs[0]].scale)
    return np.array(found)


def test_it_is_nearer_to_real_numbers_than_the_unfused_graph() -> None:
    model = scan_model(8, 16)
    graph, unfused = fused(model), load(model, STATES)
    chance = np.random.default_rng(1)
    stream = [
        [(chance.normal(0, 1 / 8, graph.tensors[t].shape).clip(-1, 1) * 32767).astype(np.int16) for t in graph.inputs]
        for _ in range(150)
    ]
    for inputs in stream:
        inputs[0] = np.abs(inputs[0])  # small steps: states that last
    real = real_scan(graph, stream)
    errors = []
    for form in (graph, unfused):
        stepper = Stepper(form)
        errors.append(np.abs(np.array([stepper.step(*inputs)[0].ravel() for inputs in stream]) - real).mean())
    assert errors[0] < 1.0
    assert errors[0] < errors[1] / 3


def test_an_unknown_reference_is_named() -> None:
    assert [reference_named(given) for given in (None, "litert", "tinyloc")] == [None, "litert", "tinyloc"]
    with pytest.raises(ReferenceNameError, match="--reference tflite: unknown; choose tinyloc or litert"):
        reference_named("tflite")


def test_powers_and_step_sizes_keep_their_accuracy() -> None:
    """As the operator's file says: 1 - 2^-x to 7e-4 of itself where x is not tiny, softplus to 1e-3."""
    x = np.arange(1 << 13, 31 << 16, 61)
    true, found = 2.0 ** -(x / 65536), power_of_two(x, 0) / 2**30
    assert np.abs((1 - found) / (1 - true) - 1).max() < 7e-4
    graph = fused(scan_model(4, 3))
    a = np.arange(-32768, 32768)
    scale = graph.tensors[graph.inputs[0]].scale
    dt = step_size(a, settings(graph, graph.operators[0])) * np.log(2) / 2**25
    softplus = np.log1p(np.exp(-a * scale))
    assert np.abs(dt / softplus - 1)[softplus > 1e-4].max() < 1e-3
