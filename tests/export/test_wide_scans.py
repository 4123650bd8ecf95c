"""MDCSA on scans of many access points: sums of few columns differ much in size, and integers follow them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tinyloc.codegen.compile import compile_tflite
from tinyloc.export.step_form import flat_state, step_form
from tinyloc.export.step_parts import MANY_INPUTS, Centred, CentredInStrides
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings

if TYPE_CHECKING:
    from tinyloc.export.pipeline import Exported  # needs the tools of export

INPUTS, CLASSES = 96, 6


def scans(count: int, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """(N, P) model input: one to twenty access points heard, many of them weakly; the first scan hears none."""
    chance = np.random.default_rng(seed)
    heard = chance.random((count, INPUTS)) < chance.uniform(0.01, 0.2, (count, 1))
    rows = np.where(heard, chance.random((count, INPUTS)) ** 2, 0.0).astype(np.float32)
    rows[0] = 0.0
    return rows


def wide(inputs: int = INPUTS) -> Localiser:
    """As training leaves it: columns of the first layer far from zero, its bias near."""
    torch.manual_seed(3)
    settings = {"architecture": "mdcsa", "hidden": 8, "context": 6}
    model = build_model(ModelSettings.model_validate(settings), inputs, CLASSES).eval()
    with torch.no_grad():
        model.embed.weight.normal_(0.0, 1.0)
        model.embed.bias.normal_(0.0, 0.004)
    return model


def assert_compiles(exported: "Exported", place: Path) -> None:
    states = list(zip(exported.names.state_inputs, exported.names.state_outputs, strict=True))
    for arithmetic, content in exported.files.items():
        path = place / f"{arithmetic}.tflite"
        path.write_bytes(content)
        assert compile_tflite(path, place / arithmetic, states).constant_bytes > 0


@torch.no_grad()
def test_two_strides_are_the_layer_norm_down_to_a_silent_scan() -> None:
    model, found = wide(), []
    step = step_form(model)
    assert isinstance(step.norm[0].centred, CentredInStrides)
    rows = torch.from_numpy(scans(60, 1))
    for row in rows:
        scores, *_ = step(row[None], *flat_state(model, model.initial_state(1)))
        found.append(scores[0])
    torch.testing.assert_close(torch.stack(found), model.scores(rows, apart=True), atol=1e-4, rtol=1e-4)


def test_a_narrow_model_is_exported_as_ever() -> None:
    assert isinstance(step_form(wide(MANY_INPUTS - 1)).norm[0].centred, Centred)


@pytest.mark.slow
def test_integers_follow_weak_scans(tmp_path: Path) -> None:
    pytest.importorskip("onnx2tf")
    from tinyloc.export.pipeline import export_model

    streams = [row[None] for row in scans(120, 2)]
    exported = export_model(
        wide(), scans(300, 1), streams, tmp_path / "step.onnx", ["int8", "int16x8"], apart=True
    )  # fmt: skip
    errors = {stage.stage: stage.error for stage in exported.stages}
    assert errors["int16x8"] < 0.02 and errors["int8"] < 0.15
    assert_compiles(exported, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lstm", "gru", "mamba"])
def test_a_model_that_starts_anew_at_every_scan_compiles_in_both_arithmetics(kind: str, tmp_path: Path) -> None:
    """What its state brings is always 0, and a range of nothing must not make factors that overflow."""
    pytest.importorskip("onnx2tf")
    from tinyloc.export.pipeline import export_model

    torch.manual_seed(3)
    settings = ModelSettings.model_validate({"architecture": kind, "hidden": 6})
    model = build_model(settings, INPUTS, CLASSES).eval()
    streams = [row[None] for row in scans(60, 2)]
    exported = export_model(model, scans(200, 1), streams, tmp_path / "step.onnx", ["int8", "int16x8"], apart=True)
    assert_compiles(exported, tmp_path)
    assert {stage.stage: stage.error for stage in exported.stages}["int16x8"] < 0.02
