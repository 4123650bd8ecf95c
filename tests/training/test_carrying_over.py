"""Training that carries over: access points that come and go, lengths in steps, presets, refitting, "unknown"."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinyloc.bundle.schema import Preprocessing, Unknown
from tinyloc.training import unknown
from tinyloc.training.augment import Chunks, appear, augment
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.decide import stream
from tinyloc.training.errors import RecipeError
from tinyloc.training.inputs import fitted
from tinyloc.training.models.build import build_model
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.places import mean_position
from tinyloc.training.recipe import Augmentation, PresetName, Recipe, parse_recipe
from tinyloc.training.train import Fit, deterministic, silent

NAN = float("nan")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_access_points_appear_at_any_level_for_a_whole_chunk() -> None:
    x = torch.zeros(400, 3, 30)
    found = appear(x, 2.0, generator(), exponent=1.0)
    count = (found > 0).sum(dim=2).float()
    assert (found == found[:, :1]).all() and 1.7 < float(count.mean()) < 2.1  # some fall on one another
    assert float(found[found > 0].min()) < 0.05 and float(found.max()) > 0.95
    assert torch.equal(appear(x, 0.0, generator(), 1.0), x)


def test_moved_ones_have_any_level_and_silent_ones_stay_silent() -> None:
    dbm = torch.full((200, 4, 10), -60.0)
    dbm[:, :, 5:] = NAN
    found = augment(dbm, Augmentation(move=0.25), generator(), -100.0, -30.0)
    moved = found[:, :, :5] != -60.0
    assert 0.2 < float(moved.float().mean()) < 0.3 and found[:, :, 5:].isnan().all()
    assert float(found[:, :, :5].min()) < -95 and float(found[:, :, :5].max()) > -35
    assert (moved == moved[:, :1]).all()


def test_a_crowd_only_weakens() -> None:
    dbm = torch.full((100, 1, 8), -60.0)
    found = augment(dbm, Augmentation(crowd_db=5.0), generator())
    assert float(found.max()) <= -60.0 and -70.0 <= float(found.min()) < -65.0


def test_a_length_in_steps_does_not_depend_on_the_survey() -> None:
    def taken(samples: int) -> int:
        recording = Recording(
            "r", np.full((samples, 2), -60, np.float32), np.zeros((samples, 3), np.float32),
            np.zeros(samples, np.int32), np.arange(samples) * 1.0, True,
        )  # fmt: skip
        scaling = Preprocessing(access_points=["a", "b"], floor_dbm=-100, ceiling_dbm=-30)
        chunks = Chunks([recording], scaling, Augmentation(), 1, 16, steps=400)
        return sum(1 for _ in chunks.epoch(generator()))

    assert taken(32) == taken(100) == 10 and taken(16 * 50) == 50


@pytest.mark.parametrize("preset", ["wifi-areas", "wifi-positions", "ble-rooms", "ble-positions"])
def test_a_recipe_is_put_over_its_preset(preset: PresetName) -> None:
    text = f'name = "a"\npreset = "{preset}"\n[data]\nname = "house-a"\n[model]\narchitecture = "mlp"\nhidden = [4]\n'
    recipe = parse_recipe(text, "a")
    assert recipe.training.steps and recipe.augmentation.noise_db and recipe.preset == preset
    assert (recipe.output.position == "mean") == preset.endswith("positions")
    own = parse_recipe(f"{text}[training]\nepochs = 3\n[augmentation]\nnoise_db = 9.0\n", "a")
    assert own.training.steps is None and own.training.epochs == 3 and own.augmentation.noise_db == 9.0
    assert own.training.learning_rate == recipe.training.learning_rate
    with pytest.raises(RecipeError, match="preset"):
        parse_recipe(text.replace(preset, "wifi"), "a")


def site(points: int = 24, seed: int = 0) -> DataSet:
    """A hall of 30 x 20 m with access points at random places; a scan hears those within about 20 m."""
    chance = np.random.default_rng(seed)
    anchors = chance.uniform([0, 0], [30, 20], (points, 2))

    def walk(name: str, count: int) -> Recording:
        place = np.rint(chance.uniform([0, 0], [30, 20], (count, 2)) / 3) * 3
        away = np.linalg.norm(place[:, None] - anchors, axis=2)
        dbm = -38 - 28 * np.log10(np.maximum(away, 1)) + chance.normal(0, 3, away.shape)
        dbm = np.where(dbm < -75, np.nan, np.rint(dbm)).astype(np.float32)
        keys = np.array([places.index((x, y)) for x, y in place.tolist()], np.int32)
        full = np.hstack([place, np.zeros((count, 1))]).astype(np.float32)
        return Recording(name, dbm, full, keys, np.arange(count) * 1.0, True)

    places = [(float(x), float(y)) for x in range(0, 31, 3) for y in range(0, 22, 3)]
    centres = np.array([(x, y, 0) for x, y in places], np.float32)
    return DataSet(
        "hall", "Hall", "CC0", "", tuple(f"ap{n}" for n in range(points)), tuple(f"p{n}" for n in range(len(places))),
        centres, 1.0, False, (walk("survey", 600),), (walk("later", 80),), (walk("test", 80),),
    )  # fmt: skip


def positions(changes: str = "") -> Recipe:
    return parse_recipe(
        'name = "a"\npreset = "wifi-positions"\noutput.spread_m = 3.0\ntraining.steps = 600\ntraining.batch = 64\n'
        f'{changes}\n[data]\nname = "house-a"\n'
        '[model]\narchitecture = "mlp"\nhidden = [64]\n',
        "a",
    )


def trained(recipe: Recipe, data: DataSet) -> tuple[MlpLocaliser, Preprocessing, Fit]:
    scaling = fitted(recipe.input, data)
    with deterministic(1):
        model = build_model(recipe.model, len(data.access_points), len(data.classes))
        fit = Fit("model", model, data, scaling, recipe)
        fit.run(silent, lambda: None)
    assert isinstance(model, MlpLocaliser)
    return model, scaling, fit


def median_m(model: MlpLocaliser, scaling: Preprocessing, data: DataSet, rssi: np.ndarray) -> float:
    (test,) = data.test
    scores = stream(model, replace(test, rssi_dbm=rssi.astype(np.float32)), scaling)
    assert data.class_position_m is not None
    return float(np.median(np.linalg.norm(mean_position(scores, data.class_position_m) - test.position_m, axis=1)))


def test_no_single_access_point_moves_the_median_error_by_more_than_half() -> None:
    """Switched on everywhere, off, or shifted by 20 dB up or down, each of 24 by itself."""
    data = site()
    model, scaling, _ = trained(positions(), data)
    rssi = data.test[0].rssi_dbm
    usual = median_m(model, scaling, data, rssi)
    assert usual < 2.0
    worst = 0.0
    for point in range(len(data.access_points)):
        column = rssi[:, point]
        for changed in (np.full_like(column, -45.0), np.full_like(column, NAN), column + 20, column - 20):
            other = rssi.copy()
            other[:, point] = np.where(changed < scaling.floor_dbm, NAN, np.minimum(changed, -20))
            worst = max(worst, median_m(model, scaling, data, other))
    assert worst <= 1.5 * usual


def test_the_first_layer_is_bounded_and_refitting_keeps_the_last_weights() -> None:
    data = site()
    model, _, fit = trained(
        positions("training.input_bound = 0.5\ntraining.refit = true\ntraining.mean_loss = 1.0\noutput.power = 1.0"),
        data,
    )
    assert float(model.hidden[0].weight.detach().norm(dim=0).max()) <= 0.5 + 1e-5  # type: ignore[operator,union-attr]
    assert fit.best_epoch == fit.epoch == fit.epochs


def test_unknown_is_chosen_where_answers_are_mostly_wrong() -> None:
    chance = np.random.default_rng(0)
    scores = np.zeros((400, 3), np.float32)
    label = chance.integers(0, 3, 400).astype(np.int32)
    sure = np.arange(400) >= 40
    scores[np.arange(400), np.where(sure, label, (label + 1) % 3)] = np.where(sure, 4.0, 0.5) + chance.random(400) * 0.1
    rule = unknown.choose(scores, label, np.ones(400, int))
    assert 0.6 < rule.margin < 4.0 and rule.least_heard == 1
    refused = unknown.refused(unknown.margins(scores), np.ones(400, int), rule)
    assert refused.sum() >= 40 and (refused[:40]).all()
    assert unknown.choose(scores[40:], label[40:], np.ones(360, int)) == Unknown(margin=0.0, least_heard=1)
    assert unknown.choose(scores, label, np.zeros(400, int)).margin == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training = { steps = 3, epochs = 3, batch = 2, learning_rate = 0.1 }", "one of epochs and steps"),
        ("output = { unknown = true }", r"output\.unknown works"),
        ('output = { position = "class" }\ntraining = { mean_loss = 1.0 }', r"mean_loss and output\.power"),
        ('model = { architecture = "gru", hidden = 4 }\ntraining = { input_bound = 1.0 }', r"input_bound works with"),
    ],
)
def test_wrong_combinations_are_refused(change: str, message: str) -> None:
    model = "" if change.startswith("model") else 'model = { architecture = "mlp", hidden = [4] }\n'
    with pytest.raises(RecipeError, match=message):
        parse_recipe(f'name = "a"\npreset = "wifi-positions"\n{model}{change}\n[data]\nname = "house-a"\n', "a")
