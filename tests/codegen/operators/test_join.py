"""Parts that are written where they belong in the whole: no copies, no larger arena, the same bytes."""

import numpy as np

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.lowering.lower import Program, make_program
from tinyloc.codegen.passes import optimise


def layer(model: TFLiteModel, x: int, channels: int, seed: int = 0) -> int:
    """A FULLY_CONNECTED, which cannot be fused into a loop."""
    depth = int(model.graph.tensors[x].shape[-1])
    weights = np.random.default_rng(seed + channels).integers(-127, 128, (channels, depth))
    return model.unary("FULLY_CONNECTED", [x, model.constant(weights, "int8", 0.01), -1], (1, channels), "int8", 0.1)


def branches(sizes: tuple[int, ...], *, pack: bool = False, shape: tuple[int, ...] = ()) -> TFLiteModel:
    """Layers beside each other on one input, joined, and a layer on the whole."""
    model = TFLiteModel()
    x = model.input((1, 5))
    parts = [layer(model, x, size, seed) for seed, size in enumerate(sizes)]
    if pack:
        whole = model.unary("PACK", parts, (len(sizes), 1, sizes[0]), "int8", 0.1, axis=0, valuesCount=len(sizes))
        whole = model.unary("RESHAPE", [whole, model.constant([1, sum(sizes)])], (1, sum(sizes)), "int8", 0.1)
    else:
        whole = model.unary("CONCATENATION", parts, (1, sum(sizes)), "int8", 0.1, axis=1)
    model.output(layer(model, whole, 3))
    return model


def compiled(model: TFLiteModel) -> Program:
    """As it is compiled, after its bytes were compared in every form."""
    graph = assert_all_equal(model)
    inputs, outputs = ([f"{side}{t}" for t in tensors] for side, tensors in (("x", graph.inputs), ("y", graph.outputs)))
    return make_program(graph, inputs, outputs)


def test_all_parts_in_place_cost_nothing() -> None:
    for model in (branches((8, 4, 12)), branches((4, 4), pack=True)):
        program = compiled(model)
        assert [name.name.split("_", 2)[2] for name in program.layers] == ["fully_connected"] * len(program.layers)
        assert any("parts are written in their place" in line for line in program.storage.decisions)
        assert program.storage.plan.size == program.storage.plan.lower_bound


def test_a_part_off_a_word_is_copied() -> None:
    program = compiled(branches((4, 3, 5)))
    (join,) = [one for one in program.layers if "join" in one.name]
    assert sum("in its place" in line for line in join.lines) == 2
    assert sum("tl_copy(" in line for line in join.lines) == 1


def test_constants_and_inputs_are_copied() -> None:
    model = TFLiteModel()
    x = model.input((1, 8))
    parts = [layer(model, x, 4), x, model.constant(np.arange(8).reshape(1, 8), "int8", 0.1)]
    model.output(layer(model, model.unary("CONCATENATION", parts, (1, 20), "int8", 0.1, axis=1), 2))
    program = compiled(model)
    (join,) = [one for one in program.layers if "join" in one.name]
    assert sum("tl_copy(" in line for line in join.lines) == 2


def test_a_part_in_two_wholes_is_in_place_once() -> None:
    model = TFLiteModel()
    x = model.input((1, 5))
    a, b, c = (layer(model, x, 4, seed) for seed in range(3))
    first = model.unary("CONCATENATION", [a, b], (1, 8), "int8", 0.1, axis=1)
    second = model.unary("CONCATENATION", [b, c], (1, 8), "int8", 0.1, axis=1)
    third = model.unary("CONCATENATION", [second, second], (1, 16), "int8", 0.1, axis=1)
    model.output(layer(model, first, 2), layer(model, third, 3))
    compiled(model)


def test_wholes_of_wholes() -> None:
    model = TFLiteModel()
    x = model.input((1, 5))
    a, b, c = (layer(model, x, 4, seed) for seed in range(3))
    inner = model.unary("CONCATENATION", [a, b], (1, 8), "int8", 0.1, axis=1)
    outer = model.unary("CONCATENATION", [inner, c], (1, 12), "int8", 0.1, axis=1)
    halves = [model.tensor((1, 6)) for _ in range(2)]
    model.operator("SPLIT", [model.constant(1), outer], halves, numSplits=2)
    model.output(*(layer(model, half, 2) for half in halves), layer(model, inner, 3))
    program = compiled(model)
    assert not any("join" in one.name for one in program.layers)


def test_results_and_interleaved_parts_stay_copies() -> None:
    model = TFLiteModel()
    x = model.input((1, 2, 4))
    a = model.unary("ABS", [x], (1, 2, 4), "int8", 0.1)
    b = model.unary("SOFTMAX", [x], (1, 2, 4), "int8", 1 / 256, -128, beta=1.0)
    c = model.unary("SOFTMAX", [a], (1, 2, 4), "int8", 1 / 256, -128, beta=1.0)
    beside = model.unary("CONCATENATION", [b, c], (1, 2, 8), "int8", 1 / 256, -128, axis=2)
    model.output(model.unary("SOFTMAX", [beside], (1, 2, 8), "int8", 1 / 256, -128, beta=1.0), b)
    model.output(model.unary("CONCATENATION", [b, c], (1, 4, 4), "int8", 1 / 256, -128, axis=1))
    program = compiled(model)
    assert not any("join" in one.name for one in program.layers)


def test_the_arena_never_grows_by_joining() -> None:
    """A small part early, a large detour, a large part late: the whole would have to wait all that time."""
    model = TFLiteModel()
    x = model.input((1, 5))
    early = layer(model, x, 4)
    late = layer(model, layer(model, layer(model, x, 64), 64), 40)
    model.output(layer(model, model.unary("CONCATENATION", [early, late], (1, 44), "int8", 0.1, axis=1), 3))
    graph, _ = optimise(load(model))
    program = compiled(model)
    assert program.storage.plan.size <= 4 + 128
    assert any("the arena would be" in line for line in program.storage.decisions)
    assert len(graph.operators) == 6
