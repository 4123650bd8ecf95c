"""The description of a file that was guessed, as text, and what a first look at the data finds."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from tinyloc.errors import counted
from tinyloc.training.data.dataset import UNSEEN, DataSet, stacked
from tinyloc.training.data.files import some
from tinyloc.training.data.own.guess import Guess

HALF_SHARE = 0.02
"""Of the scans of one half of a survey, at least so many hear an access point that the other half never hears."""


def safe_name(path: Path) -> str:
    """A name for the data set and the recipe, from the file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "map"


def description(found: Guess, train: str, test: str | None, name: str) -> str:
    """The TOML text of a guess; `train` and `test` are names of files beside it."""
    top: dict[str, Any] = {"name": name, "licence": "not stated", "citation": ""}
    top |= {"train": train, "test": test} if test else {"file": train}
    settings = {key: value for key, value in found.settings.items() if key != "missing"}
    missing = [*found.settings.get("missing", []), *(int(code) for code in found.codes)]
    text = tomli_w.dumps({**top, **settings, "missing": missing, "columns": found.columns})
    ignored = f"# Not used: {', '.join(found.ignored)}\n" if found.ignored else ""
    return f"# A radio map as `tinyloc init` guessed it; docs/reference/data.md explains every key.\n{ignored}{text}"


def first_look(data_set: DataSet) -> list[str]:
    """Sentences about access points, places, scans of each, pauses, and access points that are not to be trusted."""
    training = stacked(data_set.train)
    count = np.bincount(training.label[training.label != UNSEEN], minlength=len(data_set.classes))
    heard = ~np.isnan(training.rssi_dbm)
    least, most = data_set.classes[int(count.argmin())], data_set.classes[int(count.argmax())]
    found = [
        f"{counted(len(data_set.access_points), 'access point')}, {int(heard.any(axis=0).sum())} of them heard in "
        f"training, {heard.sum(axis=1).mean():.1f} in a scan",
        f"{counted(len(data_set.classes), 'class', 'classes')}; training scans of a class: {count.min()} ({least}) to "
        f"{count.max()} ({most}), median {np.median(count):g}",
    ]
    half = len(training) // 2
    first, second = heard[:half].mean(axis=0), heard[half:].mean(axis=0)
    odd = np.flatnonzero(((first == 0) & (second > HALF_SHARE)) | ((second == 0) & (first > HALF_SHARE)))
    if len(odd):
        names = some([data_set.access_points[place] for place in odd])
        found.append(
            f"{counted(len(odd), 'access point')} heard in one half of the training scans only ({names}): another part "
            "of the site, or switched on or off meanwhile"
        )
    return found
