"""Fast or small kernels by the flash that there is: the choice, the bytes it gives, and that answers do not change."""

from pathlib import Path

import numpy as np
import pytest

from tests.bench import form_costs
from tests.codegen.equality import assert_same, litert, load, random_inputs, reference_outputs
from tests.codegen.test_convolution_figures import keyword_spotting
from tests.codegen.tflite_models import TFLiteModel
from tests.host_network import HostNetwork
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.samples import Samples
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.lowering.kernel_costs import kernel_costs
from tinyloc.codegen.lowering.kernel_selection import FormOptions, apply_forms
from tinyloc.codegen.passes import optimise
from tinyloc.device.network.flash_budget import BudgetError
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import answer, compiled_network


def of_every_kind(element: str) -> TFLiteModel:
    """A convolution, one in groups, a depthwise one, a transposed one, a dense layer, and of int8 a softmax."""
    model, chance = TFLiteModel(), np.random.default_rng(0)
    scale, wide = (0.05, "int32") if element == "int8" else (0.0002, "int64")
    x = model.input((1, 6, 6, 4), element, scale)

    def taps(*shape: int, axis: int = 0) -> list[int]:
        weights = model.constant(chance.integers(-127, 128, shape), "int8", [0.01] * shape[axis], axis=axis)
        return [weights, model.constant(chance.integers(-900, 900, shape[axis]), wide, [scale * 0.01] * shape[axis])]

    options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    y = model.unary("CONV_2D", [x, *taps(8, 3, 3, 4)], (1, 6, 6, 8), element, 4 * scale, **options)
    y = model.unary("CONV_2D", [y, *taps(8, 1, 1, 4)], (1, 6, 6, 8), element, 4 * scale, **options)
    options["depthMultiplier"] = 1
    y = model.unary("DEPTHWISE_CONV_2D", [y, *taps(1, 3, 3, 8, axis=3)], (1, 6, 6, 8), element, 6 * scale, **options)
    weights, bias = taps(2, 2, 2, 8)
    sizes = model.constant([1, 12, 12, 2])
    y = model.unary(
        "TRANSPOSE_CONV", [sizes, weights, y, bias], (1, 12, 12, 2), element, 9 * scale, padding=0, strideH=2, strideW=2
    )
    y = model.unary("RESHAPE", [y, model.constant([1, 288])], (1, 288), element, 9 * scale)
    y = model.unary("FULLY_CONNECTED", [y, *taps(20, 288)], (1, 20), element, scale)
    if element == "int8":
        y = model.unary("SOFTMAX", [y], (1, 20), element, 1 / 256, -128, beta=1.0)
    model.output(y)
    return model


def forms_of(graph: Graph, options: FormOptions) -> list[str]:
    return [record.form for record in apply_forms(graph, options)[1].values()]


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_small_forms_give_the_same_bytes(element: str, tmp_path: Path) -> None:
    model = of_every_kind(element)
    graph, runner = load(model), litert(model.content())
    manifest = compile_graph(graph, tmp_path / "small", forms=FormOptions("budget", level="Os", save_bytes=10**6))
    assert {layer.form for layer in manifest.layers} == {"small"}
    assert all("estimate" in layer.form_why for layer in manifest.layers)
    compiled = HostNetwork(tmp_path / "small")
    for inputs in random_inputs(graph, seed=2):
        expected = reference_outputs(graph, inputs)
        assert_same("NumPy and C in small form", expected, compiled.run(*inputs), graph)
        runner.set_tensor(graph.inputs[0], inputs[0])
        runner.invoke()
        assert_same("NumPy and LiteRT", expected, [runner.get_tensor(t) for t in graph.outputs], graph)


def test_the_choice() -> None:
    """Nothing to save: all fast. More to save: more small layers, the cheapest first; too much: all that help."""
    graph, _ = optimise(load(of_every_kind("int8")))
    assert set(forms_of(graph, FormOptions("speed"))) == set(forms_of(graph, FormOptions("budget"))) == {"fast"}
    counts = [forms_of(graph, FormOptions("budget", save_bytes=n)).count("small") for n in (1, 900, 2500, 4500, 10**6)]
    assert counts[0] == 1 and counts == sorted(counts) and counts[-1] == len(forms_of(graph, FormOptions()))


