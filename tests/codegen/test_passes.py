"""Each rewrite of the graph, on graphs made by hand: what it does, and that results stay the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codegen.equality import assert_all_equal, assert_same, load, native, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.passes.constants import fold_constants
from tinyloc.codegen.passes.copy_scattered_views import copy_parts
from tinyloc.codegen.passes.identities import drop_dead, drop_identities
from tinyloc.codegen.passes.loops import fuse_loops
from tinyloc.codegen.passes.sparse import SPARSE_FROM, mark_sparse_input
from tinyloc.codegen.passes.tables import fold_tables
from tinyloc.codegen.semantics.integer_graph import run_graph


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.operators]


def assert_same_results(before: Graph, after: Graph) -> None:
    for inputs in random_inputs(before, seed=1):
        values = run_graph(after, dict(zip(after.inputs, inputs, strict=True)))
        assert_same("before and after", reference_outputs(before, inputs), [values[t] for t in after.outputs], before)


def test_constants_are_computed_at_compile_time() -> None:
    model = TFLiteModel()
    x = model.input((1, 4))
    c = model.constant([[1, 2, 3, 4]], "int8", 0.1)
    twice = model.unary("ADD", [c, c], (1, 4), "int8", 0.2)
    model.output(model.unary("ADD", [x, model.unary("RELU", [twice], (1, 4), "int8", 0.2)], (1, 4), "int8", 0.3))
    graph = load(model)
    folded, notes = fold_constants(graph)
    assert kinds(folded) == ["ADD"]
    assert len(notes) == 2
    assert_same_results(graph, folded)


def test_arithmetic_on_shapes_is_done_when_the_model_is_read() -> None:
    """SHAPE -> STRIDED_SLICE -> PACK -> RESHAPE: a reshape that leaves the batch open."""
    model = TFLiteModel()
    x = model.input((1, 2, 6))
    shape = model.tensor((3,), "int32", None)
    model.operator("SHAPE", [x], [shape], outType=2)
    batch = model.tensor((), "int32", None)
    corners = [model.constant([0]), model.constant([1]), model.constant([1])]
    model.operator("STRIDED_SLICE", [shape, *corners], [batch], shrinkAxisMask=1)
    wanted = model.tensor((2,), "int32", None)
    model.operator("PACK", [batch, model.constant(12)], [wanted], valuesCount=2)
    flat = model.unary("RESHAPE", [x, wanted], (1, 12), "int8", 0.1)
    model.output(model.unary("RELU", [flat], (1, 12), "int8", 0.1))
    graph = load(model)
    assert kinds(graph) == ["RESHAPE", "RELU"]
    assert graph.tensors[wanted].data is not None and graph.tensors[wanted].data.tolist() == [1, 12]


def test_an_identity_is_dropped_and_a_reversal_is_not() -> None:
    model = TFLiteModel()
    x = model.input((2, 3), scale=0.1, zero=4)
    same = model.unary("QUANTIZE", [x], (2, 3), "int8", 0.1, 4)
    shaped = model.unary("RESHAPE", [same, model.constant([2, 3])], (2, 3), "int8", 0.1, 4)
    other = model.unary("QUANTIZE", [shaped], (2, 3), "int8", 0.1, 5)
    backwards = model.tensor((2, 3), "int8", 0.1, 5)
    corners = [model.constant([1, 0]), model.constant([-3, 3]), model.constant([-1, 1])]
    model.operator("STRIDED_SLICE", [other, *corners], [backwards])
    model.output(backwards)
    graph = load(model)
    dropped, _ = drop_identities(graph)
    assert kinds(dropped) == ["QUANTIZE", "STRIDED_SLICE"]
    assert_same_results(graph, dropped)
    assert_all_equal(model)


def test_what_nobody_reads_is_dropped() -> None:
    model = TFLiteModel()
    x = model.input((1, 4))
    model.unary("RELU", [model.unary("ABS", [x], (1, 4), "int8", 0.1)], (1, 4), "int8", 0.1)
    model.output(model.unary("RELU6", [x], (1, 4), "int8", 0.1))
    graph = load(model)
    dropped, notes = drop_dead(graph)
    assert kinds(dropped) == ["RELU6"]
    assert len(notes) == 2


def softplus(model: TFLiteModel, x: int, shape: tuple[int, ...]) -> int:
    """relu(x) + log(1 + exp(-|x|)), as the exporter writes it."""
    magnitude = model.unary("ABS", [x], shape, "int8", 0.05, -128)
    minus = model.unary("MUL", [magnitude, model.constant([-127], "int8", 1 / 127)], shape, "int8", 0.05, 127)
    exponential = model.unary("EXP", [minus], shape, "int8", 1 / 255, -128)
    more = model.unary("ADD", [exponential, model.constant([100], "int8", 0.01)], shape, "int8", 2 / 255, -128)
    logarithm = model.unary("LOG", [more], shape, "int8", 0.7 / 255, -128)
    return model.unary("ADD", [model.unary("RELU", [x], shape, "int8", 0.05), logarithm], shape, "int8", 0.06, -128)


def test_a_chain_on_one_value_becomes_one_table() -> None:
    model = TFLiteModel()
    model.output(softplus(model, model.input((1, 9), scale=0.05, zero=-7), (1, 9)))
    graph = load(model)
    folded, _ = fold_tables(graph)
    folded, _ = drop_dead(folded)
    assert kinds(folded) == ["TABLE"]
    assert_same_results(graph, folded)
    assert_all_equal(model)


def test_a_table_stops_at_a_value_that_leaves_the_chain() -> None:
    """The middle of a chain is an output too; and int16 makes no table."""
    model = TFLiteModel()
    x = model.input((1, 9), scale=0.05)
    middle = model.unary("EXP", [x], (1, 9), "int8", 0.03, -128)
    model.output(middle, model.unary("LOG", [middle], (1, 9), "int8", 0.05))
    wide = model.input((1, 9), "int16", 0.0001)
    model.output(model.unary("LOG", [model.unary("EXP", [wide], (1, 9), "int16", 0.001)], (1, 9), "int16", 0.001))
    folded, _ = fold_tables(load(model))
    assert kinds(folded) == ["TABLE", "TABLE", "EXP", "LOG"]
    assert_all_equal(model)


def test_scattered_parts_become_copies_and_whole_ones_stay_views() -> None:
    model = TFLiteModel()
    x = model.input((1, 2, 6))
    rows = [model.tensor((1, 1, 6)) for _ in range(2)]
    model.operator("SPLIT", [model.constant(1), x], rows, numSplits=2)
    columns = [model.tensor((1, 2, 3)) for _ in range(2)]
    model.operator("SPLIT", [model.constant(2), x], columns, numSplits=2)
    model.output(*(model.unary("RELU", [t], tuple(model.graph.tensors[t].shape), "int8", 0.1) for t in rows + columns))
    graph = load(model)
    copied, notes = copy_parts(graph)
    assert kinds(copied)[:3] == ["SPLIT", "COPY", "COPY"]
    assert len(notes) == 1
    assert_same_results(graph, copied)
    assert_all_equal(model)


@pytest.mark.parametrize(
    ("inputs", "readers", "sparse"), [(SPARSE_FROM, 1, True), (SPARSE_FROM - 1, 1, False), (SPARSE_FROM, 2, False)]
)
def test_a_wide_input_read_by_one_layer_is_sparse(inputs: int, readers: int, sparse: bool) -> None:
    model = TFLiteModel()
    x = model.input((1, inputs))
    for _ in range(readers):
        w = model.constant(np.ones((3, inputs)), "int8", 0.01)
        model.output(model.unary("FULLY_CONNECTED", [x, w, -1], (1, 3), "int8", 0.2))
    marked, notes = mark_sparse_input(load(model))
    assert [bool(op.attributes.get("sparse")) for op in marked.operators] == [sparse] * readers
    assert bool(notes) == sparse


def selective_scan(model: TFLiteModel, element: str, channels: int, states: int) -> tuple[int, int]:
    """state, step of Mamba: h' = exp(dt * A) * h + (dt * u) * B;  y = (h' C + D u) * gate -> (h', y)."""
    k = 1.0 if element == "int8" else 1 / 256
    low = -128 if element == "int8" else 0
    h = model.input((1, channels, states), element, 0.03 * k, 0 if element == "int16" else 3, name="h_in")
    dt = model.input((1, channels, 1), element, 0.01 * k, low)
    u = model.input((1, channels, 1), element, 0.02 * k)
    b = model.input((1, 1, states), element, 0.02 * k, 0 if element == "int16" else -9)
    c = model.input((1, states, 1), element, 0.02 * k)
    gate = model.input((1, channels, 1), element, 0.01 * k)
    chance = np.random.default_rng(0)
    reach = 127 if element == "int8" else 32767
    a = model.constant(-chance.integers(1, reach, (channels, states)), element, 0.02 * k)
    d = model.constant(chance.integers(-reach, reach, (1, channels, 1)), element, 0.01 * k)
    square, column = (1, channels, states), (1, channels, 1)
    exponent = model.unary("MUL", [dt, a], square, element, 0.02 * k, 127 if element == "int8" else 0)
    decay = model.unary("EXP", [exponent], square, element, k / 255 if element == "int8" else 1 / 32767, low)
    kept = model.unary("MUL", [decay, h], square, element, 0.03 * k)
    drive = model.unary("MUL", [model.unary("MUL", [dt, u], column, element, 0.02 * k), b], square, element, 0.01 * k)
    after = model.unary("ADD", [kept, drive], square, element, 0.03 * k, 0 if element == "int16" else 3)
    model.graph.tensors[after].name = b"h_out"
    read = model.unary("BATCH_MATMUL", [after, c], column, element, 0.05 * k)
    skip = model.unary("MUL", [u, d], column, element, 0.02 * k)
    y = model.unary(
        "MUL", [model.unary("ADD", [read, skip], column, element, 0.06 * k), gate], column, element, 0.03 * k
    )
    return after, y


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_selective_scan_is_one_loop(element: str) -> None:
    model = TFLiteModel()
    after, y = selective_scan(model, element, 6, 5)
    model.output(after, y)
    graph = load(model)
    fused, notes = fuse_loops(graph)
    assert kinds(fused) == ["LOOP"]
    assert fused.operators[0].attributes["axes"] == (6, 5)
    assert len(notes) == 1
    assert_same_results(graph, fused)
    assert_all_equal(model)


@pytest.mark.parametrize(("element", "wanted"), [("int8", ["BATCH_MATMUL", "LOOP"]), ("int16", ["LOOP"])])
def test_a_product_with_a_matrix_in_memory_is_left_to_its_kernel(element: str, wanted: list[str]) -> None:
    """As attention's scores: keys that lie there, and a bias. The kernel for int8 is faster than a loop."""
    model = TFLiteModel()
    keys, query = model.input((1, 6, 8), element, 0.02), model.input((1, 8, 1), element, 0.02)
    scores = model.unary("BATCH_MATMUL", [keys, query], (1, 6, 1), element, 0.05)
    bias = model.constant(np.arange(6).reshape(1, 6, 1), element, 0.05)
    model.output(model.unary("ADD", [scores, bias], (1, 6, 1), element, 0.06))
    assert kinds(fuse_loops(load(model))[0]) == wanted
    assert_all_equal(model)


def test_a_loop_does_not_swallow_what_waits_for_another_operator() -> None:
    """ABS -> FULLY_CONNECTED -> ADD with the ABS: a value leaves the chain and comes back."""
    model = TFLiteModel()
    x = model.input((1, 4))
    magnitude = model.unary("ABS", [x], (1, 4), "int8", 0.1, -128)
    w = model.constant(np.arange(16).reshape(4, 4), "int8", 0.05)
    mixed = model.unary("FULLY_CONNECTED", [magnitude, w, -1], (1, 4), "int8", 0.3)
    model.output(model.unary("ADD", [magnitude, mixed], (1, 4), "int8", 0.3))
    fused, _ = fuse_loops(load(model))
    assert kinds(fused) == ["LOOP", "FULLY_CONNECTED", "LOOP"]
    assert_all_equal(model)


def test_a_steep_exponential_may_be_negative() -> None:
    """An int16 table of EXP over +-700: its samples are corrected below zero, and the product has to know."""
    model = TFLiteModel()
    x = model.input((1, 4096), "int16", 700 / 32768)
    steep = model.unary("EXP", [x], (1, 4096), "int16", 2.0**-15)
    full = model.input((1, 4096), "int16", 2.0**-15)
    model.output(model.unary("MUL", [steep, full], (1, 4096), "int16", 2.0**-15))
    graph = assert_all_equal(model)
    values = np.arange(-32768, 32768, 16, dtype=np.int16).reshape(1, -1)
    out = run_graph(graph, {x: values, full: values})[steep]
    assert out.min() < 0


def test_one_operand_twice_and_two_broadcasts() -> None:
    model = TFLiteModel()
    x = model.input((3, 4))
    row, column = model.input((1, 4)), model.input((3, 1))
    square = model.unary("MUL", [x, x], (3, 4), "int8", 0.9)
    outer = model.unary("MUL", [row, column], (3, 4), "int8", 0.9)
    model.output(model.unary("SUB", [square, outer], (3, 4), "int8", 1.5))
    graph = assert_all_equal(model)
    assert kinds(optimise(graph)[0] if len(graph.inputs) == 1 else fuse_loops(graph)[0]) == ["LOOP"]


UNARY = ("ABS", "RELU", "RELU6", "QUANTIZE", "EXP", "LOGISTIC", "TANH")
BINARY = ("ADD", "SUB", "MUL")
SHAPES = ((1, 3, 4), (1, 1, 4), (1, 3, 1), (1, 1, 1))


@st.composite
def element_wise_models(draw: st.DrawFn) -> TFLiteModel:
    """Two to nine operators on values of four broadcastable shapes; some values are outputs."""
    model = TFLiteModel()
    element = draw(st.sampled_from(["int8", "int16"]))
    k = 1.0 if element == "int8" else 1 / 256
    values = [(model.input(shape, element, 0.05 * k), shape) for shape in draw(st.permutations(SHAPES))[:3]]
    if draw(st.booleans()):
        values.append((model.constant(np.full((1, 1, 4), 17), element, 0.02 * k), (1, 1, 4)))
    for _ in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(UNARY + BINARY + BINARY))
        chosen = [draw(st.sampled_from(values)) for _ in range(1 if kind in UNARY else 2)]
        shape = np.broadcast_shapes(*(shape for _, shape in chosen))
        scale, zero = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(kind, (0.05, 0))
        if element == "int16":
            scale, zero = (2.0**-15, 0) if kind in {"LOGISTIC", "TANH"} else (scale * k, 0)
        values.append((model.unary(kind, [t for t, _ in chosen], shape, element, scale, zero), shape))
    made = [t for t, _ in values[-draw(st.integers(1, 3)) :] if model.graph.tensors[t].buffer == 0]
    model.output(*(t for t in dict.fromkeys(made) if t not in model.graph.inputs))
    return model


def has_outputs(model: TFLiteModel) -> bool:
    return bool(model.graph.outputs)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(element_wise_models().filter(has_outputs))
def test_optimised_equals_unoptimised(model: TFLiteModel) -> None:
    graph = load(model)
    optimised, _ = optimise(graph, sparse_input=False)
    assert_same_results(graph, optimised)


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(element_wise_models().filter(has_outputs))
def test_c_equals_both(model: TFLiteModel) -> None:
    """Undefined behaviour in the generated C stops the program here."""
    graph = load(model)
    compiled = native(graph, ["-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all"])
    for inputs in random_inputs(graph, seed=2):
        assert_same("NumPy and C", reference_outputs(graph, inputs), compiled.run(*inputs), graph)
