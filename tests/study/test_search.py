"""Searches: what fits is trained, the rest is not; kill and go on; the store; the space; what is written."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.study import search_work
from tests.tiny_recipe import TINY, tiny_recipe
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.study.search import outcome, space
from tinyloc.study.search.cost import Cost, above, cost_key, limits_of, untrained_cost
from tinyloc.study.search.default_space import default_search
from tinyloc.study.search.outcome import Candidate, front, hypervolume
from tinyloc.study.search.run import Searching, records
from tinyloc.study.search.settings import Limits, Search, SearchError, load_search
from tinyloc.study.search.store import opened
from tinyloc.study.search.trial import TrialRecord, finish, train_to_rung
from tinyloc.study.tasks import Engine

TEXT = """
name = "small"
recipe = "tiny.toml"
board = "cc2650"
trials = 14
budget.flash_bytes = 20_000
objectives = ["quality", "flash"]
[space]
"model.hidden" = { low = 1, high = 16 }
"training.learning_rate" = { low = 0.001, high = 0.1, log = true }
"build.optimise" = ["O2", "Os"]
"""


def search_of(tmp_path: Path, text: str = TEXT) -> tuple[Search, dict[str, Any]]:
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "search.toml").write_text(text)
    search = load_search(tmp_path / "search.toml")
    return search, space.base_table(search, tmp_path)


def searched(tmp_path: Path, text: str = TEXT, store: str | None = None, stop: int | None = None) -> list[Candidate]:
    """Run a search with quick work. stop: leave after so many trials have ended, as when killed."""
    search, base = search_of(tmp_path, text)
    place = tmp_path / search.name
    with opened(search, place, store) as study:
        with Engine(retries=1) as engine:
            for step in Searching(search, base, study, place, engine, search_work.QUICK).run():
                if step.done == stop:
                    break
        outcome.write(search, base, study, {"flash": 20_000}, place)
        return outcome.candidates(study)


@pytest.mark.usefixtures("ray_here")
def test_what_does_not_fit_is_never_trained_and_the_front_is_within_the_budget(tmp_path: Path) -> None:
    found = searched(tmp_path)
    assert len(found) == 14
    for one in found:
        log = tmp_path / "small" / "trials" / f"{one.number:04}" / "log.txt"
        large = one.parameters["model.hidden"] > 10
        assert log.is_file() != large
        assert (one.record.status == "too large") == large
        if large:
            links = one.parameters["model.hidden"] <= search_work.LINKS
            assert ("above the limit of 20,000" if links else "flash is exceeded by") in one.record.why
    told = json.loads((tmp_path / "small" / "search.json").read_text())
    assert told["spared"] == sum(one.parameters["model.hidden"] > 10 for one in found) > 0
    best = [one for one in told["trials"] if one["front"]]
    assert best and all(one["status"] == "done" and one["cost"]["flash"] <= 20_000 for one in best)
    page = (tmp_path / "small" / "page.html").read_text()
    assert "<svg" in page and "http" not in page
    text = (tmp_path / "small" / "table.md").read_text()
    assert "14 of 14 trials on cc2650 within flash 20,000 B" in text and "too large" in text
    chosen = (tmp_path / "small" / "recipe.toml").read_text()
    assert 'name = "small"' in chosen
    assert searched(tmp_path) == found  # nothing is done twice
    assert len(searched(tmp_path, TEXT.replace("trials = 14", "trials = 16"))) == 16  # more may be asked for


@pytest.mark.usefixtures("ray_here")
def test_a_killed_search_goes_on_and_no_trial_is_lost_or_trained_twice(tmp_path: Path) -> None:
    stopped = searched(tmp_path, stop=5)
    assert 5 <= len(stopped) < 14
    found = searched(tmp_path)
    assert [one.number for one in found] == list(range(14))
    assert [found[one.number] for one in stopped] == stopped
    ended = {one.number for one in stopped}
    for one in found:
        log = tmp_path / "small" / "trials" / f"{one.number:04}" / "log.txt"
        ends = log.read_text().count("finish") if log.is_file() else 0
        once = one.record.status in ("done", "failed")
        assert ends == once or (one.number not in ended and ends <= 2)  # at work when killed: its last step begins anew


def test_a_trial_that_two_cheaper_ones_beat_at_a_rung_ends_there(tmp_path: Path) -> None:
    search, base = search_of(tmp_path)
    with opened(search, tmp_path / "small", None) as study:
        searching = Searching(search, base, study, tmp_path / "small", Engine())
        for hidden, merit in ((4, 0.5), (5, 0.6), (9, 0.1)):
            trial = study.ask(space.distributions(search))
            record = TrialRecord(untrained=Cost(flash=hidden, ram=1, cycles=1, energy=1), rungs=[merit])
            trial.set_user_attr("record", record.model_dump_json())
        mine = TrialRecord(untrained=Cost(flash=6, ram=1, cycles=1, energy=1), rungs=[0.4])
        state = type("State", (), {"record": mine, "handle": study.ask(space.distributions(search))})
        assert searching._better_at_rung(state) == 2
        state.record = mine.model_copy(update={"rungs": [0.55]})
        assert searching._better_at_rung(state) == 1


@pytest.mark.usefixtures("ray_here")
def test_a_space_in_which_nothing_fits_is_told_before_the_first_trial(tmp_path: Path) -> None:
    text = TEXT.replace("20_000", "9_000")
    with pytest.raises(
        SearchError, match=r"nothing in the space of 'small' fits cc2650: .*flash 11,000 B, 2,000 B above"
    ):
        searched(tmp_path, text)
    search, _ = search_of(tmp_path, text)
    with opened(search, tmp_path / "small", None) as study:
        assert records(study) == {}


def test_two_searches_of_one_name_are_refused(tmp_path: Path) -> None:
    search, _ = search_of(tmp_path)
    with opened(search, tmp_path / "small", None):
        _refused(search, tmp_path / "small", None, "another process works on the search 'small'")
    other, _ = search_of(tmp_path, TEXT.replace("high = 16", "high = 12"))
    _refused(other, tmp_path / "small", None, r"another search 'small' .*space was .*\"high\": 16")


def _refused(search: Search, place: Path, store: str | None, why: str) -> None:
    with pytest.raises(SearchError, match=why), opened(search, place, store):
        pass


def test_a_store_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    search, _ = search_of(tmp_path)
    for address, why in (
        ("postgresql://me:secret@127.0.0.1:9/none", r"postgresql://me:\.\.\.@127.0.0.1:9/none cannot be reached"),
        ("mysql://here", "is no address of PostgreSQL"),
    ):
        with pytest.raises(SearchError, match=why), opened(search, tmp_path / "small", address):
            pass
    (tmp_path / "small" / "search.db").write_text("this is no database, whatever its name says " * 100)
    with pytest.raises(SearchError, match="cannot be used"), opened(search, tmp_path / "small", None):
        pass


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own on a socket, or a skip where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("missing library: no PostgreSQL is installed (apt-get install postgresql)")
    place = Path(tempfile.mkdtemp(prefix="tinyloc-pg-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(place, owner.pw_uid, owner.pw_gid)
        who = {"user": owner.pw_uid, "group": owner.pw_gid}
    control = str(Path(initdb).with_name("pg_ctl"))
    options: dict[str, Any] = {**who, "check": True, "capture_output": True, "cwd": place}
    subprocess.run([initdb, "-D", "data", "-A", "trust", "-U", "tester", "--no-sync"], **options)
    serve = f"-k {place} -c listen_addresses='' -c fsync=off"
    subprocess.run([control, "-D", "data", "-l", "log", "-w", "-o", serve, "start"], **options)
    try:
        yield f"postgresql://tester@/postgres?host={place}"
    finally:
        subprocess.run([control, "-D", "data", "-m", "immediate", "stop"], **options)
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.usefixtures("ray_here")
def test_a_search_lives_in_postgresql_and_goes_on_from_another_directory(tmp_path: Path, postgres: str) -> None:
    """Another machine has another directory; the store is what they share."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    stopped = searched(here, store=postgres, stop=4)
    search, _ = search_of(there)
    with opened(search, here / "small", postgres):
        _refused(search, there / "small", postgres, "another process works")
    found = searched(there, store=postgres)
    assert [one.number for one in found] == list(range(14)) and found[:3] == stopped[:3]
    assert not (there / "small" / "search.db").exists()


