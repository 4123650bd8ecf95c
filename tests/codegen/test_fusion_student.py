"""The fusion's student through the compiler: the same integers in training, in the compiler's reference, in C."""

from pathlib import Path

import numpy as np
import pytest

from tests.fusion_host import any_student
from tests.host_network import HostNetwork
from tinyloc.codegen.fusion import compile_fusion, student_graph
from tinyloc.codegen.semantics.integer_graph import run_graph
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.students.quantised import INPUT_SCALE, OUTPUT_SCALE
from tinyloc.training.fusion.students.scaling import INPUTS
from tinyloc.training.fusion.students.student_files import load_student

RESULTS = Path(__file__).resolve().parents[2] / "results" / "fusion"
ANCHORS = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 5.0]])


@pytest.mark.parametrize("name", ["any", "loop", "corridor", "room"])
def test_three_executions_agree(name: str, tmp_path: Path) -> None:
    student = any_student() if name == "any" else load_student(RESULTS / f"{name}-student.json")
    compile_fusion(student, FilterSettings(), ANCHORS, tmp_path / "generated")
    host, graph = HostNetwork(tmp_path / "generated"), student_graph(student)
    chance = np.random.default_rng(0)
    for scale in (0.5, 2.0, 40.0):
        real = chance.normal(0, scale, (40, INPUTS))
        expected = student.outputs(real)
        inputs = np.trunc(np.clip(real, -4, 4) / INPUT_SCALE + np.copysign(0.5, real)).astype(np.int16)
        for row, values in zip(inputs, expected, strict=True):
            integers = np.rint(values / OUTPUT_SCALE).astype(np.int16)
            assert np.array_equal(run_graph(graph, {0: row[None]})[graph.outputs[0]][0], integers)
            assert np.array_equal(host.run(row[None])[0][0], integers)


def test_the_same_student_gives_the_same_bytes_and_another_one_another_id(tmp_path: Path) -> None:
    def made(name: str, seed: int, settings: FilterSettings) -> tuple[str, dict[str, bytes]]:
        manifest = compile_fusion(any_student(seed), settings, ANCHORS, tmp_path / name)
        return manifest.model_id, {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    one, files = made("one", 0, FilterSettings())
    assert (one, files) == made("two", 0, FilterSettings())
    assert one != made("three", 1, FilterSettings())[0]
    assert one != made("four", 0, FilterSettings(r=0.7))[0]
