"""Teachers that cannot teach are told before the long work: in a run, and in a study."""

from pathlib import Path

import pytest

from tests.tiny_recipe import tiny_recipe
from tinyloc.study import check
from tinyloc.study.spec import cells, load_study
from tinyloc.training.errors import TrainingError
from tinyloc.training.recipe import Recipe
from tinyloc.training.run import TrainedRun, train
from tinyloc.training.train import EpochDone

WITHOUT_CRF = """
window = { steps = 1, hop = 1 }
model = { architecture = "lstm", hidden = 3, crf = false }
training = { epochs = 1, chunks_per_epoch = 2 }
"""


@pytest.fixture(scope="module")
def without_crf(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return train(tiny_recipe(WITHOUT_CRF), tmp_path_factory.mktemp("runs") / "teacher")


def nothing_trained(epoch: EpochDone) -> None:
    raise AssertionError(f"{epoch.stage} was trained")


def told(recipe: Recipe, directory: Path) -> str:
    with pytest.raises(TrainingError) as caught:
        train(recipe, directory, nothing_trained)
    return str(caught.value)


@pytest.mark.parametrize("method", ["crf", "marginals"])
def test_a_finished_teacher_without_a_crf_is_told(without_crf: TrainedRun, tmp_path: Path, method: str) -> None:
    teachers = f'[{{ run = "{without_crf.directory}" }}]'
    recipe = tiny_recipe(f'distillation = {{ method = "{method}", teachers = {teachers} }}')
    assert f"has no CRF, which distillation.method = '{method}' needs" in told(recipe, tmp_path / "run")


def test_every_finished_run_is_looked_at_before_anything_is_trained(without_crf: TrainedRun, tmp_path: Path) -> None:
    text = (
        '[distillation]\nassistant = { run = "nowhere" }\n'
        f'teachers = [{{ model = {{ architecture = "gru", hidden = 4 }} }}, {{ run = "{without_crf.directory}" }}]\n'
        "[input]\nexponent = 2.0"
    )
    why = told(tiny_recipe(text), tmp_path / "run")
    assert "exponent is 1 there and 2 here" in why and "nowhere: no finished run here" in why


def test_a_teacher_of_more_access_points_than_are_selected_is_told(without_crf: TrainedRun, tmp_path: Path) -> None:
    teachers = f'[{{ run = "{without_crf.directory}" }}]'
    why = told(tiny_recipe(f"compression.access_points = 5\ndistillation.teachers = {teachers}"), tmp_path / "run")
    assert "8 access points there and at most 5 here" in why


STUDY = """
name = "taught"
forms = ["float"]
[data.house]
recipe = "tiny.toml"
[model.teacher]
[model.bare]
model = { architecture = "lstm", hidden = 3 }
over.window = { steps = 1, hop = 1 }
[model.student]
[training.plain]
[training.few]
over.compression.access_points = 5
[training.elsewhere]
teacher = "teacher"
over.data.options.seed = 5
[training.no-crf]
teacher = "bare"
over.distillation.method = "crf"
[training.by-few]
teacher = "teacher"
teacher_training = "few"
[training.right]
teacher = "teacher"
[[grid]]
data = ["house"]
model = ["teacher", "bare"]
training = ["plain", "few"]
seeds = [1]
[[grid]]
data = ["house"]
model = ["student"]
training = ["elsewhere", "no-crf", "by-few", "right"]
seeds = [1]
"""


def test_a_study_tells_of_its_own_teachers_before_it_begins(tmp_path: Path) -> None:
    import tomli_w

    recipe = tiny_recipe().model_dump(mode="json", exclude_none=True)
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(recipe))
    (tmp_path / "study.toml").write_text(STUDY)
    why = check.impossible(cells(load_study(tmp_path / "study.toml"), tmp_path))
    by_training = {name.split("--")[2]: text for name, text in why.items()}
    assert set(by_training) == {"elsewhere", "no-crf", "by-few"}
    assert "teacher house--teacher--plain--s1 cannot teach this student: floor_dbm is" in by_training["elsewhere"]
    assert "teacher house--bare--plain--s1 has no CRF" in by_training["no-crf"]
    assert "5 access points there and at most 8 here" in by_training["by-few"]
