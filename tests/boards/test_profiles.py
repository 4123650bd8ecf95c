"""Budget profiles: both readings of the study's sizes, for the boards that have as much."""

import pytest

from tinyloc.boards import BoardError, board_names, load_board
from tinyloc.boards.profiles import PROFILES, with_profile


def test_both_views_of_64_and_32_kb_are_there():
    for size in (64, 32):
        assert PROFILES[f"{size}k-ram"].ram_bytes == PROFILES[f"{size}k-flash"].flash_bytes == size * 1024
        assert PROFILES[f"{size}k-ram"].flash_bytes is PROFILES[f"{size}k-flash"].ram_bytes is None


@pytest.mark.parametrize("name", board_names())
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_changes_the_budget_or_says_that_the_part_has_less(name, profile):
    board = load_board(name)
    have = sum(memory.size for memory in board.ram)
    wanted = PROFILES[profile].ram_bytes
    if wanted is not None and wanted > have:
        with pytest.raises(BoardError, match=f"exceeds .*: ram_bytes {wanted} of {have}"):
            with_profile(board, profile)
        return
    budget = with_profile(board, profile).budget
    assert budget.ram_bytes == (wanted or board.budget.ram_bytes)
    assert budget.flash_bytes == (PROFILES[profile].flash_bytes or board.budget.flash_bytes)
    assert budget.latency_ms == board.budget.latency_ms


def test_the_cc2650_keeps_4_kb_for_a_radio_unless_asked():
    board = load_board("cc2650")
    assert board.budget.ram_bytes == 16 * 1024
    assert with_profile(board, "20k-ram").budget.ram_bytes == 20 * 1024


def test_unknown_profile():
    with pytest.raises(BoardError, match="unknown budget profile '1k'; there are: 64k-ram"):
        with_profile(load_board("stm32l4"), "1k")
