"""Host answers that were computed before, on disk: they depend on the bundle and the arithmetic, not on the board.

The key covers everything that answers depend on: the bundle with the hashes of its files, arithmetic, back end and
reference, every source file of tinyloc, the versions of Python and NumPy. A file that is damaged counts as missing.
"""

import hashlib
import os
import platform
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from tinyloc import paths
from tinyloc.bundle.schema import Arithmetic, load_bundle
from tinyloc.files import write_whole

KEPT = 64
"""Files in the cache; the oldest are removed."""


def directory() -> Path:
    """Where answers are kept."""
    return paths.cache_directory() / "host-answers"


def key(bundle_dir: Path, arithmetic: Arithmetic, backend: str, reference: str) -> str:
    """SHA-256 over what the answers depend on."""
    found = hashlib.sha256(_sources())
    for word in (arithmetic, backend, reference):
        found.update(word.encode() + b"\0")
    load_bundle(bundle_dir)  # refuses files that are not those whose hashes it holds
    found.update((bundle_dir / "bundle.json").read_bytes())
    return found.hexdigest()


@cache
def _sources() -> bytes:
    found = hashlib.sha256(f"{platform.python_version()} {np.__version__}".encode())
    for folder, folders, files in os.walk(paths.PACKAGE_DIR, followlinks=True):  # a clone's parts are links
        folders.sort()
        for name in sorted(name for name in files if name.endswith(".py")):
            path = Path(folder) / name
            found.update(str(path.relative_to(paths.PACKAGE_DIR)).encode() + b"\0")
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.digest()


def find(name: str, arrays_of: set[str]) -> dict[str, npt.NDArray[np.int32]] | None:
    """The arrays kept under a key, of these names; None when there are none."""
    path = directory() / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {array: arrays[array] for array in arrays.files}
        path.touch()
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return found if found.keys() == arrays_of else None


def keep(name: str, arrays: dict[str, npt.NDArray[np.int32]]) -> None:
    """Keep arrays under a key; a cache that cannot be written is left alone."""
    content = BytesIO()
    np.savez(content, **arrays)
    try:
        directory().mkdir(parents=True, exist_ok=True)
        write_whole(directory() / f"{name}.npz", content.getvalue())
        by_age = sorted(directory().glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in by_age[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        return
