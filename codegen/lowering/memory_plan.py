"""The static memory plan: where in the arena each buffer lies. Offline, deterministic, never worse than greedy.

Greedy by size places the largest buffer first, each at the lowest offset where it meets no buffer alive at the same
time. Local search then tries other orders, as long as the arena is larger than the largest live set, which no plan can
beat. Up to `PROVEN` buffers, all orders are tried that could be better: some order gives the smallest arena there is,
since in the smallest one the buffers, taken by offset, can each be moved down to where this placement puts them.
Cost of a placement: the pairs of buffers that are alive together; at most `SEARCH_ROUNDS` placements.

Memory in banks, such as 2 x 32 KB at distant addresses, is planned by `plan_banks`: no buffer crosses.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tinyloc.codegen.layer_code import ALIGNMENT

SEARCH_ROUNDS = 2000
SEARCH_WORK = 1 << 24
"""Pairs of buffers alive together that all rounds may look at: fewer rounds for thousands of buffers."""
SEARCH_SEED = 20241121
PROVEN = 7
BANK_ROUNDS = 300


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
    """Offsets in bytes, aligned, in the order of the lifetimes; `size` is the arena's high-water mark.

    In an arena of two banks, what lies at `split` and above is in the second one.
    """

    lifetimes: tuple[Lifetime, ...]
    offsets: tuple[int, ...]
    size: int
    lower_bound: int
    split: int | None = None


def aligned(size: int) -> int:
    """size rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(lifetimes: Sequence[Lifetime]) -> int:
    """The largest live set in bytes: no plan is smaller."""
    changes: dict[int, int] = {}
    for b in lifetimes:
        changes[b.first] = changes.get(b.first, 0) + aligned(b.size)
        changes[b.last + 1] = changes.get(b.last + 1, 0) - aligned(b.size)
    live = largest = 0
    for step in sorted(changes):
        live += changes[step]
        largest = max(largest, live)
    return largest


def neighbours(lifetimes: Sequence[Lifetime]) -> list[list[int]]:
    """For each buffer the others that are alive with it."""
    found: list[list[int]] = [[] for _ in lifetimes]
    alive: list[int] = []
    for index in sorted(range(len(lifetimes)), key=lambda i: lifetimes[i].first):
        alive = [i for i in alive if lifetimes[i].last >= lifetimes[index].first]
        for other in alive:
            found[other].append(index)
            found[index].append(other)
        alive.append(index)
    return found


def place(lifetimes: Sequence[Lifetime], order: Sequence[int], near: Sequence[Sequence[int]]) -> tuple[list[int], int]:
    """Offsets when buffers are placed in this order, each at the lowest free offset, and the arena's size.

    near: neighbours(lifetimes).
    """
    offsets = [-1] * len(lifetimes)
    for index in order:
        offsets[index] = _lowest(lifetimes, offsets, index, near)
    return offsets, max((at + aligned(b.size) for b, at in zip(lifetimes, offsets, strict=True)), default=0)


def _lowest(lifetimes: Sequence[Lifetime], offsets: Sequence[int], index: int, near: Sequence[Sequence[int]]) -> int:
    """The lowest offset at which a buffer meets none that is placed (offset >= 0) and alive at the same time."""
    size, at = aligned(lifetimes[index].size), 0
    taken = sorted((offsets[i], offsets[i] + aligned(lifetimes[i].size)) for i in near[index] if offsets[i] >= 0)
    for begin, end in taken:
        if begin - at >= size:
            break
        at = max(at, end)
    return at


