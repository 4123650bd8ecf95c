"""The exportable step: equal to the model's own step, and refused where it cannot be made."""

import numpy as np
import pytest
import torch

from tinyloc.export.errors import ExportError
from tinyloc.export.parity import step_scores, window_scores
from tinyloc.export.step_form import flat_state, step_form
from tinyloc.export.step_names import StepNames
from tinyloc.export.to_onnx import check_finite, record
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings


def shaken(settings: ModelSettings, inputs: int, classes: int) -> Localiser:
    """A model all of whose parameters differ from their initial pattern, as after training."""
    torch.manual_seed(7)
    model = build_model(settings, inputs, classes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(architecture="mamba", hidden=8),
        ModelSettings(architecture="mamba", hidden=20, layers=2, conv_width=3, state_size=5, expand=3),
        ModelSettings(architecture="mlp", hidden=[12, 6], dropout=0.5),
        ModelSettings(architecture="mlp", hidden=[12], standardise=True),
        ModelSettings(architecture="lstm", hidden=10, standardise=True),
        ModelSettings(architecture="lstm", hidden=6, layers=2, dense=0),
        ModelSettings(architecture="gru", hidden=10, dense=7),
        ModelSettings(architecture="gru", hidden=6, layers=2, standardise=True),
        ModelSettings(architecture="mdcsa", hidden=16, context=12),
        ModelSettings(architecture="mdcsa", hidden=6, context=9, layers=3),
        ModelSettings(architecture="mdcsa", hidden=8, context=6, attention="window"),
        ModelSettings(architecture="mdcsa", hidden=6, context=8, layers=3, attention="window"),
    ],
)
def test_step_form_equals_the_step_along_a_stream(settings):
    model = shaken(settings, inputs=9, classes=5)
    x = torch.rand(50, 9)
    x[::7] = 0.0  # nothing heard
    expected = model.stream(x)
    step, state = step_form(model), flat_state(model, model.initial_state(1))
    with torch.no_grad():
        for sample, scores in zip(x, expected, strict=True):
            found, *state = step(sample[None], *state)
            torch.testing.assert_close(found[0], scores, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(architecture="mdcsa", hidden=6, context=8, layers=3, attention="window"),
        ModelSettings(architecture="gru", hidden=6),
    ],
)
def test_recordings_of_any_length_are_compared_with_their_steps(settings):
    model = shaken(settings, inputs=9, classes=5)
    streams = [np.random.default_rng(n).random((n, 9), np.float32) for n in (5, 30)]
    np.testing.assert_allclose(window_scores(model, streams), step_scores(model, streams), atol=1e-5)


def test_flat_state_is_the_same_state_in_the_layout_of_the_step_form():
    model = shaken(ModelSettings(architecture="mamba", hidden=4, state_size=3), inputs=6, classes=3)
    x = torch.rand(5, 6)
    own, step = model.initial_state(1), step_form(model)
    flat = flat_state(model, own)
    with torch.no_grad():
        for sample in x:
            _, own = model.step(sample[None], own)
            _, *flat = step(sample[None], *flat)
    for a, b in zip(flat_state(model, own), flat, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_recorded_inputs_start_at_zero_and_carry_the_state():
    model = shaken(ModelSettings(architecture="mamba", hidden=4), inputs=6, classes=3)
    x = np.random.default_rng(0).random((8, 6)).astype(np.float32)
    rows = record(model, x)
    assert list(rows) == ["reading", "conv_0_in", "scan_0_in"]
    np.testing.assert_array_equal(rows["reading"], x)
    assert not rows["scan_0_in"][0].any()
    assert rows["scan_0_in"][1:].any(axis=1).all()
    np.testing.assert_array_equal(rows["conv_0_in"][2, :16], rows["conv_0_in"][1, 8:])  # the window moves by one sample


def test_parameters_that_are_no_numbers_are_named():
    model = shaken(ModelSettings(architecture="mamba", hidden=4), inputs=6, classes=3)
    check_finite(model)
    with torch.no_grad():
        model.get_parameter("blocks.0.d")[1] = float("nan")
    with pytest.raises(ExportError, match=r"^1 parameter holds NaN or infinity \(blocks\.0\.d\).*lower learning rate"):
        check_finite(model)


def test_a_model_without_a_step_form_is_named():
    class Other(Localiser):
        network = step = initial_state = None  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"Other.*step_form\.py"):
        step_form(Other(ModelSettings(architecture="mlp", hidden=[2]), 2, 2))


def test_names_of_an_exported_step():
    names = StepNames(("conv_0", "scan_0"))
    assert names.inputs == ("reading", "conv_0_in", "scan_0_in")
    assert names.outputs == ("scores", "conv_0_out", "scan_0_out")
