"""The memory plan: its invariant on random lifetimes, never worse than greedy, optimal where search can prove it."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.codegen.lowering.memory_plan import (
    Lifetime,
    greedy_order,
    lower_bound,
    neighbours,
    place,
    plan_banks,
    plan_memory,
)

lifetimes = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 8), st.integers(0, 4)), min_size=1, max_size=9).map(
    lambda rows: [Lifetime(f"t{i}", size, first, first + more) for i, (size, first, more) in enumerate(rows)]
)


@given(lifetimes)
@settings(max_examples=60, deadline=None)
def test_live_buffers_never_overlap_and_the_plan_is_never_worse_than_greedy(buffers: list[Lifetime]) -> None:
    plan = plan_memory(buffers)
    for (a, at), (b, bt) in itertools.combinations(zip(buffers, plan.offsets, strict=True), 2):
        if a.overlaps(b):
            assert at + a.size <= bt or bt + b.size <= at
    assert all(offset % 4 == 0 for offset in plan.offsets)
    assert lower_bound(buffers) <= plan.size <= place(buffers, greedy_order(buffers), neighbours(buffers))[1]


@given(lifetimes)
@settings(max_examples=60, deadline=None)
def test_neighbours_are_alive_together(buffers: list[Lifetime]) -> None:
    plain = [{j for j, b in enumerate(buffers) if j != i and a.overlaps(b)} for i, a in enumerate(buffers)]
    assert [set(near) for near in neighbours(buffers)] == plain
    steps = range(1 + max(b.last for b in buffers))
    live = [sum(-(-b.size // 4) * 4 for b in buffers if b.first <= step <= b.last) for step in steps]
    assert lower_bound(buffers) == max(live)


@given(lifetimes.filter(lambda buffers: len(buffers) <= 6))
@settings(max_examples=40, deadline=None)
def test_small_plans_are_as_good_as_every_order_of_placement(buffers: list[Lifetime]) -> None:
    near = neighbours(buffers)
    best = min(place(buffers, order, near)[1] for order in itertools.permutations(range(len(buffers))))
    assert plan_memory(buffers).size == best


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_small_plans_are_as_good_as_every_choice_of_offsets(rows: list[tuple[int, int, int]]) -> None:
    """The optimum by a search that knows nothing of orders: all offsets in words that could be of use."""
    buffers = [Lifetime(f"t{i}", 4 * size, first, first + more) for i, (size, first, more) in enumerate(rows)]
    words = range(sum(size for size, _, _ in rows))

    def legal(offsets: tuple[int, ...]) -> bool:
        return all(
            not a.overlaps(b) or at + a.size // 4 <= bt or bt + b.size // 4 <= at
            for (a, at), (b, bt) in itertools.combinations(zip(buffers, offsets, strict=True), 2)
        )

    sizes = (
        max(at + b.size // 4 for b, at in zip(buffers, offsets, strict=True))
        for offsets in itertools.product(words, repeat=len(buffers))
        if legal(offsets)
    )
    assert plan_memory(buffers).size == 4 * min(sizes)


def test_a_plan_that_greedy_and_the_live_set_do_not_find() -> None:
    """The smallest arena is larger than the largest live set, and only some orders reach it."""
    rows = [(1, 0, 1), (2, 0, 0), (1, 1, 3), (2, 2, 3), (1, 3, 4), (2, 4, 4), (2, 1, 2)]
    buffers = [Lifetime(f"t{i}", 4 * size, first, last) for i, (size, first, last) in enumerate(rows)]
    near = neighbours(buffers)
    best = min(place(buffers, order, near)[1] for order in itertools.permutations(range(len(buffers))))
    assert plan_memory(buffers).size == best


@given(lifetimes, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_no_buffer_crosses_from_bank_to_bank(buffers: list[Lifetime], quarters: int) -> None:
    capacity = max(max(b.size for b in buffers) + 3 & ~3, lower_bound(buffers) * quarters // 4 & ~3)
    plan = plan_banks(buffers, [capacity, capacity])
    if plan is None:
        assert plan_memory(buffers).size > capacity, "all fit in one bank"
        return
    for (a, bank, at), (b, other, bt) in itertools.combinations(zip(buffers, plan.banks, plan.offsets, strict=True), 2):
        if bank == other and a.overlaps(b):
            assert at + a.size <= bt or bt + b.size <= at
    for buffer, bank, at in zip(buffers, plan.banks, plan.offsets, strict=True):
        assert bank in (0, 1) and at >= 0 and at + buffer.size <= plan.sizes[bank] <= capacity


def test_two_banks_hold_what_one_does_not() -> None:
    buffers = [Lifetime("a", 24_000, 0, 1), Lifetime("b", 20_000, 1, 2), Lifetime("c", 30_000, 2, 3)]
    plan = plan_banks(buffers, [32_768, 32_768])
    assert plan is not None and plan.banks[0] != plan.banks[1] != plan.banks[2]
    assert plan_memory(buffers).size > 32_768
    assert plan_banks([Lifetime("a", 40_000, 0, 1)], [32_768, 32_768]) is None


def test_buffers_that_never_meet_share_their_bytes() -> None:
    plan = plan_memory([Lifetime("a", 100, 0, 1), Lifetime("b", 100, 2, 3), Lifetime("c", 8, 1, 2)])
    assert plan.size == 108 == plan.lower_bound


def test_the_plan_is_the_same_every_time() -> None:
    buffers = [Lifetime(f"t{i}", 17 * i % 90 + 4, i % 5, i % 5 + i % 3) for i in range(20)]
    assert plan_memory(buffers) == plan_memory(buffers)
