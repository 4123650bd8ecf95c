"""Random networks of every kind of operator: LiteRT BUILTIN_REF == NumPy == optimised == C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.random_networks import RandomNetwork

FAST, ALL = range(14), range(14, 400)


@pytest.mark.parametrize("seed", FAST)
def test_a_random_network(seed: int) -> None:
    assert_all_equal(RandomNetwork(seed).model, seed, count=5)


@pytest.mark.slow
def test_many_random_networks() -> None:
    for seed in ALL:
        assert_all_equal(RandomNetwork(seed).model, seed, count=5)
