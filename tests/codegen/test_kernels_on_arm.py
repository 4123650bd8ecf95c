"""The kernels as the cores run them: DSP instructions on the Cortex-M4, portable on it, and on the Cortex-M3."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.bench.sweep_models import Case
from tests.bench.sweep_models import model as layer
from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_same, load, random_inputs, reference_outputs
from tests.codegen.looping_models import recurrent
from tests.codegen.operators.element_wise_models import add_function, add_large_factors, add_two_operands
from tests.codegen.operators.product_models import (
    add_batch_matmul,
    add_convolutions,
    add_depthwise,
    add_fully_connected,
    add_transpose_convolutions,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph

VARIANTS = {"dsp": ("cortex-m4", []), "portable": ("cortex-m4", ["-DTL_PORTABLE"]), "m3": ("cortex-m3", [])}
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")


def everything(element: str) -> TFLiteModel:
    """Odd sizes, extreme zero points, saturation and shifts of both signs in each kind of kernel."""
    model = TFLiteModel()
    chance = np.random.default_rng(31)
    add_fully_connected(model, element, chance)
    add_depthwise(model, element, chance)
    add_batch_matmul(model, element, chance)
    add_convolutions(model, element, chance)
    add_transpose_convolutions(model, element, chance)
    add_large_factors(model, element)
    for kind in ("ADD", "SUB", "MUL"):
        add_two_operands(model, kind, element)
    for kind in ("EXP", "LOGISTIC", "TANH"):
        add_function(model, kind, element, values=300)
    return model


@pytest.mark.parametrize("element", ["int8", "int16", "a loop"])
def test_every_core_gives_the_reference(element: str, tmp_path: Path) -> None:
    graph = load(recurrent(2) if element == "a loop" else everything(element))
    compile_graph(graph, tmp_path / "generated")
    samples = random_inputs(graph, seed=5, count=3)
    expected = [reference_outputs(graph, inputs) for inputs in samples]
    for name, (core, flags) in VARIANTS.items():
        network = ArmNetwork(tmp_path / "generated", core, flags)
        for inputs, wanted in zip(samples, expected, strict=True):
            assert_same(f"NumPy and C on {name}", wanted, network.run(*inputs), graph)


def test_variants_are_what_they_say(tmp_path: Path) -> None:
    """SMLAD is in the DSP form only: the comparison above compares two things."""
    model = TFLiteModel()
    add_fully_connected(model, "int8", np.random.default_rng(2))
    compile_graph(load(model), tmp_path / "generated")
    found = {}
    for name, (core, flags) in VARIANTS.items():
        ArmNetwork(tmp_path / "generated", core, flags)
        listing = subprocess.run(
            ["arm-none-eabi-objdump", "-d", str(tmp_path / "generated" / "model.elf")],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found[name] = "smlad" in listing
    assert found == {"dsp": True, "portable": False, "m3": False}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(5, 3, 5), (6, 4, 2), (7, 9, 4), (11, 17, 6)])
def test_lines_of_a_depthwise_layer(size: tuple[int, int, int], stride: int, tmp_path: Path) -> None:
    """Lines of less than four outputs, of whole fours, and with one to three outputs more."""
    graph = load(layer(Case(size, size[2], (3, 3), stride, 1), "saturating"))
    compile_graph(graph, tmp_path / "generated")
    (inputs,) = random_inputs(graph, seed=7, count=1)
    wanted = reference_outputs(graph, inputs)
    for name in ("dsp", "m3"):
        core, flags = VARIANTS[name]
        network = ArmNetwork(tmp_path / "generated", core, [*flags, "-O2"])
        assert_same(f"NumPy and C on {name}", wanted, network.run(*inputs), graph)