# --- the space ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('["O2", "Os"]', "[]"), "space.build.optimise: 1 to 1000 choices"),
        (('"build.optimise"', '"biuld.optimise"'), "space.biuld.optimise: no such table of a recipe"),
        (("low = 1, high = 16", "low = 16, high = 1"), "low = 16 must be below high = 1"),
        (('["quality", "flash"]', '["flash"]'), "objectives must name quality"),
        (('"cc2650"', '"cc2651"'), "unknown board 'cc2651'"),
        (("trials = 14", "trials = 0"), "trials: .*greater than or equal to 1"),
        (("trials = 14", "trial = 14"), "trial: Extra inputs"),
    ],
)
def test_a_wrong_search_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        search_of(tmp_path, TEXT.replace(*change))


def test_tables_are_replaced_first_and_keys_put_into_them(tmp_path: Path) -> None:
    choice = '{ architecture = "lstm", hidden = 4, crf = true }'
    search, base = search_of(tmp_path, TEXT + f'"model" = [{choice}]\n')
    (corner,) = {json.dumps(one, sort_keys=True) for one in space.corners(search) if "O2" in one["build.optimise"]}
    recipe = space.recipe_of(search, base, json.loads(corner))
    assert recipe.model.architecture == "lstm" and recipe.model.hidden == 1
    assert recipe.training.learning_rate == 0.001 and recipe.name == "small"


def test_candidates_of_the_same_program_share_a_cost() -> None:
    one = cost_key(tiny_recipe())
    assert (
        cost_key(tiny_recipe("seed = 9\ntraining.epochs = 9\naugmentation.noise_db = 3.0\nmodel.dropout = 0.1")) == one
    )
    for change in ("model.hidden = 3", 'build.optimise = "O2"', 'export.default = "int16x8"', "input.exponent = 2.0"):
        assert cost_key(tiny_recipe(change)) != one


