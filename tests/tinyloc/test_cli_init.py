"""`tinyloc init`: a file of readings becomes a description and a recipe, by guesses that a person may correct."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tinyloc.main import main
from tinyloc.training.data import own
from tinyloc.training.recipe import load_recipe


def survey(folder: Path, name: str = "site.csv") -> Path:
    """Places with a scan on each of four days; nobody hears WAP5, the ground floor only WAP4."""
    rows = [
        f"{2 * x},{2 * y},{floor},{day},{1_764_500_000_000 + 86_400_000 * day},{-40 - 4 * x},{-45 - 3 * y},"
        f"{-60 - 9 * floor},{-70 if floor == 0 else 100},100,phone{day % 2}"
        for floor in range(2)
        for x in range(4)
        for y in range(4)
        for day in range(4)
    ]
    head = "POS_X,POS_Y,Floor,Day,Timestamp,WAP1,WAP2,WAP3,WAP4,WAP5,Phone"
    (folder / name).write_text("\n".join([head, *rows]) + "\n")
    return folder / name


def home(folder: Path) -> Path:
    """Walks through rooms, written with semicolons, decimal commas and -110 for what was not heard."""
    rows = [
        f"{n / 2:.1f}".replace(".", ",") + f";w{walk};{room};{-50 - 10 * number},5;{-110 if (n + walk) % 2 else -70}"
        for walk in range(6)
        for number, room in enumerate(("K\u00fcche", "Bad", "Flur"))
        for n in range(20 * number, 20 * (number + 1))
    ]
    path = folder / "home.csv"
    path.write_bytes("\n".join(["Time;Walk;Room;ap 1;ap 2", *rows, ""]).encode("latin-1"))
    return path


def settings(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def test_a_survey_with_positions_is_described_and_gets_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = survey(tmp_path, "test.csv")
    assert main(["init", str(survey(tmp_path)), "--test", str(test), "--yes", "--board", "cc2650"]) == 0
    said = capsys.readouterr().out
    about = settings(tmp_path / "site.data.toml")
    assert about["columns"] == {
        "x": "POS_X", "y": "POS_Y", "floor": "Floor", "day": "Day", "time": "Timestamp", "device": "Phone",
        "access_points": ["WAP*"],
    }  # fmt: skip
    assert about["missing"] == [100] and about["time_unit"] == "ms" and not about["sequential"]
    data = own.load(tmp_path / "site.data.toml")
    assert len(data.classes) == 32 and set(data.class_group) == {"F0", "F1"}
    recipe = load_recipe(tmp_path / "site.recipe.toml")
    assert recipe.data.path == str(tmp_path / "site.data.toml") and recipe.output.position == "mean"
    assert recipe.input.drop_silent and recipe.budget.flash_bytes == 32768
    for words in (
        "site.csv: 128 rows, 1 recording, 5 access points, 4 days, 2 devices",
        "5 access points, 4 of them heard in training",
        "32 classes; training scans of a class: 3 (F0 1) to 3 (F0 1), median 3",
        "site.recipe.toml; next: tinyloc deploy",
    ):
        assert words in said


def test_walks_in_another_encoding_with_semicolons_and_a_code_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home(tmp_path)
    assert main(["init", str(path), "--yes"]) == 0
    about = settings(tmp_path / "home.data.toml")
    assert (about["encoding"], about["delimiter"], about["decimal"]) == ("latin-1", ";", ",")
    assert about["missing"] == [-110] and about["sequential"]
    assert about["columns"] == {
        "time": "Time", "recording": "Walk", "label": "Room", "access_points": ["ap 1", "ap 2"],
    }  # fmt: skip
    data = own.load(tmp_path / "home.data.toml")
    assert data.classes == ("Bad", "Flur", "K\u00fcche") and data.rate_hz == 2
    recipe = load_recipe(tmp_path / "home.recipe.toml")
    assert recipe.model.architecture == "mlp" and recipe.model.crf and recipe.window.steps == 16


def test_a_person_may_say_that_a_code_is_a_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def confirm(question: str, default: bool) -> bool:
        asked.append(question)
        return "dBm" not in question

    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["init", str(home(tmp_path))]) == 0
    assert len(asked) == 3 and "Read it as latin-1?" in asked[0] and "-110 dBm" in asked[1] and "walks" in asked[2]
    about = settings(tmp_path / "home.data.toml")
    assert about["heard"] == [-110] and about["missing"] == []


def test_a_long_table_is_told_from_a_wide_one(tmp_path: Path) -> None:
    rows = [
        f"2026-11-30T10:{walk:02d}:{n:02d}Z,s{walk},{'ab'[n // 10 % 2]},aa:0{ap},{-50 - n % 7 - ap}"
        for walk in range(6)
        for n in range(30)
        for ap in range(3)
    ]
    (tmp_path / "packets.csv").write_text("\n".join(["timestamp,session,room,bssid,rssi", *rows]) + "\n")
    assert main(["init", str(tmp_path / "packets.csv"), "--yes"]) == 0
    about = settings(tmp_path / "packets.data.toml")
    assert about["time_unit"] == "iso" and about["sequential"]
    assert about["columns"]["access_point"] == "bssid" and about["columns"]["dbm"] == "rssi"
    data = own.load(tmp_path / "packets.data.toml")
    assert data.access_points == ("aa:00", "aa:01", "aa:02") and data.rate_hz == 1


def test_a_description_gets_a_recipe_and_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(home(tmp_path)), "--yes"]) == 0
    about = next(tmp_path.glob("*.data.toml")).rename(tmp_path / "my.flat.data.toml")
    text = about.read_text() + "# mine\n"
    about.write_text(text)
    assert main(["init", str(about), "--board", "cc2650"]) == 0
    assert about.read_text() == text and load_recipe(str(tmp_path / "my.flat.recipe.toml")).data.path == str(about)
    assert main(["init", str(about)]) == 2 and "my.flat.recipe.toml exist" in capsys.readouterr().err
    assert main(["init", str(about), "--test", str(about), "--force"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4\n", "no column looks like readings in dBm"),
        ("ap1,ap2\n-50,-60\n-51,-61\n", "no column looks like a place"),
    ],
)
def test_files_without_readings_or_places_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    (tmp_path / "odd.csv").write_text(text)
    assert main(["init", str(tmp_path / "odd.csv"), "--yes"]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["odd.csv"]


def test_what_an_earlier_init_wrote_is_kept_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home(tmp_path)
    assert main(["init", str(path), "--yes"]) == 0
    (tmp_path / "home.data.toml").write_text("mine")
    assert main(["init", str(path), "--yes"]) == 2
    assert "exist; correct them, or replace them with --force" in capsys.readouterr().err
    assert (tmp_path / "home.data.toml").read_text() == "mine"
    assert main(["init", str(path), "--yes", "--force"]) == 0
    assert main(["init", str(tmp_path / "none.csv")]) == 2


def test_training_on_positions_prints_metres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(survey(tmp_path)), "--yes"]) == 0
    recipe = tmp_path / "site.recipe.toml"
    recipe.write_text(re.sub(r"epochs = \d+", "epochs = 2", recipe.read_text()))
    capsys.readouterr()
    assert main(["train", str(recipe), "--runs-dir", str(tmp_path / "runs")]) == 0
    said = capsys.readouterr()
    figures = json.loads((tmp_path / "runs" / "site" / "metrics.json").read_text())
    assert f"mean error {figures['test']['error_mean_m']:.2f} m, P50" in said.out
    assert f"mean error {figures['validation']['error_mean_m']:.2f} m, best in epoch" in said.err
