"""Where values live: in place, views, states written over themselves, delay lines. Checked by running the C."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.equality import load, native
from tests.codegen.test_passes import selective_scan
from tests.codegen.tflite_models import TFLiteModel
from tests.host_network import HostNetwork
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.lowering.tensor_placement import Storage, assign_storage
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper


def stored(graph: Graph) -> tuple[Graph, Storage]:
    graph, _ = optimise(graph, sparse_input=False)
    inputs = [f"input{i}" for i in range(len(graph.inputs))]
    return graph, assign_storage(graph, inputs, [f"output{i}" for i in range(len(graph.outputs))])


def assert_steps_equal(graph: Graph, steps: int = 12) -> None:
    """C and NumPy agree at every step of a sequence, and again after a reset."""
    stepper, compiled = Stepper(graph), native(graph)
    chance = np.random.default_rng(3)
    for start in (0, steps):
        stepper.reset()
        compiled.reset()
        for step in range(start, start + steps):
            inputs = [
                chance.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].element)
                for t in graph.inputs
            ]
            expected, got = stepper.step(*inputs), compiled.run(*inputs)
            for a, b in zip(expected, got, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"step {step}")


def test_element_wise_work_is_done_in_place() -> None:
    """FULLY_CONNECTED -> ABS -> FULLY_CONNECTED: the ABS needs no bytes of its own."""
    model = TFLiteModel()
    w = model.constant(np.eye(8), "int8", 0.9)
    first = model.unary("FULLY_CONNECTED", [model.input((1, 8)), w, -1], (1, 8), "int8", 0.1)
    magnitude = model.unary("ABS", [first], (1, 8), "int8", 0.1)
    model.output(model.unary("FULLY_CONNECTED", [magnitude, w, -1], (1, 8), "int8", 0.1))
    _, storage = stored(load(model))
    assert storage.plan.size == 8
    assert storage.places[first] == storage.places[magnitude]
    assert_steps_equal(load(model))


def test_a_value_that_is_read_later_is_not_overwritten() -> None:
    model = TFLiteModel()
    w = model.constant(np.eye(8), "int8", 0.9)
    first = model.unary("FULLY_CONNECTED", [model.input((1, 8)), w, -1], (1, 8), "int8", 0.1)
    magnitude = model.unary("ABS", [first], (1, 8), "int8", 0.1)
    second = model.unary("FULLY_CONNECTED", [magnitude, w, -1], (1, 8), "int8", 0.1)
    model.output(
        model.unary(
            "FULLY_CONNECTED", [model.unary("ADD", [first, second], (1, 8), "int8", 0.2), w, -1], (1, 8), "int8", 0.1
        )
    )
    _, storage = stored(load(model))
    assert storage.places[first] != storage.places[magnitude]
    assert_steps_equal(load(model))


def test_a_broadcast_operand_is_not_overwritten() -> None:
    """Both operands die here, but only the full-sized one may take the result."""
    model = TFLiteModel()
    w = model.constant(np.eye(4), "int8", 0.9)
    small = model.unary("FULLY_CONNECTED", [model.input((1, 4)), w, -1], (1, 4), "int8", 0.1)
    large = model.unary("FULLY_CONNECTED", [model.input((3, 4)), w, -1], (3, 4), "int8", 0.1)
    total = model.unary("ADD", [small, large], (3, 4), "int8", 0.2)
    model.output(model.unary("FULLY_CONNECTED", [total, w, -1], (3, 4), "int8", 0.1))
    _, storage = stored(load(model))
    assert storage.places[total] == storage.places[large]
    assert_steps_equal(load(model))


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_scan_writes_its_state_over_itself(element: str) -> None:
    model = TFLiteModel()
    after, y = selective_scan(model, element, 6, 5)
    model.output(y, after)
    graph = load(model, [("h_in", "h_out")])
    _, storage = stored(graph)
    assert storage.copies == ()
    assert storage.places[after].kind == "state"
    assert storage.plan.size == 0
    assert_steps_equal(graph)


def shift_register(order: Sequence[int]) -> Graph:
    """Three states that hand their values on; `order` is that of the states' names in the model."""
    model = TFLiteModel()
    x = model.input((1, 3), zero=3)
    held = [model.input((1, 3), zero=3, name=f"s{i}_in") for i in range(3)]
    older = [model.unary("RESHAPE", [held[i], model.constant([1, 3])], (1, 3), "int8", 0.1, 3) for i in range(2)]
    newest = model.unary("RESHAPE", [x, model.constant([1, 3])], (1, 3), "int8", 0.1, 3)
    for i, t in enumerate([newest, *older]):
        model.graph.tensors[t].name = f"s{i}_out".encode()
    total = model.unary("ADD", [held[2], held[0]], (1, 3), "int8", 0.2)
    model.output(total, newest, *older)
    return load(model, [(f"s{i}_in", f"s{i}_out") for i in order])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_delay_line_moves_every_value_once(order: Sequence[int]) -> None:
    assert_steps_equal(shift_register(order))


