"""Training tiny models: what a run holds, determinism, taking up an interrupted training, and refusals."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_recipe import tiny_recipe
from tinyloc.bundle.schema import Preprocessing
from tinyloc.training import augment as augmenting
from tinyloc.training import resume
from tinyloc.training.augment import Chunks
from tinyloc.training.data import catalogue
from tinyloc.training.data.catalogue import load
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.decide import decide, stream
from tinyloc.training.errors import TrainingError
from tinyloc.training.inputs import without_silent
from tinyloc.training.preprocess import model_input
from tinyloc.training.recipe import Augmentation, Recipe, parse_recipe
from tinyloc.training.run import TrainedRun, load_run, train
from tinyloc.training.train import EpochDone, one_cycle

AUGMENTED = """
model.dropout = 0.1
training.average = 0.5
augmentation = { reading_dropout = 0.2, noise_db = 1.0 }
"""
TINY_MLP = """
name = "tiny-mlp"
[data]
name = "house-a"
options = { training_walks = 1, living_minutes = 1.0 }
[model]
architecture = "mlp"
hidden = [4]
dropout = 0.1
[training]
epochs = 3
batch = 256
learning_rate = 0.02
position_loss = 1.0
[distillation]
choose = "mean"
teachers = [{ model = { architecture = "mlp", hidden = [8], dropout = 0.1 }, count = 2, epochs = 2 }]
"""


def tiny(changes: str = "") -> Recipe:
    return tiny_recipe(AUGMENTED + changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return train(tiny(), tmp_path_factory.mktemp("runs") / "tiny")


def weights(run: TrainedRun) -> list[np.ndarray]:
    return [value.numpy() for value in run.model.state_dict().values()]


def same(first: TrainedRun, second: TrainedRun) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_run_holds_all_that_is_promised_and_nothing_of_the_training(finished: TrainedRun) -> None:
    names = {path.name for path in finished.directory.iterdir()}
    assert names == {"recipe.toml", "run.json", "checkpoint.pt", "metrics.json", "calibration.npz", "test.npz"}
    record = json.loads((finished.directory / "run.json").read_text())
    assert record["seed"] == 3
    assert record["versions"]["torch"] == torch.__version__
    assert finished.calibration.shape[1:] == (20, 8)
    assert finished.calibration.min() >= 0 and finished.calibration.max() <= 1
    assert np.array(finished.metrics["confusion"]).sum() == record["test"]["decisions"]


def test_a_run_reads_back_as_it_was(finished: TrainedRun) -> None:
    again = load_run(finished.directory)
    assert same(again, finished)
    assert again.recipe == tiny()
    assert again.test_set.float_class.tolist() == finished.test_set.float_class.tolist()


def test_the_float_results_are_those_of_the_model_stepped_sample_by_sample(finished: TrainedRun) -> None:
    run = finished
    part = next(run.test_set.recordings())
    dbm = run.test_set.rssi_dbm[part].astype(np.float32)
    dbm[dbm == 127] = np.nan
    scores = run.model.stream(torch.from_numpy(model_input(dbm, run.preprocessing)))
    assert np.allclose(scores.numpy(), run.test_set.float_scores[part], atol=1e-4)
    assert decide(run.model, [scores.numpy()], run.window).tolist() == run.test_set.float_class[part].tolist()
    due = np.flatnonzero(run.test_set.float_class[part] >= 0)
    assert due.tolist() == list(range(9, 300, 5))


def test_the_same_recipe_gives_the_same_weights(finished: TrainedRun, tmp_path: Path) -> None:
    assert same(train(tiny(), tmp_path / "again"), finished)


def stop_after(epoch: int, stage: str = "model") -> Callable[[EpochDone], None]:
    def progress(done: EpochDone) -> None:
        if (done.stage, done.epoch) == (stage, epoch):
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(finished: TrainedRun, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), directory, stop_after(2))
    assert [path.name for path in directory.iterdir()] == ["resume.pt"]
    with pytest.raises(TrainingError, match="training was interrupted; run the same `tinyloc train` again"):
        load_run(directory)
    epochs: list[int] = []
    resumed = train(tiny(), directory, lambda done: epochs.append(done.epoch))
    assert epochs == [3, 4]
    assert same(resumed, finished)
    assert not (directory / "resume.pt").exists()


def test_a_score_penalty_keeps_scores_small(tmp_path: Path) -> None:
    text = TINY_MLP.partition("[distillation]")[0]
    sizes = []
    for penalty in (0.0, 1.0):
        changed = text.replace("position_loss = 1.0", f"score_penalty = {penalty}")
        run = train(parse_recipe(changed, "tiny"), tmp_path / str(penalty))
        sizes.append(float(np.square(run.test_set.float_scores).mean()))
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize("stage", ["teacher 2", "model"])
def test_distillation_resumes_in_every_stage(tmp_path: Path, stage: str) -> None:
    recipe = parse_recipe(TINY_MLP, "tiny")
    stages: list[str] = []
    whole = train(recipe, tmp_path / "whole", lambda done: stages.append(done.stage))
    assert stages == ["teacher 1"] * 2 + ["teacher 2"] * 2 + ["model"] * 3
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", stop_after(1, stage))
    assert same(train(recipe, tmp_path / "parts"), whole)


def test_another_recipe_does_not_take_up_an_interrupted_training(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path / "run", stop_after(1))
    other = tiny("seed = 4")
    with pytest.raises(TrainingError, match="another recipe"):
        train(other, tmp_path / "run")
    assert train(other, tmp_path / "run", fresh=True).seed == 4


TINY_HOUSE = {"training_walks": 1, "living_minutes": 1.0}


def changed_house(part: Callable[[DataSet], DataSet]) -> Callable[..., DataSet]:
    return lambda *_: part(load("house-a", TINY_HOUSE))


def one_reading_louder(data_set: DataSet) -> DataSet:
    data_set.train[0].rssi_dbm[3, 2] = -41.0
    return data_set


def one_label_else(data_set: DataSet) -> DataSet:
    data_set.train[0].label[7] ^= 1
    return data_set


def shorter(data_set: DataSet) -> DataSet:
    r = data_set.test[0]
    cut = Recording(r.name, r.rssi_dbm[:-1], r.position_m[:-1], r.label[:-1], r.time_s[:-1])
    return replace(data_set, test=(cut, *data_set.test[1:]))


def renamed(data_set: DataSet) -> DataSet:
    return replace(data_set, access_points=("kitchen", *data_set.access_points[1:]))


@pytest.mark.parametrize("change", [one_reading_louder, one_label_else, shorter, renamed])
def test_a_training_goes_on_only_with_the_data_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[DataSet], DataSet]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path / "run", stop_after(1))
    began = resume.describe(load("house-a", TINY_HOUSE))
    monkeypatch.setattr(catalogue, "load", changed_house(change))
    now = resume.describe(change(load("house-a", TINY_HOUSE)))
    with pytest.raises(TrainingError) as caught:
        train(tiny(), tmp_path / "run")
    said = str(caught.value)
    assert f"then {began}, now {now}" in said and "--fresh" in said
    assert began != now and began.startswith("house-a (8 access points, 4 classes, samples: ")
    train(tiny(), tmp_path / "run", fresh=True)


def test_a_resume_file_of_another_model_is_told(tmp_path: Path) -> None:
    """As after an upgrade of tinyloc that builds another network from the same recipe."""
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path / "run", stop_after(1))
    path = tmp_path / "run" / "resume.pt"
    for damage in (
        lambda fit: fit["model"].popitem(),
        lambda fit: fit["optimiser"]["param_groups"].clear(),
        lambda fit: fit.pop("generator"),
    ):
        saved = torch.load(path, weights_only=True)
        damage(saved["fit"])
        (tmp_path / "copy").mkdir(exist_ok=True)
        torch.save(saved, tmp_path / "copy" / "resume.pt")
        with pytest.raises(TrainingError, match=r"resume\.pt: does not fit this training \(.*--fresh"):
            train(tiny(), tmp_path / "copy")


def test_a_resume_file_without_its_data_is_told(tmp_path: Path) -> None:
    torch.save({"name": "tiny", "recipe": "", "finished": [], "fit": {}}, tmp_path / "resume.pt")
    with pytest.raises(TrainingError, match=r"resume\.pt: holds no data.*--fresh"):
        train(tiny(), tmp_path)


def test_a_damaged_resume_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "resume.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match=r"resume\.pt: not readable.*--fresh"):
        train(tiny(), tmp_path)


def test_a_directory_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(TrainingError, match="holds other files than a run"):
        train(tiny(), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_failed_training_leaves_the_finished_run_of_before(tmp_path: Path) -> None:
    first = train(tiny(), tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(tiny("seed = 4"), tmp_path / "run", stop_after(1))
    assert same(load_run(tmp_path / "run"), first)


def steep(recipe: Recipe) -> Recipe:
    """The recipe with a learning rate that no file may ask for."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"learning_rate": 1e30})})


