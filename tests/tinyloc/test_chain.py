"""The whole path through the command line on a small model: train, export, codegen, build, emulate, report, flash."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinyloc.bundle.schema import sha256
from tinyloc.main import main

RECIPE = """\
name = "small"
title = "A small MLP, badly trained"
[data]
name = "house-a"
[model]
architecture = "mlp"
hidden = [8]
[training]
epochs = 2
batch = 64
learning_rate = 0.01
[export]
arithmetics = ["int8"]
default = "int8"
[budget]
ram_bytes = 16384
"""

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with everything up to the firmware in it; each stage leaves its figures as JSON."""
    place = tmp_path_factory.mktemp("chain")
    (place / "small.toml").write_text(RECIPE)
    runs = ["--runs-dir", str(place / "runs")]
    assert main(["train", str(place / "small.toml"), *runs, "--json", str(place / "train.json")]) == 0
    for stage in ("export", "codegen", "build"):
        assert main([stage, "small", *runs, "--json", str(place / f"{stage}.json")]) == 0, stage
    return place / "runs" / "small"


def figures(run: Path, stage: str) -> dict[str, object]:
    content = json.loads((run.parents[1] / f"{stage}.json").read_text())
    assert isinstance(content, dict)
    return content


def test_every_stage_leaves_its_figures(run: Path) -> None:
    assert figures(run, "train")["name"] == "small"
    assert figures(run, "export")["models"]
    assert figures(run, "codegen")["arithmetic"] == "int8"
    flash = figures(run, "build")["flash"]
    assert isinstance(flash, dict)
    assert flash["total"] == sum(count for name, count in flash.items() if name != "total") > 0


def test_the_emulated_device_answers_as_the_host_and_the_report_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emulate", str(run), "--json", str(run / "emulate.json")]) == 0
    said = capsys.readouterr().out
    result = json.loads((run / "emulate.json").read_text())
    assert result["mismatches"] == 0 and result["samples"] > 1000 and result["passed"]
    assert "Passed" in said and f"{result['macro_f1']:.3f}" in said and "report-stm32l4.html" in said
    for key in ("accuracy", "flash_bytes", "ram_bytes", "cycles_median", "instructions_median", "energy_uj"):
        assert result[key] > 0, key
    assert (run / "report-stm32l4.html").read_text().count("<h2>") >= 5


def test_over_budget_is_exit_code_1_with_a_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tight = run.parent / "tight"
    shutil.copytree(run, tight)
    bundle = tight / "bundle" / "bundle.json"
    content = json.loads(bundle.read_text())
    bundle.write_text(json.dumps({**content, "budget": {"ram_bytes": 100}}))
    assert main(["emulate", str(tight)]) == 1
    said = capsys.readouterr().out
    assert "Over budget" in said and "OVER" in said and "recipe" in said


def test_a_firmware_that_crashes_is_exit_code_1_and_names_the_function(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = run.parent / "broken"
    shutil.copytree(run, broken)
    image = broken / "firmware" / "stm32l4" / "firmware.elf"
    with image.open("r+b") as file:
        elf = ELFFile(file)
        (symbol,) = elf.get_section_by_name(".symtab").get_symbol_by_name("tl_model_step")
        address = symbol["st_value"] & ~1
        (segment,) = [s for s in elf.iter_segments() if s["p_vaddr"] <= address < s["p_vaddr"] + s["p_filesz"]]
        file.seek(segment["p_offset"] + address - segment["p_vaddr"])
        file.write(b"\x00\xde")  # udf #0
    record = image.with_name("build.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "elf_sha256": sha256(image)}))
    assert main(["emulate", str(broken)]) == 1
    said = capsys.readouterr().err
    assert "crashed in tl_model_step" in said and "udf" in said


def test_every_board_is_built_and_emulated_at_once(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = tmp_path / "several"
    shutil.copytree(run, several, ignore=shutil.ignore_patterns("firmware"))
    assert main(["emulate", str(several), "--board", "all"]) == 2
    assert "build the run first" in capsys.readouterr().err
    monkeypatch.setattr("tinyloc.boards.part_names", lambda: ["cc2650", "stm32l4"])
    assert main(["build", str(several), "--board", "all", "--json", str(tmp_path / "built.json")]) == 0
    assert list(json.loads((tmp_path / "built.json").read_text())) == ["cc2650", "stm32l4"]
    capsys.readouterr()
    gate = ["--require", "flash=1K"]
    assert main(["emulate", str(several), "--board", "all", *gate, "--json", str(tmp_path / "all.json")]) == 1
    said = capsys.readouterr().out
    assert said.count("Over budget  small") == 2 and "0 of 2 boards without a complaint" in said
    found = json.loads((tmp_path / "all.json").read_text())
    assert {board: result["mismatches"] for board, result in found.items()} == {"cc2650": 0, "stm32l4": 0}


@pytest.mark.parametrize("command", [["emulate"], ["flash", "--dry-run"], ["evaluate", "--port", "/dev/nosuch"]])
def test_a_damaged_build_is_one_line(command: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = run.parent / "damaged"
    shutil.copytree(run, damaged, dirs_exist_ok=True)
    for name, content in (("firmware.elf", b"\x7fELF cut"), ("build.json", b'{"sizes": 3')):
        (damaged / "firmware" / "stm32l4" / name).write_bytes(content)
        assert main([command[0], str(damaged), *command[1:]]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
        assert name in said and "tinyloc build" in said


INTERRUPTED_IN_A_CALLBACK = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also when the tests run in the background
from tinyloc.device.emulator import machine
from tinyloc.main import run
look, looks = machine.Machine._look, []
def interrupted(self):
    looks.append(1)
    if len(looks) == 500:
        os.kill(os.getpid(), signal.SIGINT)
    look(self)
machine.Machine._look = interrupted
run()
"""


def test_an_interrupted_emulation_ends_with_one_line(run: Path) -> None:
    script = [sys.executable, "-c", INTERRUPTED_IN_A_CALLBACK, "emulate", str(run), "--json", str(run / "none.json")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert not (run / "none.json").exists()


def test_a_form_that_was_not_exported_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codegen", str(run), "--arithmetic", "int16x8"]) == 2
    assert "no int16x8 model; it has int8" in capsys.readouterr().err


def test_an_unknown_optimisation_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(run), "--optimise", "O3"]) == 2
    assert "'O3' is not one of" in capsys.readouterr().err


def test_flash_shows_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", str(run), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("openocd ") and "firmware.elf" in said


def test_evaluate_without_a_board_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--port", "/dev/nosuch"]) == 2
    assert "/dev/nosuch" in capsys.readouterr().err
