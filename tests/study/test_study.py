"""Studies: what cells there are, which cannot be, what happens to bad ones, and what the tables say."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.study import work as study_work
from tinyloc.bundle.comparison import Baseline, Comparison
from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.study import check, published, record, tables
from tinyloc.study.plots import draw, pareto
from tinyloc.study.record import CellRecord
from tinyloc.study.run import CellWork, Progress, plan, run_study
from tinyloc.study.spec import Cell, Study, StudyError, cells, load_study, put_over
from tinyloc.study.summary import rows
from tinyloc.study.tasks import Engine
from tinyloc.training.packed import pack
from tinyloc.training.recipe import RECIPES_DIR

SMALL = """
name = "small"
boards = ["cc2650"]
forms = ["float", "int8"]
[over.training]
epochs = 3
[data.house]
recipe = "house-a-mamba"
over.data = { name = "house-a", options = { training_walks = 1, living_minutes = 1.0 } }
[model.mamba]
model = { architecture = "mamba", hidden = 8, crf = true }
[model.mdcsa]
model = { architecture = "mdcsa", hidden = 8, crf = true }
[training.plain]
[training.distilled]
teacher = "mdcsa"
over.distillation = { method = "crf" }
[[grid]]
data = ["house"]
model = ["mamba"]
training = ["distilled"]
seeds = [1, 3]
[[grid]]
data = ["house"]
model = ["mdcsa"]
seeds = [1, 2, 3]
"""


def study_of(tmp_path: Path, text: str = SMALL) -> tuple[Study, list[Cell]]:
    path = tmp_path / "study.toml"
    path.write_text(text)
    study = load_study(path)
    return study, cells(study, tmp_path)


# --- the grid ---


def test_the_first_seed_comes_first_and_teachers_before_their_students(tmp_path: Path) -> None:
    _, found = study_of(tmp_path)
    assert [cell.id for cell in found][:2] == ["house--mdcsa--plain--s1", "house--mamba--distilled--s1"]
    assert len(found) == 5
    student = next(cell for cell in found if cell.id == "house--mamba--distilled--s3")
    assert student.teachers == ("house--mdcsa--plain--s3",)
    order = [cell.id for cell in found]
    assert all(order.index(teacher) < order.index(cell.id) for cell in found for teacher in cell.teachers)


def test_sizes_multiply_and_name_the_cells(tmp_path: Path) -> None:
    grid = '[[grid]]\ndata = ["house"]\nmodel = ["mamba"]\nhidden = [4, 8]\nlayers = [1, 2]\nseeds = [5]\n'
    _, found = study_of(tmp_path, SMALL.split("[[grid]]")[0] + grid)
    assert [cell.model for cell in found] == ["mamba-h4-l1", "mamba-h4-l2", "mamba-h8-l1", "mamba-h8-l2"]
    models = [cell.recipe.model for cell in found if cell.recipe]
    assert [(model.hidden, model.layers) for model in models] == [(4, 1), (4, 2), (8, 1), (8, 2)]


def test_a_cell_is_the_recipe_with_the_axes_over_it(tmp_path: Path) -> None:
    recipe = study_of(tmp_path)[1][0].recipe
    assert recipe is not None
    assert recipe.training.epochs == 3 and recipe.training.batch == 8  # the study's, the recipe's
    assert recipe.model.architecture == "mdcsa" and recipe.seed == 1
    assert recipe.export.arithmetics == ["int8"] and recipe.budget.limits() == {}


def test_a_model_without_a_table_is_the_recipe_s(tmp_path: Path) -> None:
    text = SMALL.replace('[model.mdcsa]\nmodel = { architecture = "mdcsa", hidden = 8, crf = true }', "[model.mdcsa]")
    recipe = study_of(tmp_path, text)[1][0].recipe
    assert recipe is not None and recipe.model.architecture == "mamba"


def test_another_data_set_does_not_inherit_options(tmp_path: Path) -> None:
    text = SMALL.replace('over.data = { name = "house-a", options = { training_walks = 1, living_minutes = 1.0 } }',
                         'over.data = { name = "ble_flat_kolakowski" }')  # fmt: skip
    recipe = study_of(tmp_path, text)[1][0].recipe
    assert recipe is not None and recipe.data.options == {}


def test_tables_of_the_recipe_can_be_left_out(tmp_path: Path) -> None:
    assert "quantisation_aware" in (RECIPES_DIR / "uji-mlp.toml").read_text()
    text = SMALL.replace('"house-a-mamba"', '"uji-mlp"').replace("over.data", 'leave_out = ["compression"]\nover.data')
    for model in ("mamba", "mdcsa"):
        text = text.replace(f'architecture = "{model}", hidden = 8, crf = true', 'architecture = "mlp", hidden = [8]')
    recipe = study_of(tmp_path, text.replace('method = "crf"', 'method = "logits"'))[1][0].recipe
    assert recipe is not None and recipe.compression.quantisation_aware is None
    wrong = study_of(tmp_path, text.replace('["compression"]', '["compresion"]'))[1][0]
    assert wrong.problems == ("leave_out names compresion, which uji-mlp does not have",)


def test_tables_are_joined_and_everything_else_replaced() -> None:
    assert put_over({"a": {"b": 1, "c": [1, 2]}, "d": 3}, {"a": {"c": [3]}, "e": 4}) == {
        "a": {"b": 1, "c": [3]}, "d": 3, "e": 4
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('model = ["mdcsa"]', 'model = ["lstm"]'), r"grid 2: no \[model.lstm\] \(there are mamba, mdcsa\)"),
        (('boards = ["cc2650"]', 'boards = ["cc2651"]'), "unknown board 'cc2651'"),
        (("boards =", 'compare = [["mdcsa, plain, int8", "mamba"]]\nboards ='), "compare: 'mamba' is not MODEL"),
        (('forms = ["float", "int8"]', 'forms = ["int4"]\nspeed = 1'), r"forms.0: .*speed: Extra"),
        (("[[grid]]", "[[grid"), "not valid TOML"),
    ],
)
def test_a_wrong_study_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        study_of(tmp_path, SMALL.replace(*change))
    with pytest.raises(StudyError, match="no such file"):
        load_study(tmp_path / "none.toml")


# --- cells that cannot be ---


def test_impossible_cells_are_named_with_all_reasons(tmp_path: Path) -> None:
    text = SMALL.replace("hidden = 8, crf = true }\n[training.plain]", "hidden = 400, crf = true }\n[training.plain]")
    text = text.replace("[training.plain]\n", "[training.plain]\n[training.wrong]\nover.training = { epoch = 1 }\n")
    text += '[[grid]]\ndata = ["house"]\nmodel = ["mamba"]\ntraining = ["wrong"]\nseeds = [1]\n'
    _, found = study_of(tmp_path, text)
    cannot = check.impossible(found)
    too_large = "cannot fit cc2650: 5,292,848 parameters are more than 131,072 bytes of flash"
    assert too_large in cannot["house--mdcsa--plain--s1"]
    assert "its teacher house--mdcsa--plain--s1 is impossible" in cannot["house--mamba--distilled--s1"]
    assert "training.epoch: unknown key" in cannot["house--mamba--wrong--s1"]


@pytest.mark.usefixtures("ray_here")
def test_a_teacher_without_a_deployed_form_needs_no_board_that_holds_it(tmp_path: Path) -> None:
    large = "hidden = 400, crf = true }\n"
    text = SMALL.replace("hidden = 8, crf = true }\n[training.plain]", large + 'forms = ["float"]\n[training.plain]')
    _, found = study_of(tmp_path, text)
    assert check.impossible(found) == {}
    assert {(cell.model, cell.forms, cell.boards) for cell in found} == {
        ("mdcsa", ("float",), ()), ("mamba", ("float", "int8"), ("cc2650",))
    }  # fmt: skip
    ended = [step.record for step in run(tmp_path, study_work.GOOD, text) if step.record]
    assert {(one.model, *one.forms) for one in ended} == {("mdcsa", "float"), ("mamba", "float", "int8")}
    assert run(tmp_path, study_work.GOOD, text) == []


@pytest.mark.usefixtures("ray_here")
def test_images_of_some_seeds_stand_for_all(tmp_path: Path) -> None:
    text = SMALL.replace("[over.training]", "measured_seeds = [1]\n[over.training]")
    ended = [step.record for step in run(tmp_path, study_work.GOOD, text) if step.record]
    boards = {(one.model, one.seed): set(one.forms["int8"].boards) for one in ended}
    assert boards == {("mdcsa", 1): {"cc2650"}, ("mamba", 1): {"cc2650"}, ("mdcsa", 2): set(), ("mdcsa", 3): set(),
                      ("mamba", 3): set()}  # fmt: skip
    assert run(tmp_path, study_work.GOOD, text) == []
    mdcsa = next(row for row in rows(ended) if (row.model, row.form) == ("mdcsa", "int8"))
    assert mdcsa.macro_f1.count == 3 and mdcsa.boards["cc2650"].flash_bytes == 20_000
    assert "| house | 20 | mamba, distilled, " in tables.markdown("T", "", ended)
    assert run(tmp_path, study_work.GOOD, SMALL)[-1].total == 3  # those without images


def test_a_form_that_one_seed_could_not_build_is_not_the_best(tmp_path: Path) -> None:
    refused = FormRecord(macro_f1=0.9, accuracy=0.9, serialised_bytes=9, not_built={"cc2650": "too large"})
    large = cell("large", 2, 0.9, flash=15_000)
    failed = large.model_copy(update={"seed": 1, "forms": {"int8": refused}})
    assert "| house | 20 | large, plain, int8 |" in tables.markdown("T", "", [CELLS[0], large])
    assert "| house | 20 | small, plain, int8 |" in tables.markdown("T", "", [CELLS[0], failed, large])


def test_a_teacher_outside_the_grid_is_told(tmp_path: Path) -> None:
    _, found = study_of(tmp_path, SMALL.replace("seeds = [1, 2, 3]", "seeds = [2]"))
    why = check.impossible(found)["house--mamba--distilled--s1"]
    assert "its teacher house--mdcsa--plain--s1 is not in the grid" in why


def test_a_class_with_one_sample_is_named(tmp_path: Path) -> None:
    whose = [("train", room) for room in ("hall", "hall", "bath", "attic", "bath")]
    whose += [("validation", "hall"), ("test", "hall")]
    lines = "".join(f"{split},{room},-50,-60\n" for split, room in whose)
    (tmp_path / "scans.csv").write_text("split,room,a,b\n" + lines)
    (tmp_path / "own.toml").write_text(
        'name = "own"\nlicence = "mine"\nfile = "scans.csv"\n[columns]\naccess_points = ["a", "b"]\nlabel = "room"\n'
        'split = "split"\n'
    )
    text = SMALL.replace('over.data = { name = "house-a", options = { training_walks = 1, living_minutes = 1.0 } }',
                         f'over.data = {{ name = "csv", path = "{tmp_path / "own.toml"}" }}')  # fmt: skip
    _, found = study_of(tmp_path, text)
    assert "one training sample only in class attic" in check.impossible(found)["house--mdcsa--plain--s1"]


def test_a_teacher_that_is_not_there_is_told(tmp_path: Path) -> None:
    from tinyloc.training.data import catalogue
    from tinyloc.training.recipe import load_recipe

    data_set = catalogue.load("house-a", {"training_walks": 1, "living_minutes": 1.0})
    recipe = load_recipe("house-a-mamba")
    assert "no finished run there" in check.teacher_problems(tmp_path, recipe, data_set)[0]
    (tmp_path / "run.json").write_text("{}")
    assert "run.json cannot be read" in check.teacher_problems(tmp_path, recipe, data_set)[0]


def test_a_teacher_that_left_out_silent_access_points_can_teach_who_does_so_too(tmp_path: Path) -> None:
    from tinyloc.training.recipe import parse_recipe
    from tinyloc.training.run import train

    heard_by_b = {"train": "", "validation": "-50", "test": "-50"}
    rows = [f"{split},{room},{dbm - n},{b}" for split, b in heard_by_b.items()
            for room, dbm in (("hall", -40), ("bath", -80)) for n in range(4)]  # fmt: skip
    (tmp_path / "scans.csv").write_text("split,room,a,b\n" + "\n".join(rows) + "\n")
    (tmp_path / "own.toml").write_text(
        'name = "own"\nlicence = "mine"\nfile = "scans.csv"\nsequential = false\n'
        '[columns]\naccess_points = ["a", "b"]\nlabel = "room"\nsplit = "split"\n'
    )
    text = (
        f'name = "small"\ninput.drop_silent = true\ndata = {{ name = "csv", path = "{tmp_path / "own.toml"}" }}\n'
        'model = { architecture = "mlp", hidden = 2 }\ntraining = { epochs = 1, batch = 4, learning_rate = 0.01 }\n'
    )
    assert train(parse_recipe(text, "teacher"), tmp_path / "teacher").preprocessing.access_points == ["a"]
    taught = f'distillation.teachers = [{{ run = "{tmp_path / "teacher"}" }}]\n'

    def why(recipe: str) -> str:
        cell = Cell("own", "mlp", "taught", 1, ("cc2650",), parse_recipe(recipe, "student"))
        return check.impossible([cell]).get(cell.id, "")

    assert why(text + taught) == ""
    assert "1 access points there and 2 here" in why(text.replace("= true", "= false") + taught)


# --- running ---

DIED = "its worker died 2 times; give it a machine with more memory, or fewer tasks at a time (--jobs)"


def run(tmp_path: Path, work: CellWork, text: str = SMALL) -> list[Progress]:
    study, found = study_of(tmp_path, text)
    results = record.cells_directory(tmp_path / "results", study.name)
    with Engine(retries=1) as engine:
        return list(run_study(study, found, plan(found, results), results, tmp_path / "runs", work, engine))


@pytest.mark.usefixtures("ray_here")
def test_a_failed_cell_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    ended = {step.cell: step.record for step in run(tmp_path, study_work.BAD) if step.record}
    statuses = {name: (found.status, found.error) for name, found in ended.items()}
    assert statuses == {
        "house--mdcsa--plain--s1": ("failed", "ValueError: model: the loss became nan in epoch 3"),
        "house--mamba--distilled--s1": ("failed", "its teacher house--mdcsa--plain--s1 failed"),
        "house--mdcsa--plain--s2": ("failed", DIED),
        "house--mdcsa--plain--s3": ("done", None),
        "house--mamba--distilled--s3": ("done", None),
    }
    again = run(tmp_path, study_work.GOOD)
    unfinished = {name for name, (status, _) in statuses.items() if status != "done"}
    assert {step.cell for step in again if step.record} == unfinished
    assert all(step.record.status == "done" for step in again if step.record)
    assert run(tmp_path, study_work.GOOD) == []
    changed = run(tmp_path, study_work.GOOD, SMALL.replace("epochs = 3", "epochs = 4"))
    assert len([step for step in changed if step.record]) == 5


@pytest.mark.usefixtures("ray_here")
def test_the_record_says_everything_of_the_cell(tmp_path: Path) -> None:
    run(tmp_path, study_work.GOOD)
    path = record.cells_directory(tmp_path / "results", "small") / "house--mamba--distilled--s3.json"
    found = record.load(path)
    assert found.settings["distillation"]["teachers"] == [
        {**found.settings["distillation"]["teachers"][0], "run": "house--mdcsa--plain--s3"}
    ]
    assert found.settings["seed"] == 3 and set(found.forms) == {"float", "int8"}
    path.write_text("{}")
    with pytest.raises(StudyError, match="not a cell of a study"):
        record.load(path)
    with pytest.raises(StudyError, match="no cells here"):
        record.load_all(tmp_path)


@pytest.mark.usefixtures("ray_here")
def test_a_result_of_another_recipe_is_told_and_marked(tmp_path: Path) -> None:
    run(tmp_path, study_work.GOOD)
    results = record.cells_directory(tmp_path / "results", "small")
    study, found = study_of(tmp_path, SMALL.replace("epochs = 3", "epochs = 4"))
    assert plan(found, results).outdated == [cell.id for cell in found]
    told = tables.page(study, tmp_path, record.load_all(results))
    assert "5 of the 5 results are of another recipe than the study has today" in told
    study, found = study_of(tmp_path)
    assert plan(found, results).outdated == []
    assert "another recipe" not in tables.page(study, tmp_path, record.load_all(results))


@pytest.mark.usefixtures("ray_here")
def test_finished_cells_are_measured_again_when_asked(tmp_path: Path) -> None:
    run(tmp_path, study_work.GOOD)
    _, found = study_of(tmp_path)
    results = record.cells_directory(tmp_path / "results", "small")
    assert plan(found, results).todo == [] and plan(found, results, again=True).todo == found


@pytest.mark.usefixtures("ray_here")
def test_a_key_that_recipes_got_since_is_no_other_recipe(tmp_path: Path) -> None:
    run(tmp_path, study_work.GOOD)
    for path in record.cells_directory(tmp_path / "results", "small").glob("*.json"):
        found = json.loads(path.read_text())
        del found["settings"]["training"]["clip_norm"]
        found["settings"]["model"].pop("attention")
        path.write_text(json.dumps(found))
    assert run(tmp_path, study_work.GOOD) == []
    found["settings"]["training"]["lost_key"] = 1
    path.write_text(json.dumps(found))
    assert [step.cell for step in run(tmp_path, study_work.GOOD) if step.record] == [path.stem]


# --- tables and plots ---


def cell(model: str, seed: int, f1: float, training: str = "plain", flash: int = 20_000, **more: object) -> CellRecord:
    image = OnBoard(
        flash_bytes=flash, ram_bytes=2_000, cycles=10_000.0, energy_uj=2.5, fits=True, samples=120, mismatches=0
    )
    quality = {"macro_f1": f1, "accuracy": f1 + 0.05, "serialised_bytes": 30_720}
    forms = {
        "float": FormRecord(**quality),
        "static": FormRecord(**quality),
        "int8": FormRecord(**quality, constant_bytes=10_240, boards={"cc2650": image}),
    }
    settings = {
        "model": {"architecture": "mamba", "hidden": 8, "layers": 1},
        "data": {"name": "house-a", "path": None, "options": {"seed": 1}},
    }
    return CellRecord.model_validate(
        {
            "study": "t", "data": "house", "model": model, "training": training, "seed": seed, "status": "done",
            "data_title": "House", "licence": "ours", "inputs": 8, "classes": 4, "parameters": 1400,
            "parameters_published": 1432, "seconds": 60.0, "forms": forms, "settings": settings,
            "versions": {"torch": "2"}, **more,
        }
    )  # fmt: skip


CELLS = [
    cell("small", 1, 0.70), cell("small", 2, 0.72), cell("small", 3, 0.74),
    cell("small", 1, 0.80, "distilled"), cell("small", 2, 0.82, "distilled"), cell("small", 3, 0.84, "distilled"),
    cell("large", 1, 0.90, flash=50_000),
    CellRecord(study="t", data="house", model="huge", training="plain", seed=1, status="impossible", error="no room"),
]  # fmt: skip


def test_rows_are_means_over_seeds() -> None:
    small = rows(CELLS)[0]
    assert (small.model, small.form, small.seeds) == ("small", "float", (1, 2, 3))
    assert small.macro_f1.mean == pytest.approx(0.72) and small.macro_f1.deviation == pytest.approx(0.02)


def test_the_page_has_every_table_and_what_has_no_figures() -> None:
    text = tables.markdown("T", "", CELLS)
    plain, taught = "0.720 ± 0.020", "0.820 ± 0.020"
    assert f"| house, small | 1,432 (published) | F1 | {plain} | – | {plain} | {taught} | {taught} |" in text
    assert f"| house, small, plain | int8 | cc2650 | 3 | {plain} | 0.770 ± 0.020 | – | 30.0 | 10.0 | 19.5 |" in text
    assert "| 10,000 | 2.5 | yes |" in text
    assert "| house, small | distilled | int8 | 0.720 ± 0.020 | 0.820 ± 0.020 | +0.100 | yes |" in text
    assert "| house | 20 | small, distilled, int8 | 0.820 ± 0.020 |" in text
    assert "| house | 64 | large, plain, int8 | 0.900 |" in text
    assert "- house--huge--plain--s1: impossible: no room" in text
    assert "8 cells" in text and published.SAME_COUNT not in text


def test_a_gain_within_the_spread_is_not_called_one() -> None:
    near = [cell("small", n, f1, "distilled") for n, f1 in ((1, 0.71), (2, 0.73), (3, 0.75))]
    assert "| +0.010 | no difference |" in tables.markdown("T", "", CELLS[:3] + near)
    worse = [cell("small", n, f1, "distilled") for n, f1 in ((1, 0.61), (2, 0.63), (3, 0.65))]
    assert "| -0.090 | worse |" in tables.markdown("T", "", CELLS[:3] + worse)
    assert "one seed: not known" in tables.markdown("T", "", [CELLS[0], cell("small", 1, 0.9, "distilled")])


def test_kept_decisions_give_intervals_and_paired_verdicts() -> None:
    generator = np.random.default_rng(3)
    label, unit = generator.integers(0, 4, 300), np.arange(300) // 15

    def kept(one: CellRecord, right: float) -> CellRecord:
        decided = np.where(generator.random(300) < right, label, (label + 1) % 4)
        form = one.forms["int8"].model_copy(update={"decided": pack(decided)})
        return one.model_copy(update={"label": pack(label), "unit": pack(unit), "forms": {"int8": form}})

    good = [kept(cell("good", n, 0.9), 0.9) for n in (1, 2)]
    poor = [kept(cell("poor", n, 0.6), 0.6) for n in (1, 2)]
    same = [kept(cell("good", n, 0.9, "distilled"), 0.9) for n in (1, 2)]
    pair = [("good, plain, int8", "poor, plain, int8")]
    text = tables.markdown("T", "", good + poor + same, compare=pair)
    assert re.search(r"\| house, good, plain \| int8 \| cc2650 \| 2 \| 0.900 ± 0.000 \[0\.8\d\d, 0\.9\d\d\] \|", text)
    assert re.search(r"\| \+0\.\d{3} \[\+0\.\d{3}, \+0\.\d{3}\] \| first \|", text)
    assert re.search(r"\| house, good \| distilled \| int8 .* \| no difference \|", text)


def test_simple_methods_stand_in_the_tables_with_their_bytes() -> None:
    near = Baseline(
        name="nearest neighbours", settings="k 3", data_bytes=12345, figures={"macro_f1": 0.73, "accuracy": 0.8},
        intervals={"macro_f1": (0.7, 0.76)},
    )  # fmt: skip
    label = pack(np.array([0] * 30 + [1] * 3 + [2] * 40))
    one = CELLS[0].model_copy(
        update={"comparison": Comparison(unit="recording", units=9, baselines=[near]), "label": label}
    )
    text = tables.markdown("T", "", [one])
    assert "| house, nearest neighbours | k 3 | 0.730 [0.700, 0.760] | 0.800 | – | – | – | 12,345 |" in text
    assert "1 of 4 classes have 1 to 6 test decisions, 3 of 73 in all, and yet make 33% of macro F1; 1 have" in text


def test_pairs_are_put_against_each_other_on_all_data_that_have_both() -> None:
    pairs = [("small, plain, int8", "small, distilled, int8"), ("small, plain, int8", "large, plain, int8")]
    text = tables.markdown("T", "", CELLS, planned=12, compare=pairs)
    assert f"| house | {' | '.join(pairs[0])} | 0.720 ± 0.020 | 0.820 ± 0.020 | -0.100 | second | 19.5 | 19.5 |" in text
    assert "| 0.720 ± 0.020 | 0.900 | -0.180 | one seed: not known | 19.5 | 48.8 |" in text
    assert "7 of 12 cells" in text
    near = CELLS[:3] + [cell("near", n, f1) for n, f1 in ((1, 0.71), (2, 0.73), (3, 0.75))]
    pair = ("small, plain, int8", "near, plain, int8")
    assert "| -0.010 | no difference |" in tables.markdown("T", "", near, compare=[pair])


def test_comparisons_with_the_published_areas_say_that_the_rule_is_another() -> None:
    settings = {**CELLS[0].settings, "data": {"name": "ujiindoorloc"}}
    uji = [cell("mlp", 1, 0.78, inputs=458, classes=59, settings=settings)]
    text = tables.markdown("T", "", uji)
    assert published.SAME_COUNT in text
    assert "| Mamba H8L1, distilled, static int8 | 0.552 | 0.726 | 31 | – | – |" in text


def test_positions_stand_beside_the_published_ones_of_the_same_data(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for seed, p50 in ((1, 5.0), (2, 5.2)):
        one = cell("mlp", seed, 0.2)
        errors = {"mean": 7.0, "p50": p50, "p75": 9.0, "p90": 15.0, "max": 90.0}
        forms = {name: form.model_copy(update={"errors_m": errors}) for name, form in one.forms.items()}
        found.append(one.model_copy(update={"forms": forms}))
    text = tables.markdown("T", "", found, positions=True)
    others = "9.00 ± 0.00 | – | 15.00 ± 0.00 | 7.00 ± 0.00 | 90.00 ± 0.00"
    assert f"| house, mlp, plain | int8 | 2 | 5.10 ± 0.14 | {others} | 19.5 |" in text
    assert f"| house, mlp, plain | float | 2 | 5.10 ± 0.14 | {others} | – |" in text
    theirs = "| 6.18 | 11.51 | 13.47 | 19.66 | – | 90.67 | – |"
    assert theirs not in text and "Published" not in text
    monkeypatch.setattr(published, "POSITIONS_DATA", "house-a")
    assert theirs in tables.markdown("T", "", found, positions=True)
    assert "## Positions" not in tables.markdown("T", "", found)


def test_the_csv_has_a_line_a_form_and_board() -> None:
    lines = list(csv.DictReader(io.StringIO(tables.comma_separated(CELLS))))
    assert len(lines) == 7 * 3
    assert lines[2]["board"] == "cc2650" and lines[2]["flash_bytes"] == "20000" and lines[0]["board"] == ""


def test_the_front_is_what_nothing_beats() -> None:
    assert pareto([(3.0, 0.9), (1.0, 0.5), (2.0, 0.4), (2.0, 0.7)]) == [1, 3, 0]


def test_entries_of_the_same_samples_share_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    other = {"model": {"architecture": "gru", "hidden": 8, "layers": 1}, "data": {"name": "house-b", "options": {}}}
    more = [cell("recipe", 1, 0.8, data="house-gru"), cell("recipe", 1, 0.8, data="elsewhere", settings=other)]
    written = draw([*CELLS[:1], *more], "cc2650", tmp_path)
    assert [path.name for path in written] == ["pareto-house-a-cc2650.svg", "pareto-elsewhere-cc2650.svg"]
    assert b">house-gru, recipe<" in written[0].read_bytes() and b"house-gru" not in written[1].read_bytes()


def test_plots_are_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = (draw(CELLS, "cc2650", tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == ["pareto-house-cc2650.svg"]
    assert first[0].read_bytes() == second[0].read_bytes()
    for limit in (b">20 KB<", b">32 KB<", b">64 KB<"):  # of flash and of RAM, for models of any size
        assert first[0].read_bytes().count(limit) == 2


RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize("name", sorted(path.parent.name for path in RESULTS.glob("*/cells")))
def test_committed_tables_are_made_from_the_committed_json(name: str) -> None:
    study = load_study(RESULTS / name / "study.toml")
    found = record.load_all(RESULTS / name / "cells")
    assert (RESULTS / name / "table.md").read_text() == tables.page(study, RESULTS / name, found)
    assert (RESULTS / name / "table.csv").read_text() == tables.comma_separated(found)
    assert {one.id for one in found} <= {one.id for one in cells(study, RESULTS / name)}
