"""Files and directories that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file by way of a temporary neighbour, so that a reader sees the old content or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory that replaces `path` when the block ends well and vanishes when it does not.

    The old directory steps aside until the new one stands: whenever the process is killed, one of the two is there, the
    old one perhaps aside, from where the next `whole_directory` (or `put_back`) fetches it.
    """
    path = path.resolve()  # a link to a directory stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    put_back(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    temporary.chmod(0o755)
    try:
        yield temporary
        _exchange(path, temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def put_back(path: Path) -> None:
    """Mend what a `whole_directory(path)` that was killed left: its old directory comes back, or goes when replaced."""
    path = path.resolve()
    aside = _aside(path)
    if aside.is_dir():
        if path.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(path)


def _exchange(path: Path, new: Path) -> None:
    aside = _aside(path)
    if path.is_dir():
        path.rename(aside)
    try:
        new.replace(path)
    except BaseException:
        if aside.is_dir():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
