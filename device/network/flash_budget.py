"""A network within a budget of flash: the fastest of the images that are.

For each level of the compiler the layers start in their fast form; while the linked image is above the budget, as many
bytes as it is above are asked of small forms (codegen/lowering/kernel_selection.py estimates which), and it is linked
again. Of the levels that come within the budget the one with fewer estimated cycles is taken; where none does, the
smallest image.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyloc.boards import Board, Core
from tinyloc.codegen.lowering.kernel_selection import FormOptions, Level
from tinyloc.codegen.manifest import GraphManifest
from tinyloc.device.network.network_image import NetworkImage
from tinyloc.errors import UserError

LEVELS: tuple[Level, ...] = ("O2", "Os")


class BudgetError(UserError):
    """A budget that cannot be."""


@dataclass(frozen=True)
class Attempt:
    """One image, and what it was made with."""

    forms: FormOptions
    manifest: GraphManifest
    image: NetworkImage
    generated: Path

    @property
    def cycles(self) -> int:
        """Estimate, of the layers that have two forms, in the form they are in."""
        return sum(layer.form_cycles or 0 for layer in self.manifest.layers)

    @property
    def small(self) -> tuple[str, ...]:
        """Layers in their small form."""
        return tuple(layer.name for layer in self.manifest.layers if layer.form == "small")


Build = Callable[[FormOptions], Attempt]


def flash_limit(board: Board, budget: int | None) -> int:
    """Return the bytes of flash that an image may take: the given budget, else that of board.toml.

    Raises:
        BudgetError: a budget that is not above 0.
    """
    if budget is None:
        return board.budget.flash_bytes
    if budget <= 0:
        raise BudgetError(f"a flash budget of {budget} bytes; give a number above 0")
    return budget


def within_budget(build: Build, core: Core, limit: int) -> Attempt:
    """Build the fastest image of at most `limit` bytes of flash; where there is none, the smallest, with a problem."""
    attempts: list[Attempt] = []
    for level in LEVELS:
        attempts.append(_at_level(build, FormOptions("budget", core, level), limit))
        if not attempts[0].small and _excess(attempts[0], limit) <= 0:
            return attempts[0]
    fitting = [attempt for attempt in attempts if _excess(attempt, limit) <= 0]
    if fitting:
        return min(fitting, key=lambda attempt: (attempt.cycles, LEVELS.index(attempt.forms.level)))
    smallest = min(attempts, key=lambda attempt: attempt.image.sizes.image_flash_bytes)
    return dataclasses.replace(smallest, image=checked(smallest.image, limit))


def checked(image: NetworkImage, limit: int) -> NetworkImage:
    """The image, with a problem where it is above the budget and the board has not told so."""
    taken = image.sizes.image_flash_bytes
    if taken <= limit or image.problems:
        return image
    problem = (
        f"the image takes {taken} bytes of flash, {taken - limit} more than the budget of {limit}; use a smaller "
        "model or a larger budget"
    )
    return dataclasses.replace(image, problems=(problem,))


def _excess(attempt: Attempt, limit: int) -> int:
    return attempt.image.sizes.image_flash_bytes - limit


def _at_level(build: Build, forms: FormOptions, limit: int) -> Attempt:
    """The first image of the level within the budget, or the smallest that the forms make."""
    attempt = build(forms)
    while (excess := _excess(attempt, limit)) > 0:
        following = build(dataclasses.replace(attempt.forms, save_bytes=attempt.forms.save_bytes + excess))
        if following.small == attempt.small:
            break  # there is nothing left to save
        attempt = following
    return attempt
