"""Budgets of the study (arXiv 2412.09289), for any board that is at least as large.

The study sorts its models by "64 KB" and "32 KB". It can be read two ways, and both are here: the memory that a
program may use (RAM), and the size of the model with the program that runs it (flash).
"""

from dataclasses import dataclass

from tinyloc.boards import Board, BoardError

SOURCE = "arXiv 2412.09289"


@dataclass(frozen=True)
class Profile:
    """Limits in bytes; None leaves the board's own."""

    title: str
    flash_bytes: int | None = None
    ram_bytes: int | None = None


PROFILES = {
    "64k-ram": Profile("the study's 64 KB as RAM", ram_bytes=65_536),
    "32k-ram": Profile("the study's 32 KB as RAM", ram_bytes=32_768),
    "20k-ram": Profile("all RAM of a CC2650, no radio stack", ram_bytes=20_480),
    "64k-flash": Profile("the study's 64 KB as model and program in flash", flash_bytes=65_536),
    "32k-flash": Profile("the study's 32 KB as model and program in flash", flash_bytes=32_768),
}


def with_profile(board: Board, name: str) -> Board:
    """The board with its budget set by a profile.

    A profile may not promise more than the part has, but it may exceed the board's usual budget, which can keep
    something back for a radio stack. Raises BoardError naming the profiles, or what the part lacks.
    """
    if name not in PROFILES:
        raise BoardError(f"unknown budget profile {name!r}; there are: {', '.join(PROFILES)}")
    profile = PROFILES[name]
    have = {"flash_bytes": board.region("flash").size, "ram_bytes": sum(memory.size for memory in board.ram)}
    wanted = {"flash_bytes": profile.flash_bytes, "ram_bytes": profile.ram_bytes}
    limits = {key: value for key, value in wanted.items() if value is not None}
    short = [f"{key} {value} of {have[key]}" for key, value in limits.items() if value > have[key]]
    if short:
        raise BoardError(f"budget profile {name} ({profile.title}) exceeds {board.title}: {', '.join(short)}")
    return board.model_copy(update={"budget": board.budget.model_copy(update=limits)})
