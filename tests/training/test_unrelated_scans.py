"""Scans that are independent: a model that carries state starts anew at each, wherever it is scored."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.uji_files import row, text
from tinyloc.bundle.schema import Preprocessing, TestSet, Window
from tinyloc.study.check import impossible
from tinyloc.study.published import PARAMETERS
from tinyloc.study.spec import Cell
from tinyloc.training.compress.forms import FORMS
from tinyloc.training.compress.select import gains
from tinyloc.training.data import uji
from tinyloc.training.data.catalogue import load
from tinyloc.training.data.dataset import Recording
from tinyloc.training.decide import decide_all
from tinyloc.training.errors import TrainingError
from tinyloc.training.independent_samples import unrelated_problems
from tinyloc.training.models import localiser
from tinyloc.training.models.build import build_model
from tinyloc.training.models.count import published_parameters
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe, parse_recipe
from tinyloc.training.run import TrainedRun, train
from tinyloc.training.test_set import as_test_set

INPUTS, CLASSES, SCANS = 24, 5, 40
EACH = Window(steps=1, hop=1, rate_hz=1.0)
FITTED = Preprocessing(access_points=[f"ap{i}" for i in range(INPUTS)], floor_dbm=-100, ceiling_dbm=0)
STATEFUL = {
    "lstm": {"architecture": "lstm", "hidden": 6},
    "gru": {"architecture": "gru", "hidden": 6, "layers": 2},
    "mamba": {"architecture": "mamba", "hidden": 4},
    "mdcsa": {"architecture": "mdcsa", "hidden": 4, "context": 6},
    "mdcsa of three blocks": {"architecture": "mdcsa", "hidden": 4, "layers": 3, "context": 8},
    "mdcsa window": {"architecture": "mdcsa", "hidden": 4, "context": 6, "attention": "window"},
}


def model_of(kind: str) -> Localiser:
    torch.manual_seed(2)
    settings = STATEFUL.get(kind, {"architecture": "mlp", "hidden": [6]})
    model = build_model(ModelSettings.model_validate(settings), INPUTS, CLASSES).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def scans(apart: bool) -> Recording:
    chance = np.random.default_rng(0)
    heard = chance.random((SCANS, INPUTS)) < 0.4
    dbm = np.where(heard, chance.integers(-99, -30, heard.shape), np.nan).astype(np.float32)
    label = chance.integers(0, CLASSES, SCANS).astype(np.int32)
    return Recording("scans", dbm, np.zeros((SCANS, 3), np.float32), label, np.arange(SCANS, dtype=float), apart=apart)


def one_by_one(recording: Recording) -> list[Recording]:
    """Each sample as a recording that happens to have one: the slow form."""
    arrays = ("rssi_dbm", "position_m", "label", "time_s")
    rows = [slice(at, at + 1) for at in range(len(recording))]
    return [replace(recording, apart=False, **{name: getattr(recording, name)[at] for name in arrays}) for at in rows]


@pytest.mark.parametrize("kind", STATEFUL)
def test_scans_in_one_batch_are_scored_as_one_by_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localiser, "SAMPLES_AT_ONCE", 16)
    model = model_of(kind)
    scores, decisions = decide_all(model, [scans(apart=True)], FITTED, EACH)
    slow, decided = decide_all(model, one_by_one(scans(apart=True)), FITTED, EACH)
    assert decisions.tolist() == decided.tolist()  # scores: sums of a batch and of a row round in another order
    np.testing.assert_allclose(scores, slow, atol=2e-6)
    x = torch.from_numpy(FITTED.scale(scans(apart=True).rssi_dbm))
    stepped = torch.cat([model.stream(sample[None]) for sample in x])
    np.testing.assert_allclose(scores, stepped.numpy(), atol=2e-6)
    carried, _ = decide_all(model, [scans(apart=False)], FITTED, EACH)
    assert np.abs(carried - scores).max() > 0.01


@pytest.mark.parametrize("kind", STATEFUL)
def test_the_order_of_the_scans_is_nothing_to_a_model_with_state(kind: str) -> None:
    model, recording = model_of(kind), scans(apart=True)
    order = np.random.default_rng(1).permutation(SCANS)
    shuffled = replace(recording, rssi_dbm=recording.rssi_dbm[order])
    scores, _ = decide_all(model, [recording], FITTED, EACH)
    again, _ = decide_all(model, [shuffled], FITTED, EACH)
    np.testing.assert_allclose(again, scores[order], atol=2e-6)


def test_the_compressed_forms_start_anew_too() -> None:
    for form in FORMS.values():
        model = form(model_of("lstm"))
        scores, _ = decide_all(model, [scans(apart=True)], FITTED, EACH)
        first, _ = decide_all(model, one_by_one(scans(apart=True))[:1], FITTED, EACH)
        carried, _ = decide_all(model, [scans(apart=False)], FITTED, EACH)
        assert np.abs(scores[0] - first[0]).max() < np.abs(scores - carried).max() / 3


def test_an_access_point_that_no_scan_hears_gains_nothing_where_scans_are_apart() -> None:
    recording = scans(apart=True)
    recording.rssi_dbm[:, 3] = np.nan
    found = gains(model_of("gru"), [recording], FITTED)
    slow = gains(model_of("gru"), one_by_one(recording), FITTED)
    np.testing.assert_allclose(found, slow, atol=1e-4)
    assert found[3] == 0 and np.abs(found).max() > 0.01


def set_of(recording: Recording, model: Localiser) -> TestSet:
    return as_test_set([recording], *decide_all(model, [recording], FITTED, EACH), bool(model.state_names))


def test_only_a_model_with_state_has_a_test_set_of_single_scans() -> None:
    several = set_of(scans(apart=True), model_of("lstm"))
    assert several.apart and several.recording.tolist() == list(range(SCANS))
    for one in (set_of(scans(apart=True), model_of("mlp")), set_of(scans(apart=False), model_of("lstm"))):
        assert not one.apart and one.recording.tolist() == [0] * SCANS


def test_an_mlp_is_scored_as_ever() -> None:
    apart, _ = decide_all(model_of("mlp"), [scans(apart=True)], FITTED, EACH)
    joined, _ = decide_all(model_of("mlp"), [scans(apart=False)], FITTED, EACH)
    assert np.array_equal(apart, joined)


RECIPE = """
name = "scans"
[data]
name = "ujiindoorloc"
[input]
drop_silent = true
[model]
architecture = "gru"
hidden = 4
[training]
epochs = 2
batch = 8
learning_rate = 0.02
"""


def recipe(*changes: tuple[str, str]) -> Recipe:
    changed = RECIPE
    for old, new in changes:
        assert old in changed
        changed = changed.replace(old, new)
    return parse_recipe(changed, "scans")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("uji")
    lines = [row(-7600.0 + 10 * i, 4864800.0, WAP001=-50 - i, WAP003=-90 + i, WAP520=-90) for i in range(40)]
    (place / uji.TRAINING_FILE).write_text(text(lines))
    (place / uji.TEST_FILE).write_text(text(lines[::3]))
    return place


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return train(recipe(), tmp_path_factory.mktemp("runs") / "scans", data_path=folder)


def test_a_run_on_scans_is_scored_scan_by_scan(run: TrainedRun, folder: Path) -> None:
    assert run.test_set.apart and run.calibration.shape[1] == 1
    dbm = load("ujiindoorloc", {}, folder).test[0].rssi_dbm[:, [0, 2, 519]]
    x = torch.from_numpy(run.preprocessing.scale(dbm))
    alone = torch.cat([run.model.stream(sample[None]) for sample in x]).numpy()
    np.testing.assert_allclose(run.test_set.float_scores, alone, atol=2e-6)
    assert run.record.test["decisions"] == len(x)


CHUNK = ("epochs = 2", "epochs = 2\nchunk = 4")
TEACHER = ("[training]", '[distillation]\nteachers = [{ model = { architecture = "lstm", hidden = 8 } }]\n[training]')
MLP = ('"gru"\nhidden = 4', '"mlp"\nhidden = [4]')


@pytest.mark.parametrize("kind", ["lstm", "gru", "mamba", "mdcsa"])
def test_chunks_of_unrelated_scans_are_refused_for_every_model_with_state(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=rf"are independent: training.chunk must be 1, not 4.*\({kind}\)"):
        train(recipe(CHUNK, ('"gru"', f'"{kind}"')), tmp_path / "run", data_path=folder)
    assert not (tmp_path / "run").exists()


def test_all_that_would_reach_from_scan_to_scan_is_named_at_once(folder: Path) -> None:
    data_set = load("ujiindoorloc", {}, folder)
    hold = ("drop_silent = true", "drop_silent = true\nhold_s = 3.0")
    (told,) = unrelated_problems(recipe(CHUNK, hold, TEACHER), data_set)
    assert "input.hold_s must be 0, training.chunk must be 1" in told and "(gru, lstm)" in told
    assert "lstm" in unrelated_problems(recipe(CHUNK, MLP, TEACHER), data_set)[0]
    assert not unrelated_problems(recipe(CHUNK, MLP), data_set)
    house = load("house-a", {"training_walks": 1, "living_minutes": 1.0})
    assert not unrelated_problems(recipe(CHUNK, hold), house)


def test_a_study_names_such_a_cell_before_anything_is_trained(folder: Path) -> None:
    told = recipe(CHUNK, ("[input]", f"path = {json.dumps(str(folder))}\n[input]"))
    cell = Cell("uji", "gru", "plain", 1, (), told)
    assert "training.chunk must be 1, not 4" in impossible([cell])[cell.id]


@pytest.mark.parametrize("shape", [key for key in PARAMETERS if key[:2] == (520, 59)], ids=str)
def test_published_counts_are_ours_with_crf_and_silent_access_points(shape: tuple[int, int, str, int, int]) -> None:
    """As results/uji-architectures says: a count of ours is 3,599 and 62 H less."""
    inputs, classes, architecture, hidden, layers = shape
    settings = ModelSettings.model_validate({"architecture": architecture, "hidden": hidden, "layers": layers})
    with torch.device("meta"):
        ours = published_parameters(build_model(settings, inputs - 62, classes))
    assert PARAMETERS[shape] - ours == 3599 + 62 * hidden


def test_a_data_set_says_the_same_of_itself_and_of_its_recordings(folder: Path) -> None:
    with pytest.raises(ValueError, match="sequential = True does not go with recording training"):
        replace(load("ujiindoorloc", {}, folder), sequential=True)
