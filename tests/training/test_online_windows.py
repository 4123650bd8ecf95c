"""Decisions with a lag: which sample they are on, what a recipe says of them, and that training's windows stay."""

import numpy as np
import pytest
import torch

from tests.tiny_recipe import tiny_recipe
from tinyloc.bundle.schema import Window
from tinyloc.training.decide import decide
from tinyloc.training.errors import RecipeError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.windows import true_labels, true_positions

ONLINE = Window(steps=4, hop=2, rate_hz=5.0, online=True)


def test_the_truth_of_an_online_decision_is_that_of_the_sample_it_is_on():
    labels = np.arange(10, dtype=np.int32)
    assert true_labels(labels, ONLINE).tolist() == [0, 2, 4, 6]  # due at 3, 5, 7, 9
    positions = np.stack([labels, 2 * labels, 0 * labels], axis=1).astype(np.float32)
    assert true_positions(positions, ONLINE)[:, 1].tolist() == [0, 4, 8, 12]
    assert true_labels(labels[:3], ONLINE).tolist() == []


def test_the_truth_of_a_window_is_its_mode_and_mean():
    window = Window(steps=3, hop=1, rate_hz=5.0)
    assert true_labels(np.array([1, 1, 2, 2], np.int32), window).tolist() == [1, 2]
    assert true_positions(np.float32([[0, 0, 0], [3, 0, 0], [6, 0, 0]]), window).tolist() == [[3, 0, 0]]


def test_decisions_are_those_of_the_path_where_they_are_due():
    torch.manual_seed(0)
    model = build_model(ModelSettings(architecture="gru", hidden=4, crf=True), 3, 5)
    scores = torch.randn(30, 5).numpy()
    assert model.crf is not None
    path = model.crf.decode_online(torch.from_numpy(scores), 3).numpy()
    found = decide(model, [scores], ONLINE)
    due = [t for t in range(30) if t >= 3 and (t - 3) % 2 == 0]
    assert found[due].tolist() == path[due].tolist()
    assert set(np.delete(found, due).tolist()) == {-1}


def test_a_recipe_with_a_lag_keeps_its_training_windows():
    recipe = tiny_recipe("window.lag = 3")
    assert recipe.window.steps == 10
    assert recipe.window.decisions(5.0) == Window(steps=4, hop=5, rate_hz=5.0, online=True)
    assert tiny_recipe().window.decisions(5.0) == Window(steps=10, hop=5, rate_hz=5.0)


def test_a_lag_without_a_path_is_refused():
    with pytest.raises(RecipeError, match=r"window\.lag needs model\.crf"):
        tiny_recipe("window.lag = 3\nmodel.crf = false\nwindow.steps = 1")
