"""Directories of the package that hold data: C sources, boards, zoo models, Renode files."""

import os
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent
"""The package. In a clone its parts are links to the top-level folders; in an installed wheel they are folders."""
CLONE_DIR = PACKAGE_DIR.parent
"""What holds the package: the clone, or the site-packages of an installed wheel."""
FIRMWARE_DIR = (PACKAGE_DIR / "firmware").resolve()
BOARDS_DIR = (PACKAGE_DIR / "boards").resolve()
ZOO_DIR = (PACKAGE_DIR / "zoo").resolve()
RENODE_DIR = (PACKAGE_DIR / "renode").resolve()


def cache_directory() -> Path:
    """The user's cache: $XDG_CACHE_HOME/tinyloc, usually ~/.cache/tinyloc. Nothing is written into the package."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinyloc"
