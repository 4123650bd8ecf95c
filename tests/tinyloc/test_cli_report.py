"""`tinyloc report`, `board` and `data` do what they say."""

import json
import re
from pathlib import Path

import pytest

from tests.evaluation_samples import house_evaluation
from tinyloc.cli.runs import find_run
from tinyloc.device.report.record import save_evaluation
from tinyloc.main import main


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "runs" / "house"
    save_evaluation(house_evaluation(), directory / "evaluation-stm32l4.json")
    return directory


def test_report_shows_the_verdict_and_writes_page_and_json(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    assert main(["report", "house", "--runs-dir", str(run_directory.parent), "--json", str(figures)]) == 0
    said = capsys.readouterr().out
    page = run_directory / "report-stm32l4.html"
    assert "Passed" in said and str(page) in said
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(figures.read_text())["macro_f1"] == 0.871


def test_a_run_is_found_by_its_path_too(run_directory: Path, tmp_path: Path) -> None:
    page = tmp_path / "elsewhere" / "page.html"
    assert main(["report", str(run_directory), "--output", str(page)]) == 0
    assert page.is_file() and not (run_directory / "report-stm32l4.html").exists()


@pytest.mark.parametrize("holds", ["run.json", "bundle"])
def test_a_folder_that_only_has_the_name_of_a_run_does_not_hide_it(
    holds: str, run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house").mkdir()
    assert find_run("house", Path("runs")).path == Path("runs/house")
    run_directory.joinpath(holds).mkdir() if holds == "bundle" else run_directory.joinpath(holds).touch()
    assert find_run("house", Path("runs")).path == Path("runs/house")
    (tmp_path / "house" / "bundle").mkdir()
    assert find_run("house", Path("runs")).path == Path("house")


def test_a_damaged_record_is_refused_and_nothing_is_written(
    run_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_directory / "evaluation-stm32l4.json").write_text('{"name": "house"}')
    assert main(["report", str(run_directory)]) == 2
    said = capsys.readouterr().err
    assert "evaluation-stm32l4.json" in said and "tinyloc emulate" in said
    assert not (run_directory / "report-stm32l4.html").exists()


def test_several_evaluations_are_compared_on_a_page_and_summed_up_for_ci(
    run_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    over = {"name": "ram", "used": 5000.0, "limit": 4096.0, "unit": "B", "source": "recipe"}
    save_evaluation(house_evaluation(board="cc2650", budget=[over]), run_directory / "evaluation-cc2650.json")
    files = {name: tmp_path / name for name in ("all.json", "summary.md", "junit.xml")}
    command = ["report", str(run_directory), "--json", str(files["all.json"]), "--markdown", str(files["summary.md"]),
               "--junit", str(files["junit.xml"])]  # fmt: skip
    assert main(command) == 0
    assert str(run_directory / "comparison.html") in capsys.readouterr().out
    assert {row["board"] for row in json.loads(files["all.json"].read_text())} == {"cc2650", "stm32l4"}
    assert "**Over budget**" in files["summary.md"].read_text()
    assert 'failures="1"' in files["junit.xml"].read_text()
    for name in ("report-cc2650.html", "report-stm32l4.html", "comparison.html"):
        assert (run_directory / name).read_text().startswith("<!doctype html>")
    assert main([*command, "--fail-over-budget"]) == 1
    assert main(["report", str(run_directory), "--board", "stm32l4", "--fail-over-budget"]) == 0
    capsys.readouterr()
    assert main(["report", str(run_directory), "--board", "aducm3029"]) == 2
    assert "no evaluation of aducm3029; it has cc2650, stm32l4" in capsys.readouterr().err


def test_board_list_and_show_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"stm32l4 +STM32L432KC +cortex-m4f +80 MHz +256 KB +64 KB", listed)
    assert main(["board", "show", "stm32l4"]) == 0
    assert json.loads(capsys.readouterr().out)["clock"]["hz"] == 80_000_000


def test_data_describe_counts_the_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "house.json"
    assert main(["data", "describe", "house-a", "--json", str(figures)]) == 0
    assert "8 access points" in capsys.readouterr().out
    content = json.loads(figures.read_text())
    assert set(content["splits"]) == {"train", "validation", "test"}
    assert len(content["classes"]) == 4 and content["splits"]["test"]["samples"] > 1000


def test_data_describe_reads_a_csv_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"r{n % 2},w{n // 4},{-40 - n}\n" for n in range(20))
    (tmp_path / "scans.csv").write_text(f"room,walk,ap\n{rows}")
    about = tmp_path / "flat.toml"
    columns = '[columns]\naccess_points = ["ap"]\nlabel = "room"\nrecording = "walk"\n'
    about.write_text(f'name = "flat"\nlicence = "mine"\nfile = "scans.csv"\n{columns}')
    assert main(["data", "describe", "csv", "--data", str(about)]) == 0
    assert "1 access points, 1 of them heard in training; 2 classes" in capsys.readouterr().out
    assert main(["data", "describe", "csv"]) == 2
    assert "--data FILE.toml" in capsys.readouterr().err


def test_data_list_names_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    for name in ("ujiindoorloc", "house-a", "house-b", "house-c", "house-d"):
        assert name in said


def test_recipes_are_listed_with_their_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    assert re.search(r"house-a-mamba .*house-a +mamba", capsys.readouterr().out)
