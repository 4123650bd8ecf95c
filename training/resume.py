"""resume.pt: what an interrupted training left, and whether it may go on from there."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tinyloc.files import put_back, write_whole
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.digest import digest
from tinyloc.training.errors import TrainingError, one_line
from tinyloc.training.recipe import Recipe

KEYS = {"name", "recipe", "data", "finished", "fit"}
_WAY_OUT = "train again with --fresh, or name another directory"


def find(recipe: Recipe, directory: Path, fresh: bool) -> dict[str, Any] | None:
    """Load what an interrupted training of this recipe left in `directory`.

    Returns:
        `finished`: `Fit.result` of each stage that is done; `fit`: `Fit.state_dict` of the one in training. None when
        there is nothing to continue.

    Raises:
        TrainingError: the directory is no place for a run, or the file is damaged or of another recipe.
    """
    if directory.exists() and not directory.is_dir():
        raise TrainingError(f"{directory} is a file; name a directory for the run")
    put_back(directory)
    path = directory / "resume.pt"
    if not path.is_file():
        if directory.is_dir() and any(directory.iterdir()) and not (directory / "run.json").is_file():
            raise TrainingError(f"{directory} holds other files than a run; name a new directory, or empty this one")
        return None
    if fresh:
        return None
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        missing = sorted(KEYS - saved.keys())
    except Exception as error:  # a damaged file makes torch.load raise almost anything
        raise TrainingError(f"{path}: not readable ({one_line(error)}); {_WAY_OUT}") from error
    if missing:
        raise TrainingError(f"{path}: holds no {', '.join(missing)}; {_WAY_OUT}")
    if saved["recipe"] != recipe.model_dump_json():
        other = saved["name"]
        raise TrainingError(f"{directory} holds an interrupted training of another recipe ({other}); {_WAY_OUT}")
    return saved


def check_data(saved: dict[str, Any], data: str, directory: Path) -> None:
    """Check that an interrupted training is continued on the same data.

    Raises:
        TrainingError: it was interrupted on other data than `data`, see `describe`; the message names both.
    """
    if saved["data"] != data:
        raise TrainingError(
            f"{directory} holds a training that was interrupted on other data: then {saved['data']}, now {data}; "
            f"give the data of then to go on, {_WAY_OUT}"
        )


def save(path: Path, recipe: Recipe, data: str, finished: list[dict[str, Any]], state: dict[str, Any]) -> None:
    """Write resume.pt whole. `data`: see `describe`; `finished` and `state` come back from `find` as they are."""
    buffer = io.BytesIO()
    content = {"name": recipe.name, "recipe": recipe.model_dump_json(), "data": data}
    torch.save(content | {"finished": finished, "fit": state}, buffer)
    write_whole(path, buffer.getvalue())


@contextmanager
def taking_up(path: Path) -> Iterator[None]:
    """TrainingError when what stands in `path` does not fit the model and its optimiser."""
    try:
        yield
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path}: does not fit this training ({one_line(error)}); {_WAY_OUT}") from error


def describe(data_set: DataSet) -> str:
    """Name and sizes for people, and a hash of all that training reads, such as "house-a (8 access points, ...)"."""
    splits = ", ".join(f"{sum(map(len, parts))} {name}" for name, parts in data_set.splits.items())
    points, classes = len(data_set.access_points), len(data_set.classes)
    size = f"{points} access points, {classes} classes, samples: {splits}"
    return f"{data_set.name} ({size}, sha256 {digest(data_set)[:16]})"