def greedy_order(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Largest first; among equals the earlier one."""
    return sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].size, lifetimes[i].first, i))


def plan_memory(lifetimes: Sequence[Lifetime], banks: tuple[int, int] | None = None) -> MemoryPlan:
    """The best plan found; equal to greedy's or smaller.

    banks: bytes of two memories, when the arena may be divided between them; it is, when the first one is too small and
    both together are not.
    """
    plan = _plan_one(lifetimes)
    if banks is None or plan.size <= banks[0]:
        return plan
    divided = plan_banks(lifetimes, banks)
    if divided is None:
        return plan
    split = divided.sizes[0]
    offsets = tuple(at + split * bank for at, bank in zip(divided.offsets, divided.banks, strict=True))
    return MemoryPlan(tuple(lifetimes), offsets, sum(divided.sizes), plan.lower_bound, split)


def _plan_one(lifetimes: Sequence[Lifetime]) -> MemoryPlan:
    bound = lower_bound(lifetimes)
    order, near = greedy_order(lifetimes), neighbours(lifetimes)
    offsets, size = place(lifetimes, order, near)
    chance = random.Random(SEARCH_SEED)
    rounds = min(SEARCH_ROUNDS, SEARCH_WORK // (1 + sum(map(len, near)))) if len(lifetimes) > 2 else 0
    for _ in range(rounds):
        if size == bound:
            break
        candidate = list(order)
        i, j = chance.randrange(len(order)), chance.randrange(len(order))
        candidate.insert(j, candidate.pop(i))
        tried, tried_size = place(lifetimes, candidate, near)
        if tried_size <= size:
            order, offsets, size = candidate, tried, tried_size
    if size > bound and len(lifetimes) <= PROVEN:
        offsets, size = _best_of_all(lifetimes, offsets, size, bound, near)
    return MemoryPlan(tuple(lifetimes), tuple(offsets), size, bound)


def _best_of_all(
    lifetimes: Sequence[Lifetime], known: Sequence[int], size: int, bound: int, near: Sequence[Sequence[int]]
) -> tuple[list[int], int]:
    """The smallest arena over all orders; a partial order that is no smaller than the best known one is left."""
    best, best_size = list(known), size
    offsets = [-1] * len(lifetimes)

    def extend(top: int) -> None:
        nonlocal best, best_size
        if best_size == bound:
            return
        pending = [i for i, at in enumerate(offsets) if at < 0]
        if not pending:
            best, best_size = list(offsets), top
            return
        for index in pending:
            at = _lowest(lifetimes, offsets, index, near)
            reached = max(top, at + aligned(lifetimes[index].size))
            if reached < best_size:
                offsets[index] = at
                extend(reached)
                offsets[index] = -1

    extend(0)
    return best, best_size


@dataclass(frozen=True)
class BankedPlan:
    """`bank` and offset of each lifetime, and the bytes that each bank takes."""

    lifetimes: tuple[Lifetime, ...]
    banks: tuple[int, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


def plan_banks(lifetimes: Sequence[Lifetime], capacities: Sequence[int]) -> BankedPlan | None:
    """Place buffers in memories of these sizes in bytes, earlier banks first; no buffer crosses from one to the next.

    With all in the first bank where that is possible, the plan is plan_memory's. Else buffers go, in greedy's order and
    then in others that local search tries, to the first bank in which they fit. None when no plan was found.
    """
    whole = _plan_one(lifetimes)
    if capacities and whole.size <= capacities[0]:
        unused = (0,) * (len(capacities) - 1)
        return BankedPlan(whole.lifetimes, (0,) * len(lifetimes), whole.offsets, (whole.size, *unused))
    order, near = greedy_order(lifetimes), neighbours(lifetimes)
    chance = random.Random(SEARCH_SEED)
    best, best_left = None, len(lifetimes) + 1
    for _ in range(BANK_ROUNDS):
        candidate = list(order)
        if best_left <= len(lifetimes):
            candidate.insert(chance.randrange(len(order)), candidate.pop(chance.randrange(len(order))))
        plan, left = _banked(lifetimes, candidate, capacities, near)
        if left <= best_left:
            order, best, best_left = candidate, plan, left
        if not best_left:
            return best
    return None


def _banked(
    lifetimes: Sequence[Lifetime], order: Sequence[int], capacities: Sequence[int], near: Sequence[Sequence[int]]
) -> tuple[BankedPlan, int]:
    """Buffers in this order, each in the first bank in which it fits, and the number that fit in none."""
    places = [[-1] * len(lifetimes) for _ in capacities]
    banks = [-1] * len(lifetimes)
    for index in order:
        size = aligned(lifetimes[index].size)
        for bank, capacity in enumerate(capacities):
            at = _lowest(lifetimes, places[bank], index, near)
            if at + size <= capacity:
                places[bank][index], banks[index] = at, bank
                break
    sizes = tuple(
        max((at + aligned(b.size) for b, at in zip(lifetimes, bank, strict=True) if at >= 0), default=0)
        for bank in places
    )
    offsets = tuple(places[bank][i] if bank >= 0 else -1 for i, bank in enumerate(banks))
    return BankedPlan(tuple(lifetimes), tuple(banks), offsets, sizes), banks.count(-1)