def test_a_diverging_loss_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf).*lower the learning rate"):
        train(steep(tiny()), tmp_path / "run")


def test_a_model_that_diverges_with_its_last_batch_is_told(tmp_path: Path) -> None:
    one_batch = steep(tiny("training.epochs = 1\ntraining.chunks_per_epoch = 8"))
    with pytest.raises(TrainingError, match=r"model, epoch 1: .* not finite.*lower its learning rate \(now 1e\+30\)"):
        train(one_batch, tmp_path / "run")


def test_training_stops_early_when_validation_gets_no_better(tmp_path: Path) -> None:
    recipe = tiny("training.epochs = 30\ntraining.patience = 2\ntraining.learning_rate = 0.5")
    record = train(recipe, tmp_path / "run").record
    assert record.epochs < 30
    assert record.epochs - record.best_epoch == 2


def test_recordings_shorter_than_a_chunk_are_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"longest train recording has \d+ samples; 4000 are needed"):
        train(tiny("training.chunk = 4000"), tmp_path / "run")


def test_a_class_with_one_sample_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alone(data_set: DataSet) -> DataSet:
        first = data_set.train[0]
        label = np.where(first.label == 2, 0, first.label).astype(np.int32)
        label[5] = 2
        return replace(data_set, train=(replace(first, label=label),))

    monkeypatch.setattr(catalogue, "load", changed_house(alone))
    with pytest.raises(
        TrainingError, match=r"recipe tiny: one training sample only in class living room: merge the class"
    ):
        train(tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def recording(rssi: np.ndarray) -> Recording:
    count = len(rssi)
    label = np.arange(count, dtype=np.int32)
    return Recording("r", rssi.astype(np.float32), np.zeros((count, 3), np.float32), label, np.arange(count) / 5)


FITTED = Preprocessing(access_points=[str(i) for i in range(30)], floor_dbm=-100, ceiling_dbm=0, exponent=1.5)


@pytest.mark.parametrize("share", [0.05, 0.9], ids=["sparse", "dense"])
def test_batches_without_augmentation_are_the_preprocessed_recordings(share: float) -> None:
    generator = np.random.default_rng(0)
    rssi = np.where(generator.random((40, 30)) < share, generator.integers(-99, -1, (40, 30)), np.nan)
    chunks = Chunks([recording(rssi)], FITTED, Augmentation(), chunk=1, batch=8)
    assert (chunks.index is not None) == (share < 0.5)
    seen = {}
    for batch in chunks.epoch(torch.Generator().manual_seed(0)):
        for x, label in zip(batch.x, batch.label, strict=True):
            seen[int(label[0])] = x[0].numpy()
    assert sorted(seen) == list(range(40))
    expected = FITTED.scale(rssi)
    for label, x in seen.items():
        assert np.allclose(x, expected[label], atol=1e-6)


def test_chunks_never_cross_recordings() -> None:
    first, second = np.full((13, 30), -50.0), np.full((9, 30), -70.0)
    chunks = Chunks([recording(first), recording(second)], FITTED, Augmentation(), chunk=5, batch=4, per_epoch=40)
    for batch in chunks.epoch(torch.Generator().manual_seed(0)):
        assert torch.equal(batch.x, batch.x[:, :1].expand_as(batch.x))


def test_augmentation_does_what_its_settings_say() -> None:
    dbm = torch.full((200, 4, 30), -60.0)
    generator = torch.Generator().manual_seed(0)
    gain = augmenting.augment(dbm, Augmentation(gain_db=3.0), generator)
    assert torch.equal(gain, gain[:, :1, :1].expand_as(gain))
    assert gain[:, 0, 0].std() == pytest.approx(3.0, rel=0.2)
    each = augmenting.augment(dbm, Augmentation(access_point_db=3.0), generator)
    assert torch.equal(each, each[:, :1].expand_as(each))
    assert each[:, 0].std() == pytest.approx(3.0, rel=0.1)
    thin = augmenting.augment(dbm, Augmentation(reading_dropout=0.3), generator)
    assert thin.isnan().float().mean() == pytest.approx(0.3, abs=0.02)
    silent = augmenting.augment(dbm, Augmentation(access_point_dropout=0.2), generator).isnan()
    assert torch.equal(silent, silent[:, :1].expand_as(silent))
    missing = torch.full((2, 1, 3), torch.nan)
    full = Augmentation(gain_db=3, access_point_db=3, noise_db=3, reading_dropout=0.1, vary_dropout=True)
    assert augmenting.augment(missing, full, generator).isnan().all()


def test_access_points_silent_in_training_can_be_left_out() -> None:
    data_set = catalogue.load("house-a", {"training_walks": 1, "living_minutes": 1.0})
    for walk in data_set.train:
        walk.rssi_dbm[:, [0, 5]] = np.nan
    narrow = without_silent(data_set)
    assert narrow.access_points == ("ap02", "ap03", "ap04", "ap05", "ap07", "ap08")
    assert np.array_equal(narrow.test[0].rssi_dbm, data_set.test[0].rssi_dbm[:, [1, 2, 3, 4, 6, 7]], equal_nan=True)


def test_a_state_is_carried_through_a_recording(finished: TrainedRun) -> None:
    rssi = np.full((30, 8), -60.0)
    rssi[:5] = -90.0
    whole = stream(finished.model, recording(rssi), finished.preprocessing)
    late = stream(finished.model, recording(rssi[10:]), finished.preprocessing)
    assert not np.allclose(whole[10:], late)


@pytest.mark.parametrize("name", ["checkpoint.pt", "test.npz", "run.json", "recipe.toml", "metrics.json"])
def test_a_damaged_run_is_told(finished: TrainedRun, tmp_path: Path, name: str) -> None:
    shutil.copytree(finished.directory, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"torn")
    with pytest.raises(TrainingError, match=r"the run cannot be read.*train it again"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_training_of_any_number_of_steps_has_a_schedule(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = one_cycle(optimiser, 0.1, steps)
    for number in range(steps):
        optimiser.step()
        rate = optimiser.param_groups[0]["lr"]
        assert 0 < rate <= 0.1
        if number + 1 < steps:
            schedule.step()
