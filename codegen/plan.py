"""The static memory plan: where in the arena each buffer lies. Offline, deterministic, never worse than greedy.

Greedy by size places the largest buffer first, each at the lowest offset where it meets no buffer alive at the same
time. Local search then tries other orders, as long as the arena is larger than the largest live set, which no plan can
beat.
Cost: O(n^2) a placement; at most `SEARCH_ROUNDS` placements.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 4  # bytes; kernels load words
SEARCH_ROUNDS = 2000
SEARCH_SEED = 20241121


@dataclass(frozen=True)
class Lifetime:
    """A buffer of `size` bytes that must keep its bytes from step `first` to step `last`, both included."""

    name: str
    size: int
    first: int
    last: int

    def overlaps(self, other: "Lifetime") -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets in bytes, aligned, in the order of the lifetimes; `size` is the arena's high-water mark."""

    lifetimes: tuple[Lifetime, ...]
    offsets: tuple[int, ...]
    size: int
    lower_bound: int


def aligned(size: int) -> int:
    """size rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(lifetimes: Sequence[Lifetime]) -> int:
    """The largest live set in bytes: no plan is smaller."""
    steps = {lifetime.first for lifetime in lifetimes}
    return max((sum(aligned(b.size) for b in lifetimes if b.first <= step <= b.last) for step in steps), default=0)


def place(lifetimes: Sequence[Lifetime], order: Sequence[int]) -> tuple[list[int], int]:
    """Offsets when buffers are placed in this order, each at the lowest free offset, and the arena's size."""
    offsets = [-1] * len(lifetimes)
    size = 0
    for index in order:
        buffer = lifetimes[index]
        taken = sorted(
            (offsets[other], offsets[other] + aligned(lifetimes[other].size))
            for other in range(len(lifetimes))
            if offsets[other] >= 0 and buffer.overlaps(lifetimes[other])
        )
        at = 0
        for begin, end in taken:
            if begin - at >= aligned(buffer.size):
                break
            at = max(at, end)
        offsets[index] = at
        size = max(size, at + aligned(buffer.size))
    return offsets, size


def greedy_order(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Largest first; among equals the earlier one."""
    return sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].size, lifetimes[i].first, i))


def plan_memory(lifetimes: Sequence[Lifetime]) -> MemoryPlan:
    """The best plan found; equal to greedy's or smaller."""
    bound = lower_bound(lifetimes)
    order = greedy_order(lifetimes)
    offsets, size = place(lifetimes, order)
    chance = random.Random(SEARCH_SEED)
    rounds = SEARCH_ROUNDS if len(lifetimes) > 2 else 0
    for _ in range(rounds):
        if size == bound:
            break
        candidate = list(order)
        i, j = chance.randrange(len(order)), chance.randrange(len(order))
        candidate.insert(j, candidate.pop(i))
        tried, tried_size = place(lifetimes, candidate)
        if tried_size <= size:
            order, offsets, size = candidate, tried, tried_size
    return MemoryPlan(tuple(lifetimes), tuple(offsets), size, bound)
