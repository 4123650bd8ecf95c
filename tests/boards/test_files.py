"""Files and directories that are written whole or not at all, whenever the process is killed."""

import errno
import os
import stat
import sys
import threading
import tty
from pathlib import Path

import pytest

from tinyloc.files import OutputPlaceError, put_back, whole_directory, write_whole


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


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_whole(pipe, "content")
    reader.join(10)
    assert read == ["content"] and pipe.is_fifo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_a_character_device_is_written_to_and_stays(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    device = Path(os.ttyname(theirs))
    before = device.stat()
    link = tmp_path / "link"
    link.symlink_to(device)
    for number, path in enumerate((device, link)):
        write_whole(path, f"content {number}")
        assert os.read(ours, 100) == f"content {number}".encode()
    after = device.stat()
    assert stat.S_ISCHR(after.st_mode) and os.path.samestat(before, after) and link.is_symlink()
    os.close(ours)
    os.close(theirs)


def test_an_open_descriptor_is_appended_to(tmp_path: Path) -> None:
    with (tmp_path / "out.txt").open("w") as file:
        file.write("before ")
        file.flush()
        write_whole(Path(f"/dev/fd/{file.fileno()}"), "content")
        assert os.path.samestat(os.fstat(file.fileno()), (tmp_path / "out.txt").stat())
    assert (tmp_path / "out.txt").read_text() == "before content"


def test_links_stay_and_their_target_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real").write_text("old")
    (tmp_path / "disk" / "real").chmod(0o600)
    (tmp_path / "second").symlink_to("disk/real")
    (tmp_path / "first").symlink_to("second")
    write_whole(tmp_path / "first", "new")
    (tmp_path / "dangling").symlink_to("disk/later")
    write_whole(tmp_path / "dangling", "made")
    assert (tmp_path / "disk" / "real").read_text() == "new" and (tmp_path / "disk" / "later").read_text() == "made"
    assert all((tmp_path / name).is_symlink() for name in ("first", "second", "dangling"))
    assert stat.S_IMODE((tmp_path / "disk" / "real").stat().st_mode) == 0o600


def test_content_is_on_the_disk_before_a_rename_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace
    names = {tmp_path: "parent"}

    def synced(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(names.get(place, "file" if place.is_file() else "directory"))
        sync(descriptor)

    def renamed(old: Path, new: Path) -> Path:
        steps.append("rename")
        return replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "a", "a")
    assert steps == ["file", "rename", "parent"]
    steps.clear()
    write(tmp_path / "run", "new")
    assert steps == ["file", "directory", "rename", "parent"]


def test_leftovers_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with whole_directory(tmp_path / "run") as place:
            (place / "half").write_text("half")
            os._exit(9)
    os.waitpid(child, 0)
    assert len(list(tmp_path.glob(".run.*.partial"))) == 1
    (tmp_path / ".run.mine").write_text("not ours")
    with whole_directory(tmp_path / "run") as living:
        (living / "a.txt").write_text("living")
        write(tmp_path / "run", "other")
        assert (living / "a.txt").read_text() == "living"
    assert text(tmp_path / "run") == "living"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".run.mine", "run"]


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for work in (write_whole, write):
        with pytest.raises(OSError, match="No space left") as error:
            work(tmp_path / "target", "content")
        assert error.value.filename == str(tmp_path / "target")
    assert not list(tmp_path.iterdir())


def test_a_directory_that_holds_the_current_one_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "kept").touch()
    monkeypatch.chdir(tmp_path / "here")
    for place in (Path(), tmp_path):
        with pytest.raises(OutputPlaceError, match="holds the current directory"), whole_directory(place):
            pass
    assert (tmp_path / "here" / "kept").exists()
