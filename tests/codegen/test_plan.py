"""The memory plan: its invariant on random lifetimes, never worse than greedy, optimal where search can prove it."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tinyloc.codegen.plan import Lifetime, greedy_order, lower_bound, place, plan_memory

lifetimes = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 8), st.integers(0, 4)), min_size=1, max_size=9
).map(lambda rows: [Lifetime(f"t{i}", size, first, first + more) for i, (size, first, more) in enumerate(rows)])


@given(lifetimes)
@settings(max_examples=60, deadline=None)
def test_live_buffers_never_overlap_and_the_plan_is_never_worse_than_greedy(buffers: list[Lifetime]) -> None:
    plan = plan_memory(buffers)
    for (a, at), (b, bt) in itertools.combinations(zip(buffers, plan.offsets, strict=True), 2):
        if a.overlaps(b):
            assert at + a.size <= bt or bt + b.size <= at
    assert all(offset % 4 == 0 for offset in plan.offsets)
    assert lower_bound(buffers) <= plan.size <= place(buffers, greedy_order(buffers))[1]


@given(lifetimes.filter(lambda buffers: len(buffers) <= 5))
@settings(max_examples=40, deadline=None)
def test_small_plans_are_as_good_as_every_order_of_placement(buffers: list[Lifetime]) -> None:
    best = min(place(buffers, order)[1] for order in itertools.permutations(range(len(buffers))))
    assert plan_memory(buffers).size == best


def test_buffers_that_never_meet_share_their_bytes() -> None:
    plan = plan_memory([Lifetime("a", 100, 0, 1), Lifetime("b", 100, 2, 3), Lifetime("c", 8, 1, 2)])
    assert plan.size == 108 == plan.lower_bound


def test_the_plan_is_the_same_every_time() -> None:
    buffers = [Lifetime(f"t{i}", 17 * i % 90 + 4, i % 5, i % 5 + i % 3) for i in range(20)]
    assert plan_memory(buffers) == plan_memory(buffers)
