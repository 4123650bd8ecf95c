"""Directories of the package that hold data: C sources, boards, zoo models, Renode files."""

import os
from pathlib import Path

from tinyloc.errors import UserError

PACKAGE_DIR = Path(__file__).resolve().parent
"""The package. In a clone its parts are links to the top-level folders; in an installed wheel they are folders."""
CLONE_DIR = PACKAGE_DIR.parent
"""What holds the package: the clone, or the site-packages of an installed wheel."""
FIRMWARE_DIR = (PACKAGE_DIR / "firmware").resolve()
BOARDS_DIR = (PACKAGE_DIR / "boards").resolve()
ZOO_DIR = (PACKAGE_DIR / "zoo").resolve()
RENODE_DIR = (PACKAGE_DIR / "renode").resolve()
FUSION_RESULTS_DIR = (PACKAGE_DIR / "training" / "fusion" / "results").resolve()
"""Tuned filters and students of the fusion's study."""


OWN_BOARDS = Path("boards")
"""Boards of the user, below the current directory."""


def boards_directories() -> list[Path]:
    """Directories that hold boards, parts and families: ./boards, those of $TINYLOC_BOARDS, the package's.

    One real path counts once: in a clone the first is the last.
    """
    own = [Path(text) for text in os.environ.get("TINYLOC_BOARDS", "").split(os.pathsep) if text]
    places = [place.resolve() for place in (OWN_BOARDS, *own, BOARDS_DIR)]
    return [place for place in dict.fromkeys(places) if place.is_dir()]


def board_files() -> dict[str, list[Path]]:
    """Each board.toml by the name of its directory; more than one where names collide."""
    found: dict[str, list[Path]] = {}
    for directory in boards_directories():
        for path in sorted(directory.glob("*/board.toml")):
            found.setdefault(path.parent.name, []).append(path)
    return found


def family_directories(name: str) -> list[Path]:
    """Directories `families/<name>` in directories of boards: the user's own families. The package's are elsewhere."""
    return [place for directory in boards_directories() if (place := directory / "families" / name).is_dir()]


def cache_directory() -> Path:
    """The user's cache: $XDG_CACHE_HOME/tinyloc, usually ~/.cache/tinyloc. Nothing is written into the package."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinyloc"


class InstalledError(UserError):
    """Something that belongs to a clone was asked of an installed package, which is never written to."""


def folder_of_clone(folder: Path, instead: str) -> Path:
    """Return a folder of the package that a command may write to.

    Args:
        folder: One of the folders above.
        instead: What the user can do if tinyloc is not a clone.

    Raises:
        InstalledError: tinyloc is an installed wheel.
    """
    if not (CLONE_DIR / "pyproject.toml").is_file():
        raise InstalledError(f"tinyloc is installed in {PACKAGE_DIR}, where nothing is written; {instead}")
    return folder
