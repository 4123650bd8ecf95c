"""SEARCH.toml: what is searched, for which board, within which budget (docs/reference/search.md)."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from tinyloc.boards import part_names
from tinyloc.errors import UserError
from tinyloc.names import FileName
from tinyloc.strict import Strict
from tinyloc.training.recipe import Recipe

Objective = Literal["quality", "flash", "ram", "cycles", "energy"]
Sampler = Literal["tpe", "nsga2", "random"]
MOST_CHOICES = 1000


class SearchError(UserError):
    """A search that is not well formed, cannot begin or cannot go on; the message lists every problem."""


class Limits(Strict):
    """[budget]: Limits of the whole image. Where the board allows less, that counts."""

    flash_bytes: int | None = Field(default=None, ge=1)
    """Flash of the image."""
    ram_bytes: int | None = Field(default=None, ge=1)
    """RAM of the image with its stack."""
    cycles: int | None = Field(default=None, ge=1)
    """Cycles per sample, modelled by the emulator."""
    energy_uj: float | None = Field(default=None, gt=0)
    """Energy per sample in µJ, modelled."""


class Range(Strict):
    """Numbers from `low` to `high`, both included."""

    low: int | float
    high: int | float
    step: int | float | None = Field(default=None, gt=0)
    log: bool = False
    """Sample on a logarithmic scale."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))


class Search(Strict):
    """A whole search."""

    name: FileName
    """Name of the search, of its directory and of the run that it chooses."""
    recipe: str
    """Recipe by name or file; gives everything that [space] does not."""
    board: str
    """Board whose budget holds and on which costs are measured."""
    trials: int = Field(default=60, ge=1, le=100_000)
    """Candidates that are proposed, those that do not fit included."""
    sampler: Sampler = "tpe"
    """"tpe", "nsga2", or "random" to compare with."""
    objectives: list[Objective] = Field(default=["quality", "flash"], min_length=1)
    """What is weighed: quality is maximised, costs are minimised."""
    seed: int = Field(default=1, ge=0, lt=2**32)
    """Seed of the sampler. Each training has the recipe's seed."""
    budget: Limits = Limits()
    rungs: list[float] = Field(default=[0.25, 0.5])
    """Shares of the epochs after which a candidate ends early, if at least two that cost no more were better there."""
    space: dict[str, list[Any] | Range] = Field(min_length=1)
    """Dotted key of the recipe -> a list of choices, or low and high of a range. A choice may be a whole table."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Search":
        problems = []
        if "quality" not in self.objectives or len(set(self.objectives)) != len(self.objectives):
            problems.append("objectives must name quality, and each once")
        if any(not 0 < share < 1 for share in self.rungs) or sorted(self.rungs) != self.rungs:
            problems.append("rungs must be shares between 0 and 1 in rising order")
        for key, values in self.space.items():
            if isinstance(values, list) and not 1 <= len(values) <= MOST_CHOICES:
                problems.append(f"space.{key}: 1 to {MOST_CHOICES} choices")
            if key.split(".")[0] not in Recipe.model_fields or key.split(".")[0] in ("name", "title", "budget"):
                problems.append(f"space.{key}: no such table of a recipe")
        if self.board not in part_names():
            problems.append(f"unknown board {self.board!r} (there are {', '.join(part_names())})")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_search(path: Path) -> Search:
    """Read and validate a search. SearchError lists every problem."""
    try:
        return Search.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SearchError(
            f"{path}: no such file; name a SEARCH.toml (docs/reference/search.md has an example), or give --board and "
            "--data for a space by default"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SearchError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'search'}: {str(one['msg']).removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise SearchError(f"{path}: {'; '.join(problems)}") from error
