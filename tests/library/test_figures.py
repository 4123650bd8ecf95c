"""Figures that a library must reach, on the golden scans of zoo:uji: deterministic, modelled."""

import pytest

from tests.bench.library import PAIR, answers_and_cycles, two_models
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.paths import ZOO_DIR


@pytest.mark.parametrize("board", ["stm32l4", "cc2650"])
def test_a_library_answers_and_costs_as_our_firmware(board):
    found = answers_and_cycles("uji", load_test_set(ZOO_DIR / "uji"), load_board(board))
    assert found["equal"] == found["scans"] == 64
    assert found["application_bytes"] <= 400
    assert abs(found["difference_percent"]) <= 1


def test_two_models_share_their_kernels():
    found = two_models(load_board("cc2650"))
    assert found["shared_kernels"] > 500
    assert found["+".join(PAIR)] <= found["sum_less_shared"] * 1.02
