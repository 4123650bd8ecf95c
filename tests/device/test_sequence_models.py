"""LSTM, GRU and MDCSA exported for real and run as steps on the emulated core: every byte as NumPy's and LiteRT's.

And the figure that keeping rows is worth: a step of MDCSA against its window form.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyloc.boards import load_board
from tinyloc.codegen.frontend.samples import Samples
from tinyloc.device.network.run_network import Network, answer, compiled_network
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings

pytestmark = pytest.mark.slow

ACCESS_POINTS, CLASSES, STEPS = 8, 4, 45
ERROR = {"int8": 0.15, "int16x8": 0.05}
"""Root mean square error of the scores over their deviation, random weights."""


def walk(samples: int, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """(N, P) readings that drift, some of them missing."""
    chance = np.random.default_rng(seed)
    level = np.clip(0.5 + np.cumsum(chance.normal(0, 0.06, (samples, ACCESS_POINTS)), axis=0), 0, 1)
    return (level * (chance.random(level.shape) > 0.15)).astype(np.float32)


def shaken(**settings: object) -> Localiser:
    torch.manual_seed(7)
    model = build_model(ModelSettings.model_validate(settings), ACCESS_POINTS, CLASSES).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@dataclass(frozen=True)
class Step:
    """An exported step: its folder, and the states to carry."""

    directory: Path
    states: tuple[tuple[str, str], ...]
    errors: dict[str, float]

    def cycles(self, arithmetic: str, board: str) -> tuple[float, Network]:
        """Median cycles of a step past its first T; every byte is compared on the way."""
        with compiled_network(self.directory / f"{arithmetic}.tflite", load_board(board), self.states) as network:
            (argument,) = network.manifest.inputs
            quantised = np.rint(walk(STEPS, seed=5) / argument.scale) + argument.zero_point
            limits = np.iinfo(argument.element)
            rows = np.clip(quantised, limits.min, limits.max).astype(argument.element)
            answers = answer(network, Samples([[row[None]] for row in rows], batched=True, added=False), measured=STEPS)
            assert [(c.samples, c.equal) for c in answers.comparisons] == [(STEPS, STEPS)] * 2
            assert len({rows.tobytes() for rows in answers.outputs[0]}) > STEPS // 2
            return float(np.median([cost.cycles for cost in answers.result.costs[20:]])), network


MODELS = {
    "lstm": {"architecture": "lstm", "hidden": 16},
    "gru": {"architecture": "gru", "hidden": 16},
    "mdcsa": {"architecture": "mdcsa", "hidden": 16},
    "mdcsa of three blocks": {"architecture": "mdcsa", "hidden": 16, "layers": 3},
}


@pytest.fixture(scope="module", params=MODELS)
def step(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Step:
    pytest.importorskip("onnx2tf")
    from tinyloc.export.pipeline import export_model

    directory = tmp_path_factory.mktemp("step")
    model = shaken(**MODELS[request.param])
    exported = export_model(model, walk(300, 1), [walk(120, 2)], directory / "model.onnx", ["int8", "int16x8"])
    for arithmetic, content in exported.files.items():
        (directory / f"{arithmetic}.tflite").write_bytes(content)
    states = tuple(zip(exported.names.state_inputs, exported.names.state_outputs, strict=True))
    return Step(directory, states, {stage.stage: stage.error for stage in exported.stages})


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
def test_a_step_runs_as_numpy_and_litert_say_on_both_cores(step: Step, arithmetic: str) -> None:
    assert step.errors[arithmetic] < ERROR[arithmetic]
    for board in ("cortex-m4", "cortex-m3"):
        _, network = step.cycles(arithmetic, board)
        decisions = network.manifest.decisions
        shifts = [name for name, _ in step.states if name not in ("attended_in",) and name[:2] not in ("h_", "c_")]
        for name in shifts:  # the window of the last convolution is too short to be one
            assert any(line.startswith(f"{name}: a ring of") for line in decisions), (name, decisions)


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
def test_a_sample_costs_a_sixth_of_the_window_at_most(tmp_path: Path, arithmetic: str) -> None:
    """MDCSA H16L1, T = 20: one row against twenty."""
    pytest.importorskip("onnx2tf")
    from tests.window_form import window_files
    from tinyloc.export.pipeline import export_model

    model = shaken(architecture="mdcsa", hidden=16)
    exported = export_model(model, walk(300, 1), [walk(60, 2)], tmp_path / "step.onnx", [arithmetic])
    (tmp_path / f"{arithmetic}.tflite").write_bytes(exported.files[arithmetic])
    states = tuple(zip(exported.names.state_inputs, exported.names.state_outputs, strict=True))
    step_cycles, _ = Step(tmp_path, states, {}).cycles(arithmetic, "cortex-m4")

    published = shaken(architecture="mdcsa", hidden=16, attention="window")
    windows = walk(20 * 12, 3).reshape(12, 20, ACCESS_POINTS)
    content = window_files(published, windows, tmp_path / "window.onnx", [arithmetic])[arithmetic]
    (tmp_path / "window.tflite").write_bytes(content)
    with compiled_network(tmp_path / "window.tflite", load_board("cortex-m4")) as network:
        (reading,), (scores,) = network.manifest.inputs, network.manifest.outputs
        quantised = np.rint(windows.reshape(12, 1, -1) / reading.scale) + reading.zero_point
        limits = np.iinfo(reading.element)
        rows = np.clip(quantised, limits.min, limits.max).astype(reading.element)
        answers = answer(network, Samples([[row] for row in rows[:2]], batched=True, added=False), measured=2)
        assert answers.equal
        with torch.no_grad():
            expected = published.network(torch.from_numpy(windows[:2])).numpy()
        found = np.stack(answers.outputs[0]).astype(np.float64).reshape(expected.shape) - scores.zero_point
        error = np.sqrt(np.square(found * scores.scale - expected).mean()) / expected.std()
        assert error < 2 * ERROR[arithmetic]
        assert 6 * step_cycles <= answers.result.costs[0].cycles
