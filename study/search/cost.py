"""What a candidate takes on the board, before it is trained: exported and compiled with its first weights."""

import hashlib
import json
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tinyloc.boards import Board
from tinyloc.bundle.schema import Arithmetic
from tinyloc.device.evaluation.form_record import OnBoard
from tinyloc.device.evaluation.measure_bundle import measure_on_board
from tinyloc.device.image.build import Optimise, OverflowingImage
from tinyloc.study.search.settings import Limits, Objective
from tinyloc.study.tasks import Tell
from tinyloc.training.recipe import Recipe

COSTS: tuple[Objective, ...] = ("flash", "ram", "cycles", "energy")
UNITS = {"flash": "B", "ram": "B", "cycles": "cycles", "energy": "µJ"}


class Cost(BaseModel):
    """Of the whole image; cycles and energy per sample, modelled without wait states."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flash: int
    ram: int
    cycles: float
    energy: float

    @staticmethod
    def of(image: OnBoard) -> "Cost":
        """The costs among a board's figures."""
        return Cost(flash=image.flash_bytes, ram=image.ram_bytes, cycles=image.cycles, energy=image.energy_uj)


class TooLarge(BaseModel):
    """An image that is larger than the board's memories, so that nothing can be run and measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str
    """Which memory, and by how many bytes."""


def limits_of(budget: Limits, board: Board) -> dict[str, float]:
    """The lower of the search's limit and the board's, of each cost that has one."""
    from_latency = board.budget.latency_ms / 1000 * board.clock.hz
    limits: dict[str, float] = {"flash": board.budget.flash_bytes, "ram": board.budget.ram_bytes,
                                "cycles": from_latency}  # fmt: skip
    asked = {"flash": budget.flash_bytes, "ram": budget.ram_bytes, "cycles": budget.cycles, "energy": budget.energy_uj}
    for name, limit in asked.items():
        if limit is not None:
            limits[name] = min(limit, limits.get(name, limit))
    return limits


def excess(cost: Cost, limits: dict[str, float]) -> dict[str, float]:
    """Cost above each limit as a share of it; at most 0 where it is kept."""
    return {name: getattr(cost, name) / limit - 1 for name, limit in limits.items()}


def above(cost: Cost, limits: dict[str, float]) -> list[str]:
    """What is above its limit, by how much, as one sentence each."""
    return [
        f"{name} {getattr(cost, name):,.0f} {UNITS[name]}, {getattr(cost, name) - limit:,.0f} {UNITS[name]} above the "
        f"limit of {limit:,.0f}"
        for name, limit in limits.items()
        if getattr(cost, name) > limit
    ]


def cost_key(recipe: Recipe) -> str:
    """Equal for candidates that make the same program: costs of the one are those of the other."""
    parts = recipe.model_dump(mode="json", include={"data", "input", "window", "output", "export", "build"})
    parts["model"] = {**recipe.deployed_model.model_dump(mode="json"), "dropout": 0}
    parts["access_points"] = recipe.compression.access_points
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def on_board(bundle: Path, form: Arithmetic, board: str, optimise: Optimise) -> Cost | TooLarge:
    """Build and emulate a bundle. Raises UserError."""
    try:
        return Cost.of(measure_on_board(bundle, form, board, optimise))
    except OverflowingImage as overflow:
        return TooLarge(why="; ".join(overflow.regions))


def untrained_cost(recipe: Recipe, board: str, tell: Tell) -> Cost | TooLarge:
    """Export, compile, build and emulate a candidate with its first weights. Raises UserError."""
    from tinyloc.export.pipeline import export_run
    from tinyloc.training.run import write_untrained

    with tempfile.TemporaryDirectory(prefix="tinyloc-search-") as name:
        run = Path(name) / "run"
        tell("first weights")
        write_untrained(recipe, run)
        tell("export")
        export_run(run, [recipe.export.default], bounded=False)
        tell(f"build and emulate on {board}")
        return on_board(run / "bundle", recipe.export.default, board, recipe.build.optimise)
