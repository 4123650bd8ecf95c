"""Back end cmsis_nn: the library equals its NumPy reference, and LiteRT where docs/reference/backends.md says so.

Two sources of the library: the subset in the package bakenn (fully connected and convolutions of int8), and the user's
own build, for all operators.
"""

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_same, load, random_inputs, reference_outputs
from tests.codegen.operators.element_wise_models import add_two_operands
from tests.codegen.operators.product_models import (
    add_batch_matmul,
    add_convolutions,
    add_depthwise,
    add_fully_connected,
    bias_of,
    output_scale,
    scaled,
    weights_of,
)
from tests.codegen.operators.test_lstm import a_sequence
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import bakenn_sources, build_archive, core_headers, users_directory
from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.archive import Core, find_archive, read_archive
from tinyloc.codegen.backends.cmsis_nn.library import CmsisNn, find_cmsis_nn, library_sizes, use_library
from tinyloc.codegen.backends.cmsis_nn.library_rule import PREFIX, LibraryCall
from tinyloc.codegen.backends.cmsis_nn.operators import LIBRARY_RULES
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import run_graph

pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
CORES: list[Core] = ["cortex-m4f", "cortex-m3"]


@pytest.fixture(scope="module")
def sources(request: pytest.FixtureRequest) -> Path:
    return bakenn_sources(request.config.cache.mkdir("bakenn"))


