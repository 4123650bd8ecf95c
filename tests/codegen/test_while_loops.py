"""WHILE: loops of constant trips equal LiteRT's byte for byte, others are refused by what they depend on."""

from pathlib import Path

import pytest

from tests.codegen.equality import assert_same, litert, load, native, random_inputs, reference_outputs
from tests.codegen.looping_models import STEPS, recurrent
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.passes import optimise


@pytest.mark.parametrize("inner", [0, 2])
def test_constant_trips(inner: int) -> None:
    model = recurrent(inner)
    graph, runner = load(model), litert(model.content())
    compiled = native(optimise(graph, sparse_input=False)[0])
    for inputs in random_inputs(graph, 1):
        runner.set_tensor(runner.get_input_details()[0]["index"], inputs[0])
        runner.invoke()
        expected = [runner.get_tensor(end["index"]) for end in runner.get_output_details()]
        assert_same("NumPy and LiteRT", reference_outputs(graph, inputs), expected, graph)
        assert_same("C and LiteRT", compiled.run(*inputs), expected, graph)
    assert [graph.tensors[t].name for t in graph.outputs][1] == "h"
    assert {"WHILE", "LESS", "LOGICAL_AND"}.isdisjoint(op.kind for op in graph.operators)
    assert sum(op.kind == "TANH" for op in graph.operators) == STEPS
    constants = [op.inputs[1] for op in graph.operators if op.kind == "FULLY_CONNECTED"]
    assert len(set(constants)) == 3  # of a body, once for all trips


def test_trips_that_depend_on_an_input() -> None:
    with pytest.raises(CompileError, match="WHILE: how often it runs depends on what is computed; fix the number of"):
        load(recurrent(computed=True))


def test_loops_without_end_and_in_themselves(tmp_path: Path) -> None:
    endless = recurrent()
    endless.model.subgraphs[2].operators[1].inputs = endless.model.subgraphs[2].operators[0].inputs  # one counter
    endless.model.subgraphs[2].outputs[0] = endless.model.subgraphs[2].inputs[0]
    nested = recurrent(2)
    nested.model.subgraphs[2].operators[-1].builtinOptions.bodySubgraphIndex = 2
    missing = recurrent()
    missing.model.subgraphs[0].operators[0].builtinOptions.bodySubgraphIndex = 7
    for model, reason in ((endless, "20,000"), (nested, "other operands"), (missing, "subgraph that the file")):
        with pytest.raises(CompileError, match=reason):
            load(model)
