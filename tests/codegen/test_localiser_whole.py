"""A Mamba localiser, trained for seconds and exported for real: its C equals the reference, and LiteRT step by step."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tests.codegen.equality import litert
from tinyloc.bundle.schema import load_bundle, load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.manifest import Reference
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference

pytestmark = pytest.mark.slow

RECIPE = """
name = "tiny-compile"
seed = 3
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 2.0 }
[input]
hold_s = 1.0
[window]
steps = 10
hop = 5
[model]
architecture = "mamba"
hidden = 4
crf = true
[training]
epochs = 12
batch = 8
learning_rate = 0.03
chunk = 20
chunks_per_epoch = 32
[export]
arithmetics = ["int8", "int16x8"]
default = "int16x8"
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx2tf")
    from tinyloc.export import pipeline
    from tinyloc.training.recipe import parse_recipe
    from tinyloc.training.run import train

    directory = tmp_path_factory.mktemp("runs") / "tiny-compile"
    train(parse_recipe(RECIPE, "test"), directory)
    return pipeline.export_run(directory, explain=False, tell=lambda _: None)


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
def test_the_device_side_equals_the_reference(bundle: Path, arithmetic: str, tmp_path: Path) -> None:
    """Raw scans in, scores and decisions out, over whole recordings."""
    compile_bundle(bundle, tmp_path / "generated", arithmetic)  # type: ignore[arg-type]
    reference, host = LocaliserReference(bundle, arithmetic), HostLocaliser(tmp_path / "generated")  # type: ignore[arg-type]
    tests = load_test_set(bundle)
    decisions = 0
    for recording in tests.recordings():
        reference.reset()
        host.reset()
        for i in range(recording.start, recording.stop):
            wanted, got = reference.sample(*tests.sparse(i)), host.sample(*tests.sparse(i))
            np.testing.assert_array_equal(got.scores, wanted.scores)
            assert got.class_index == wanted.class_index
            decisions += wanted.class_index >= 0
    assert decisions > 10


def test_a_scan_of_its_own_is_told_and_can_be_declined(bundle: Path, tmp_path: Path) -> None:
    """By what the manifest says and by another model id, so that images are not taken for each other."""
    manifests = {
        reference: compile_bundle(bundle, tmp_path / reference, "int16x8", reference=reference)
        for reference in get_args(Reference)
    }
    assert {name: m.reference for name, m in manifests.items()} == {name: name for name in manifests}
    assert manifests["litert"].model_id != manifests["tinyloc"].model_id
    assert any("one selective scan" in line for line in manifests["tinyloc"].decisions)
    assert not any("one selective scan" in line for line in manifests["litert"].decisions)
    assert compile_bundle(bundle, tmp_path / "default", "int16x8").reference == "tinyloc"
    assert compile_bundle(bundle, tmp_path / "int8", "int8").reference == "litert"
    content = json.loads((bundle / "bundle.json").read_text())
    content["build"]["reference"] = "litert"
    other = shutil.copytree(bundle, tmp_path / "bundle")
    (other / "bundle.json").write_text(json.dumps(content))
    assert compile_bundle(other, tmp_path / "other", "int16x8").reference == "litert"


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
def test_the_reference_equals_litert_in_a_loop(bundle: Path, arithmetic: str) -> None:
    source = read_source(bundle, arithmetic, "litert")  # type: ignore[arg-type]
    graph = source.graph
    assert len(graph.states) == 2
    stepper = Stepper(graph)
    runner = litert((bundle / load_bundle(bundle).model(arithmetic).path).read_bytes())  # type: ignore[arg-type]
    carried = {
        before: np.full(graph.tensors[before].shape, graph.tensors[before].zero_point, graph.tensors[before].element)
        for before, _ in graph.states
    }
    chance = np.random.default_rng(0)
    (reading,), (scores,) = graph.inputs, graph.outputs
    limit = np.iinfo(graph.tensors[reading].element)
    for _ in range(100):
        x = chance.integers(limit.min, limit.max + 1, graph.tensors[reading].shape).astype(limit.dtype)
        x[chance.random(x.shape) < 0.3] = graph.tensors[reading].zero_point
        for t, values in ((reading, x), *carried.items()):
            runner.set_tensor(t, values)
        runner.invoke()
        carried = {before: runner.get_tensor(after) for before, after in graph.states}
        np.testing.assert_array_equal(stepper.step(x)[0], runner.get_tensor(scores))
        for before, _ in graph.states:
            np.testing.assert_array_equal(stepper.state[before], carried[before])