@pytest.fixture(scope="module", params=CORES)
def subset(request: pytest.FixtureRequest, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> CmsisNn:
    directory = build_archive(sources, tmp_path_factory.mktemp(request.param), request.param)
    return CmsisNn(directory / "Include", read_archive(directory / "libcmsis-nn.a"))


@pytest.fixture
def own() -> CmsisNn:
    users_directory("CMSIS_NN_DIR")
    return find_cmsis_nn()


def with_library(graph: Graph) -> Graph:
    """As the compiler chooses, without a library at hand."""
    return optimise(graph, sparse_input=False, use_library=functools.partial(use_library, library=None))[0]


def chosen(graph: Graph) -> list[str]:
    return [op.kind for op in with_library(graph).operators if op.kind.startswith(PREFIX)]


def differences(model: TFLiteModel, library: CmsisNn, directory: Path) -> tuple[int, int]:
    """Run on the core and compare with the reference; gives (values that differ from LiteRT's, the largest of it)."""
    graph = load(model)
    compile_graph(graph, directory / "generated", library=library)
    core = "cortex-m3" if library.archive.core == "cortex-m3" else "cortex-m4"
    archive = ["-Wl,--whole-archive", str(library.archive.path), "-Wl,--no-whole-archive"]
    flags = [*library.archive.flags, "-isystem", str(library.headers), *archive]
    network = ArmNetwork(directory / "generated", core, flags)
    expected = with_library(graph)
    count = largest = 0
    for inputs in random_inputs(graph, seed=5, count=4):
        values = run_graph(expected, dict(zip(expected.inputs, inputs, strict=True)))
        found = network.run(*inputs)
        assert_same("CMSIS-NN and its reference", [values[t] for t in expected.outputs], found, graph)
        for ours, theirs in zip(found, reference_outputs(graph, inputs), strict=True):
            gap = np.abs(ours.astype(np.int64) - theirs)
            count, largest = count + int((gap > 0).sum()), max(largest, int(gap.max()))
    return count, largest


def add_plain_layers(model: TFLiteModel, chance: np.random.Generator) -> None:
    """FULLY_CONNECTED with one scale for all channels, which every version of the library has."""
    for depth, channels, rows in [(1, 1, 1), (7, 9, 1), (8, 3, 2), (64, 13, 1), (129, 70, 3)]:
        x = scaled(model, (rows, depth), "int8", chance)
        w, scales = weights_of(model, (channels, depth), channels, 0, chance, per_channel=False)
        bias = bias_of(model, x, scales, channels, "int8", chance)
        scale = output_scale(model, x, scales, depth, "int8", chance)
        y = model.unary("FULLY_CONNECTED", [x, w, bias], (rows, channels), "int8", scale, -3)
        model.output(y)


def test_fully_connected_of_the_subset(
    subset: CmsisNn, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded twice, where LiteRT rounds once: halves fall otherwise, by one at most."""
    monkeypatch.setenv("C_INCLUDE_PATH", str(core_headers(sources)))
    model = TFLiteModel()
    add_plain_layers(model, np.random.default_rng(4))
    count, largest = differences(model, subset, tmp_path)
    assert count < 20 and largest <= 1


def convolution(groups: int) -> TFLiteModel:
    """A padded one, then a depthwise one, in a chain."""
    model, chance = TFLiteModel(), np.random.default_rng(8)
    x = model.input((1, 9, 7, 6), "int8", 0.05, -11)
    w = model.constant(chance.integers(-127, 128, (8, 3, 3, 6 // groups)), "int8", [0.01 + 0.001 * i for i in range(8)])
    bias = model.constant(chance.integers(-900, 900, 8), "int32", [0.0005] * 8)
    options = {"strideH": 1, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": 1}
    y = model.unary("CONV_2D", [x, w, bias], (1, 9, 4, 8), "int8", 0.09, -7, padding=0, **options)
    taps = model.constant(chance.integers(-127, 128, (1, 3, 3, 8)), "int8", [0.02] * 8, axis=3)
    z = model.unary("DEPTHWISE_CONV_2D", [y, taps, -1], (1, 7, 1, 8), "int8", 0.2, 5, padding=1, depthMultiplier=1,
                    **options)  # fmt: skip
    model.output(z)
    return model


def test_convolutions_of_the_subset(
    subset: CmsisNn, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte as LiteRT; and the buffer is what the library asks for, in its place in the arena."""
    monkeypatch.setenv("C_INCLUDE_PATH", str(core_headers(sources)))
    model = convolution(groups=1)
    assert chosen(load(model)) == ["CMSIS_NN_CONV_2D", "CMSIS_NN_DEPTHWISE_CONV_2D"]
    assert differences(model, subset, tmp_path) == (0, 0)
    text = (tmp_path / "generated" / "model.c").read_text()
    assert "arm_convolve_wrapper_s8(&context" in text and "context = {scratch, " in text


def test_an_older_library_says_what_it_lacks(subset: CmsisNn, tmp_path: Path) -> None:
    model = TFLiteModel()
    add_fully_connected(model, "int8", np.random.default_rng(1))  # some layers have a scale a channel
    with pytest.raises(BackendError, match="has no arm_fully_connected_per_channel_s8, which this model needs"):
        compile_graph(load(model), tmp_path / "generated", library=subset)


def test_the_archive_tells_its_core(subset: CmsisNn) -> None:
    assert subset.archive.core in CORES
    assert subset.archive.runs_on(subset.archive.core)
    assert not subset.archive.runs_on(next(core for core in CORES if core != subset.archive.core))


def test_a_size_comes_from_the_library(subset: CmsisNn, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C_INCLUDE_PATH", str(core_headers(sources)))
    dims = "const cmsis_nn_dims filter = {.n = 40, .h = 1, .w = 1, .c = 4};"
    asked = LibraryCall((dims,), "", size="arm_avgpool_s8_get_buffer_size(5, 12)")
    none = LibraryCall((), "")
    sizes = library_sizes(subset, [none, asked, none])
    assert sizes == [0, 48 if subset.archive.core == "cortex-m4f" else 0, 0]  # 32-bit sums, with DSP only


Builder = Callable[[TFLiteModel, str, np.random.Generator], None]


def two_operands(kind: str) -> Builder:
    return lambda model, element, chance: add_two_operands(model, kind, element)


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize(
    ("kind", "builder"),
    [
        ("FULLY_CONNECTED", add_fully_connected),
        ("CONV_2D", add_convolutions),
        ("DEPTHWISE_CONV_2D", add_depthwise),
        ("BATCH_MATMUL", add_batch_matmul),
        ("ADD", two_operands("ADD")),
        ("MUL", two_operands("MUL")),
    ],
)
def test_operators_of_the_users_library(
    kind: str, builder: Builder, element: str, own: CmsisNn, tmp_path: Path
) -> None:
    """What LiteRT rounds once differs by one at most; everything else is equal byte for byte."""
    model = TFLiteModel()
    builder(model, element, np.random.default_rng(3))
    assert PREFIX + kind in chosen(load(model))
    count, largest = differences(model, own, tmp_path)
    assert largest <= 1 if kind == "FULLY_CONNECTED" else (count, largest) == (0, 0)


def pool(model: TFLiteModel, kind: str, element: str) -> None:
    scale = 0.07 if element == "int8" else 0.0007
    x = model.input((1, 5, 7, 6), element, scale, 3 if element == "int8" else 0)
    for padding, size in ((0, (3, 4)), (1, (2, 3))):
        y = model.unary(kind, [x], (1, *size, 6), element, scale, 3 if element == "int8" else 0, padding=padding,
                        strideH=2, strideW=2, filterHeight=3, filterWidth=3, fusedActivationFunction=1)  # fmt: skip
        model.output(y)


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools_of_the_users_library(kind: str, element: str, own: CmsisNn, tmp_path: Path) -> None:
    model = TFLiteModel()
    pool(model, kind, element)
    assert chosen(load(model)) == [PREFIX + kind] * 2
    assert differences(model, own, tmp_path) == (0, 0)


def test_softmax_of_the_users_library(own: CmsisNn, tmp_path: Path) -> None:
    model = TFLiteModel()
    for shape, scale in (((1, 10), 0.1), ((3, 59), 0.02), ((2, 4), 0.5)):
        x = model.input(shape, "int8", scale, 3)
        model.output(model.unary("SOFTMAX", [x], shape, "int8", 1 / 256, -128, beta=1.0))
    assert chosen(load(model)) == ["CMSIS_NN_SOFTMAX"] * 3
    assert differences(model, own, tmp_path) == (0, 0)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("cell_bits", [0, 2, 4, 6])
def test_lstm_of_the_users_library(cell_bits: int, last: bool, own: CmsisNn, tmp_path: Path) -> None:
    """Its sigmoid and tanh are tables, LiteRT's are exponentials: rows differ by a few of 256."""
    model = a_sequence(cell_bits, 9, last, cell_bits=cell_bits, clip=0.9 * 2**cell_bits if cell_bits > 2 else 0.0)
    assert chosen(load(model)) == ["CMSIS_NN_UNIDIRECTIONAL_SEQUENCE_LSTM"]
    _, largest = differences(model, own, tmp_path)
    assert largest <= 4


def test_what_the_library_has_not_stays_ours() -> None:
    """Products whose second operand is not transposed, operands of two shapes, and softmax of int16."""
    model = TFLiteModel()
    a, b = model.input((1, 3, 4), "int8"), model.input((1, 4, 2), "int8")
    model.output(model.unary("BATCH_MATMUL", [a, b], (1, 3, 2), "int8", 0.3, adjY=False))
    c = model.input((1, 1, 4), "int8")
    model.output(model.unary("ADD", [a, c], (1, 3, 4), "int8", 0.2))
    d = model.input((1, 5), "int16", 0.001)
    model.output(model.unary("SOFTMAX", [d], (1, 5), "int16", 1 / 32768, beta=1.0))
    assert chosen(load(model)) == []


def test_every_rule_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "reference" / "backends.md").read_text()
    assert [kind for kind in LIBRARY_RULES if f"| {kind} |" not in document] == []


def test_without_the_variable_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMSIS_NN_DIR", raising=False)
    with pytest.raises(BackendError, match=r"CMSIS_NN_DIR is not set\. .*github\.com/ARM-software/CMSIS-NN.*headers"):
        find_cmsis_nn()


def test_a_directory_that_is_not_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CMSIS_NN_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(BackendError, match="nowhere is not a directory"):
        find_cmsis_nn()
    monkeypatch.setenv("CMSIS_NN_DIR", str(tmp_path))
    with pytest.raises(BackendError, match=r"has no Include/arm_nnfunctions\.h"):
        find_cmsis_nn()
    (tmp_path / "Include").mkdir()
    (tmp_path / "Include" / "arm_nnfunctions.h").write_text("")
    with pytest.raises(BackendError, match=r"has no libcmsis-nn\.a, nor has lib, build"):
        find_cmsis_nn()


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"!<arch>\nx", b"not an archive", b"!<arch>\n" + b"a" * 80])
def test_a_damaged_archive(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "libcmsis-nn.a"
    path.write_bytes(content)
    with pytest.raises(BackendError, match="not an archive of objects for Cortex-M3 or Cortex-M4"):
        find_archive(tmp_path, "libcmsis-nn.a", "CMSIS_NN_DIR", "")


@pytest.mark.parametrize(
    ("flags", "core"),
    [
        (["-mcpu=cortex-m3", "-mthumb"], "cortex-m3"),
        (["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"], "cortex-m4"),
        (["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"], "cortex-m4f"),
        (["-mcpu=cortex-m0", "-mthumb"], None),
    ],
)
def test_the_core_of_an_archive(flags: list[str], core: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("float half(float x); float half(float x) { return x / 2; }")
    subprocess.run([COMPILER, *flags, "-c", "a.c"], cwd=tmp_path, check=True)
    subprocess.run(["arm-none-eabi-ar", "rcsD", "liba.a", "a.o"], cwd=tmp_path, check=True)
    if core is None:
        with pytest.raises(BackendError, match="not an archive of objects"):
            read_archive(tmp_path / "liba.a")
    else:
        assert read_archive(tmp_path / "liba.a").core == core
