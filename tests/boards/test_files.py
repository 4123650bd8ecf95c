"""Directories that are written whole or not at all, whenever the process is killed."""

import os
import sys
from pathlib import Path

import pytest

from tinyloc.files import put_back, whole_directory


def write(path: Path, text: str) -> None:
    with whole_directory(path) as place:
        (place / "a.txt").write_text(text)


def text(path: Path) -> str:
    return (path / "a.txt").read_text()


def test_a_new_directory_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    write(path, "old")
    (path / "stale").write_text("stale")
    write(path, "new")
    assert text(path) == "new"
    assert [entry.name for entry in path.iterdir()] == ["a.txt"]
    assert [entry.name for entry in path.parent.iterdir()] == ["run"]


def test_a_failed_block_leaves_the_old_directory(tmp_path: Path) -> None:
    write(tmp_path / "run", "old")
    with pytest.raises(RuntimeError), whole_directory(tmp_path / "run") as place:
        (place / "a.txt").write_text("half")
        raise RuntimeError
    assert text(tmp_path / "run") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def kill_at(number: int, path: Path) -> bool:
    """Replace `path` in a child that dies before the number-th renaming or removal; whether it died."""
    child = os.fork()
    if child == 0:
        left = [number]

        def step(event: str, _: tuple[object, ...]) -> None:
            if event in ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        sys.addaudithook(step)
        write(path, "new")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    kept = []
    for number in range(1, 20):
        path = tmp_path / str(number) / "run"
        write(path, "old")
        died = kill_at(number, path)
        put_back(path)
        kept.append(text(path))
        write(path, "newer")
        assert text(path) == "newer"
        assert not (path.parent / ".run.old").exists()
        if not died:
            break
    assert not died and kept[0] == "old" and kept[-1] == "new" and kept == sorted(kept, reverse=True)


def test_when_the_new_directory_cannot_be_put_in_place_the_old_one_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "run", "old")

    def refuse(*_: object) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write(tmp_path / "run", "new")
    assert text(tmp_path / "run") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_link_to_a_directory_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "disk", "old")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    write(tmp_path / "run", "new")
    assert (tmp_path / "run").is_symlink()
    assert text(tmp_path / "disk") == "new"


def test_a_file_in_the_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "run", "new")
    assert (tmp_path / "run").read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