def test_limits_are_the_lower_of_board_and_search() -> None:
    board = load_board("cc2650")
    limits = limits_of(Limits(flash_bytes=10_000, ram_bytes=10**9), board)
    assert limits["flash"] == 10_000 and limits["ram"] == board.budget.ram_bytes
    assert limits["cycles"] == board.budget.latency_ms / 1000 * board.clock.hz
    assert above(Cost(flash=10_001, ram=1, cycles=1, energy=1), limits) == [
        "flash 10,001 B, 1 B above the limit of 10,000"
    ]


def test_the_front_and_its_area() -> None:
    def candidate(number: int, quality: float, flash: int, status: str = "done") -> Candidate:
        cost = Cost(flash=flash, ram=1, cycles=1, energy=1)
        return Candidate(number, {}, TrialRecord(status=status, quality=quality, cost=cost))

    found = [candidate(0, 0.5, 10), candidate(1, 0.6, 10), candidate(2, 0.7, 20), candidate(3, 0.6, 15),
             candidate(4, 0.9, 30, "too large"), candidate(5, 0.7, 20)]  # fmt: skip
    assert [one.number for one in front(found, ["quality", "flash"])] == [2, 1]
    assert hypervolume([(1.0, 3.0), (2.0, 1.0), (2.5, 2.5), (9.0, 0.0)], (4.0, 4.0)) == 3 * 1 + 2 * 2


def test_a_space_by_default_fits_the_data_and_the_board(tmp_path: Path) -> None:
    rows = [f"{split},{room},{dbm - n},{-90 + n}" for split in ("train", "validation", "test")
            for room, dbm in (("hall", -40), ("bath", -80)) for n in range(8)]  # fmt: skip
    (tmp_path / "scans.csv").write_text("split,room,a,b\n" + "\n".join(rows) + "\n")
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\nlicence = "mine"\nfile = "scans.csv"\nsequential = false\n'
        '[columns]\naccess_points = ["a", "b"]\nlabel = "room"\nsplit = "split"\n'
    )
    search, base = default_search(own, load_board("cc2650"))
    assert search.name == "own-cc2650" and search.budget.flash_bytes == 32_768
    for corner in space.corners(search):
        assert space.recipe_of(search, base, corner).data.path == str(own)


# --- the real work ---


def test_a_trial_goes_from_first_weights_over_a_rung_to_its_end_without_the_test_recordings(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        'model = { architecture = "lstm", dense = 0 }\ntraining.epochs = 3\n'
        "compression.quantisation_aware = { epochs = 3, learning_rate = 0.001 }"
    )
    run = tmp_path / "run"
    before = untrained_cost(recipe, "cc2650", lambda _: None)
    merit = train_to_rung(recipe, run, 0.5, lambda _: None)
    assert 0 <= merit <= 1 and (run / "resume.pt").is_file() and not (run / "run.json").exists()
    measured = finish(recipe, run, "cc2650", lambda _: None)
    validation = np.concatenate(_validation(recipe)).tolist()
    assert load_test_set(run).label.tolist() == validation
    assert 0 <= measured.quality <= 1
    assert abs(measured.cost.flash - before.flash) <= 64 and measured.cost.ram == before.ram


def _validation(recipe: Any) -> list[list[int]]:
    from tinyloc.training.data import catalogue

    data_set = catalogue.load(recipe.data.name, recipe.data.options)
    return [recording.label.tolist() for recording in data_set.validation]


@pytest.mark.slow
def test_the_command_searches_and_trains_the_best(tmp_path: Path, repository: Path) -> None:
    search_of(tmp_path, TEXT.replace("trials = 14", "trials = 4").replace("high = 16", "high = 4"))
    done = subprocess.run(
        [sys.executable, "-m", "tinyloc", "search", "search.toml", "--jobs", "2"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "## Pareto front" in done.stdout and (tmp_path / "runs" / "small" / "run.json").is_file()


OWN = """
name = "own"
recipe = "tiny.toml"
board = "stm32l4"
trials = 2
[space]
"model.arguments.hidden" = [4, 40]
"model.architecture" = ["tests.own_architectures:Causal"]
"""


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_a_class_of_the_user_is_searched(tmp_path: Path) -> None:
    search, base = search_of(tmp_path, OWN)
    base["model"] = {"architecture": "tests.own_architectures:Causal", "crf": True}
    base["export"] = {"arithmetics": ["int8"]}
    small, large = (space.recipe_of(search, base, corner) for corner in space.corners(search))
    assert small.model.arguments == {"hidden": 4} and cost_key(small) != cost_key(large)
    costs = [untrained_cost(recipe, "stm32l4", lambda text: None) for recipe in (small, large)]
    assert costs[0].flash < costs[1].flash and costs[0].cycles < costs[1].cycles
    found = finish(small, tmp_path / "run", "stm32l4", lambda text: None)
    assert found.cost.flash == pytest.approx(costs[0].flash, rel=0.2) and 0 <= found.quality <= 1