def test_size_costs_at_most_three_times_the_cycles_and_no_ram(tmp_path: Path) -> None:
    """On a keyword network the smallest forms took 17 times the cycles and 1.7 times the RAM."""
    path = keyword_spotting().write(tmp_path / "model.tflite")
    board, found = load_board("cortex-m4"), {}
    graph = load(keyword_spotting())
    inputs = random_inputs(graph, seed=5, count=1)
    for aim in ("speed", "size"):
        with compiled_network(path, board, aim=aim) as network:  # type: ignore[arg-type]
            cycles = run_network(network.image.elf, board, network.manifest, inputs, 1).costs[0].cycles
            found[aim] = cycles, network.manifest.arena_bytes
    assert found["size"][0] <= 3 * found["speed"][0] and found["size"][1] <= found["speed"][1]


def test_a_kernel_goes_with_its_last_layer_only() -> None:
    """Of two layers of one kernel either both become small or none does."""
    model = TFLiteModel()
    for channels in (8, 300):
        x = model.input((1, 32))
        weights = model.constant(np.random.default_rng(1).integers(-127, 128, (channels, 32)), "int8", 0.01)
        model.output(model.unary("FULLY_CONNECTED", [x, weights, -1], (1, channels), "int8", 0.1))
    graph, _ = optimise(load(model), sparse_input=False)
    whole = sum(kernel_costs()["cortex-m4f"]["O2"]["fully_connected_s8"].functions.values())
    assert forms_of(graph, FormOptions("budget", save_bytes=whole // 2)) == ["small", "small"]
    assert forms_of(graph, FormOptions("budget")) == ["fast", "fast"]


def test_steps_that_are_not_needed_are_taken_back() -> None:
    """The table of the softmax pays best a cycle, but does not do alone; with a kernel gone it may not be needed."""
    graph, _ = optimise(load(of_every_kind("int8")))
    chosen = [forms_of(graph, FormOptions("budget", save_bytes=n)) for n in range(100, 8000, 50)]
    softmax = [forms[-1] for forms in chosen]
    first = softmax.index("small")
    assert "fast" in softmax[first:], "the table came back when something larger went"
    assert softmax[-1] == "small"


def test_a_network_that_fits_with_small_forms_only(tmp_path: Path) -> None:
    """The same network in more and less flash: both within the budget, both equal to the references on every byte."""
    board, path = load_board("cortex-m4"), of_every_kind("int8").write(tmp_path / "model.tflite")
    with compiled_network(path, board, aim="budget") as network:
        roomy = network.image.sizes.image_flash_bytes
        assert network.small_layers == [] and network.optimise == "O2" and network.image.fits
    with compiled_network(path, board, optimise="Os") as network:
        fast = network.image.sizes.image_flash_bytes
    limit = fast - 600
    with compiled_network(path, board, aim="budget", flash_budget=limit) as network:
        assert network.image.fits and network.image.sizes.image_flash_bytes <= limit < roomy
        forms = {layer.form for layer in network.manifest.layers if layer.form}
        assert forms == {"fast", "small"}, "some layers had room for their fast form"
        rows = random_inputs(load(of_every_kind("int8")), seed=5, count=2)
        answers = answer(network, Samples(rows, True, True))
        assert answers.equal and all(c.samples == 2 for c in answers.comparisons)
        chosen = network.small_layers
    with compiled_network(path, board, aim="budget", flash_budget=limit) as network:
        assert network.small_layers == chosen


def test_a_budget_that_cannot_be_met(tmp_path: Path) -> None:
    board, path = load_board("cortex-m3"), of_every_kind("int16").write(tmp_path / "model.tflite")
    with compiled_network(path, board, aim="budget", flash_budget=2000) as network:
        (problem,) = network.image.problems
        assert "more than the budget of 2000" in problem and not network.image.fits
        assert network.optimise == "Os" and {layer.form for layer in network.manifest.layers} == {"small"}
    with pytest.raises(BudgetError, match="above 0"), compiled_network(path, board, flash_budget=0):
        pass


@pytest.mark.parametrize("core", form_costs.BOARDS)
def test_the_table_of_costs_is_of_these_kernels(core: str) -> None:
    """Within a fifth; else run tests/bench/form_costs.py."""
    board = load_board(form_costs.BOARDS[core])  # type: ignore[index]
    for fast in ("depthwise_rows_s8", "fully_connected_s16"):
        element = "int8" if fast.endswith("s8") else "int16"
        build = next(build for names, build in form_costs.typical(element).items() if names[0] == fast)
        found, _ = form_costs.measured(build(), board, FormOptions("speed", core))  # type: ignore[arg-type]
        known = kernel_costs()[core]["O2"][fast].functions  # type: ignore[index]
        assert set(known) <= set(found)
        assert sum(found[name] for name in known) == pytest.approx(sum(known.values()), rel=0.2)
