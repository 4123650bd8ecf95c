"""Files and directories that are written whole or not at all."""

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tinyloc.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"
"""End of the name of what is being written; the beginning is `.NAME.`, the middle 8 random characters."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a full or broken disk, which come without the name of the file."""


class OutputPlaceError(UserError):
    """A directory that cannot be replaced; the message says why."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, also after a power cut.

    The content goes to a temporary neighbour that then takes the file's place; leftovers of killed processes go. A link
    stays a link: its target is written. What is no regular file (a pipe, a device, an open descriptor such as
    /dev/stdout) is written to and never replaced.

    Args:
        path: The file; missing parent directories are made.
        content: Text is written as UTF-8.

    Raises:
        OSError: The file cannot be written; `filename` says which.
    """
    data = content.encode() if isinstance(content, str) else content
    with _named(path):
        if writes_through(path):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
                stream.write(data)
            return
        path = path.resolve()
        with _neighbour(path, tempfile.mkstemp) as temporary:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
            temporary.replace(path)
        _sync(path.parent)


def writes_through(path: Path) -> bool:
    """Whether a path is not a place for a file: a pipe, a socket, a device, or a descriptor that is open already."""
    try:
        found = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(found) or stat.S_ISDIR(found)) or _is_descriptor(path)


def _is_descriptor(path: Path) -> bool:
    """Whether a chain of links leads by an open descriptor, as /dev/stdout -> /proc/self/fd/1 -> out.txt does."""
    for _ in range(40):
        if re.fullmatch(r"/proc/\d+(/task/\d+)?/fd", os.path.realpath(path.parent)):
            return True
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return False


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory that replaces `path` when the block ends well and vanishes when it does not.

    The old directory steps aside until the new one stands: whenever the process is killed or the power is cut, one of
    the two is there, the old one perhaps aside, from where the next `whole_directory` (or `put_back`) fetches it. The
    temporary directories of killed processes go, too.

    Raises:
        OSError: A file cannot be written; `filename` says which, at the least this directory.
        OutputPlaceError: It is, or holds, the current directory.
    """
    path = path.resolve()  # a link to a directory stays a link
    if path in (Path.cwd(), *Path.cwd().parents):
        raise OutputPlaceError(f"{path} is replaced as a whole and holds the current directory; name another directory")
    put_back(path)
    with _named(path), _neighbour(path, tempfile.mkdtemp) as temporary:
        temporary.chmod(0o755)
        yield temporary
        _sync_tree(temporary)
        _exchange(path, temporary)


def put_back(path: Path) -> None:
    """Mend what a `whole_directory(path)` that was killed left: its old directory comes back, or goes when replaced."""
    path = path.resolve()
    aside = _aside(path)
    if aside.is_dir():
        if path.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(path)
            _sync(path.parent)


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
    _sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the name of the file into an error of a full disk, which has none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            error.filename = str(path)
        raise


@contextmanager
def _neighbour(path: Path, make: Callable[..., str | tuple[int, str]]) -> Iterator[Path]:
    """Give a new temporary file or directory beside `path`, marked as a living process's; it goes when the block fails.

    `make` is tempfile.mkstemp or mkdtemp.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    with ExitStack() as stack:
        while True:
            made = make(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
            if isinstance(made, tuple):
                os.close(made[0])
            temporary = Path(made if isinstance(made, str) else made[1])
            if _marked(temporary, stack):
                break
        try:
            yield temporary
        except BaseException:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)
            raise


def _marked(temporary: Path, stack: ExitStack) -> bool:
    """Lock `temporary` until the stack unwinds or the process dies; False when another process removed it before."""
    if not fcntl:
        return True
    try:
        descriptor = os.open(temporary, os.O_RDONLY)
    except FileNotFoundError:
        return False
    stack.callback(os.close, descriptor)
    with suppress(OSError):  # a file system without locks: there nothing is taken for a leftover
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), temporary.stat())
    except FileNotFoundError:
        return False


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary neighbours of `path` that no living process has locked."""
    if not fcntl:
        return
    wanted = re.compile(re.escape(f".{path.name}.") + r"[a-z0-9_]{8}" + re.escape(PARTIAL))
    with os.scandir(path.parent) as entries:
        found = [Path(entry.path) for entry in entries if wanted.fullmatch(entry.name)]
    for leftover in found:
        try:
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # just renamed or removed by its owner
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    """Put every file and directory below `folder` on the disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if not file.is_symlink():
                _sync(file)
        _sync(Path(place))


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS):  # a file system that syncs no directories
            raise
    finally:
        os.close(descriptor)
