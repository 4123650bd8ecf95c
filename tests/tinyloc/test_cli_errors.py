"""What the user can mend is one message and exit code 2; what is our fault keeps its traceback."""

import errno
from pathlib import Path

import pytest

from tinyloc import main as entry
from tinyloc.main import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["board", "show", "nosuch"], ["unknown board 'nosuch'", "stm32l4"]),
        (["data", "describe", "nosuch"], ["unknown data set 'nosuch'", "ujiindoorloc", "house-a"]),
        (["train", "nosuch"], ["no recipe 'nosuch'", "house-a-mamba"]),
        (["export", "nosuch"], ["no run 'nosuch'", "there are no runs yet", "tinyloc train"]),
        (["codegen", "empty"], ["empty/bundle does not exist", "tinyloc export"]),
        (["build", "empty"], ["empty/bundle does not exist", "tinyloc export"]),
        (["build", "empty", "--board", "nosuch"], ["unknown board 'nosuch'"]),
        (["emulate", "empty"], ["empty/firmware/stm32l4 does not exist", "tinyloc build"]),
        (["evaluate", "empty", "--port", "/dev/null"], ["empty/firmware/stm32l4 does not exist", "tinyloc build"]),
        (["flash", "empty"], ["empty/firmware/stm32l4 does not exist", "tinyloc build", "--board stm32l4"]),
        (["report", "empty"], ["runs/empty has no evaluation", "tinyloc emulate"]),
        (
            ["emulate", "empty", "--arithmetic", "int8", "--board", "cc2650"],
            ["tinyloc build", "--board cc2650 --arithmetic int8`"],
        ),
        (["train", "uji-mlp", "--run", "../../evil"], ["--run ../../evil", "--runs-dir"]),
        (["train", "uji-mlp", "--run", "/tmp/evil"], ["--run /tmp/evil", "--runs-dir"]),
        (["train", "uji-mlp", "--run", ".."], ["--run ..:", "--runs-dir"]),
        (["data", "describe", "house-a", "--json", "."], [". is a directory; name a file"]),
        (["report", "empty", "--output", "runs"], ["runs is a directory; name a file"]),
        (["report", "empty", "--output", "/dev/null/page.html"], ["/dev/null is a file; name another place"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and len(value) < 6 else None,
)
def test_one_message_and_exit_code_2(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "empty" in arguments:
        (tmp_path / "runs" / "empty").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
    for word in words:
        assert word in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recipe_with_wrong_keys_names_them_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "wrong.toml"
    recipe.write_text('name = "wrong"\nspeed = 3\n[data]\nname = "house-z"\n[model]\narchitecture = "mlp"\n')
    assert main(["train", str(recipe), "--runs-dir", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert "speed: unknown key" in said and "house-z" in said and "training: missing" in said
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder")
    monkeypatch.setattr("tinyloc.training.run.train", lambda *_, **__: pytest.fail("it began to train"))
    for target, words in ((blocked / "a" / "b.json", f"{blocked} is a file"), (tmp_path, f"{tmp_path} is a directory")):
        assert main(["train", "uji-mlp", "--runs-dir", str(tmp_path / "runs"), "--json", str(target)]) == 2
        said = capsys.readouterr().err
        assert words in said and said.startswith("error: ") and said.count("\n") == 1


def test_a_full_disk_is_one_line_and_other_errors_of_files_are_our_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(number: int) -> None:
        def app(_: list[str], prog_name: str) -> None:
            raise OSError(number, "words of the system", "/somewhere/figures.json")

        monkeypatch.setattr(entry, "app", app)

    fails(errno.ENOSPC)
    assert main([]) == 2
    assert capsys.readouterr().err == "error: /somewhere/figures.json: words of the system\n"
    fails(errno.ENOENT)
    with pytest.raises(FileNotFoundError):
        main([])


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build"]) == 2
    assert "RUN" in capsys.readouterr().err
    assert main(["nosuch"]) == 2
    assert main(["board", "list", "--nosuch"]) == 2


def test_a_missing_extra_names_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], repository: Path
) -> None:
    def needs_torch(_: list[str], prog_name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    monkeypatch.setattr(entry, "app", needs_torch)
    assert main(["train", "house-a-mamba"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: this command needs torch.nn, which is not installed; run `")
    assert said.endswith(f'-m pip install -e "{repository}[train]"`\n')


def test_our_own_faults_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: list[str], prog_name: str) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(entry, "app", broken)
    with pytest.raises(KeyError):
        main([])


def test_the_console_script_tells_our_faults_from_a_failed_evaluation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: list[str], prog_name: str) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(entry, "app", broken)
    with pytest.raises(SystemExit) as stop:
        entry.run()
    assert stop.value.code == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_module_of_ours_that_is_missing_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: list[str], prog_name: str) -> None:
        raise ModuleNotFoundError("No module named 'tinyloc.nosuch'", name="tinyloc.nosuch")

    monkeypatch.setattr(entry, "app", broken)
    with pytest.raises(ModuleNotFoundError):
        main([])