def test_the_old_state_is_handed_out_before_it_is_overwritten() -> None:
    """An output that is a view of the state as it was."""
    model = TFLiteModel()
    x, held = model.input((1, 4)), model.input((1, 4), name="s_in")
    model.output(model.unary("RESHAPE", [held, model.constant([4])], (4,), "int8", 0.1))
    after = model.unary("ADD", [held, x], (1, 4), "int8", 0.1)
    model.graph.tensors[after].name = b"s_out"
    model.output(after)
    assert_steps_equal(load(model, [("s_in", "s_out")]))


def test_states_that_change_places_are_refused(tmp_path: Path) -> None:
    model = TFLiteModel()
    held = [model.input((1, 3), name=f"s{i}_in") for i in range(2)]
    swapped = [model.unary("RESHAPE", [held[1 - i], model.constant([1, 3])], (1, 3), "int8", 0.1) for i in range(2)]
    for i, t in enumerate(swapped):
        model.graph.tensors[t].name = f"s{i}_out".encode()
    model.output(model.unary("ABS", [model.input((1, 3))], (1, 3), "int8", 0.1), *swapped)
    with pytest.raises(CompileError, match="exchange their values"):
        compile_graph(load(model, [("s0_in", "s0_out"), ("s1_in", "s1_out")]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_input_handed_through_and_an_output_twice() -> None:
    model = TFLiteModel()
    x = model.input((1, 6))
    halves = [model.tensor((1, 3)) for _ in range(2)]
    model.operator("SPLIT", [model.constant(1), x], halves, numSplits=2)
    total = model.unary("ADD", halves, (1, 3), "int8", 0.2)
    model.output(total, halves[1], total, x)
    assert_steps_equal(load(model))


def test_the_arena_is_as_large_as_the_plan_says(tmp_path: Path) -> None:
    """Bytes after the arena, the states and the outputs stay as they are."""
    model = TFLiteModel()
    after, y = selective_scan(model, "int16", 5, 3)
    w = model.constant(np.arange(35).reshape(7, 5) - 17, "int8", 0.05)
    flat = model.unary("RESHAPE", [y, model.constant([1, 5])], (1, 5), "int16", 0.03 / 256)
    wide = model.unary("FULLY_CONNECTED", [flat, w, -1], (1, 7), "int16", 0.001)
    back = model.constant(np.arange(21).reshape(3, 7) - 9, "int8", 0.05)
    model.output(model.unary("FULLY_CONNECTED", [wide, back, -1], (1, 3), "int16", 0.002), after)
    compile_graph(load(model, [("h_in", "h_out")]), tmp_path / "out")
    source = tmp_path / "out" / "model.c"
    guard = """
    #include <string.h>
    #include "model.h"
    static struct { tl_model_arena_t arena; uint8_t after[64]; } memory;
    static struct { tl_model_state_t state; uint8_t after[64]; } held;
    int32_t guarded(const int16_t *const *in, int16_t *out);
    int32_t guarded(const int16_t *const *in, int16_t *out)
    {
        int16_t own[16];
        memset(&memory, 0x5A, sizeof memory);
        memset(&held, 0x5A, sizeof held);
        memset(own, 0x5A, sizeof own);
        tl_model_init(&held.state);
        tl_model_run(&held.state, &memory.arena, in[0], in[1], in[2], in[3], in[4], own);
        int32_t touched = 0;
        for (int32_t i = 0; i < 64; i++) {
            touched += memory.after[i] != 0x5A;
            touched += held.after[i] != 0x5A;
        }
        for (int32_t i = 3; i < 16; i++) {
            touched += own[i] != 0x5A5A;
        }
        memcpy(out, own, 3 * sizeof own[0]);
        return touched;
    }
    """
    source.write_text(source.read_text() + guard)
    network = HostNetwork(tmp_path / "out", ["-Wno-unused-function"])
    assert len(network.manifest.inputs) == 5
    import ctypes

    arrays = [np.full(record.size, 77, record.element) for record in network.manifest.inputs]
    pointers = (ctypes.c_void_p * 5)(*(a.ctypes.data for a in arrays))
    result = np.zeros(3, np.int16)
    assert network._library.guarded(pointers, result.ctypes.data_as(ctypes.c_void_p)) == 0
    np.testing.assert_array_equal(network.run(*arrays)[0].ravel(), result)
