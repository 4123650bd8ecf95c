"""What a device says of itself against the board that was asked for."""

import pytest

from tests.device.hellos import hello
from tinyloc.boards import load_board
from tinyloc.device.evaluation.evaluate import check_board


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"clock_hz": 4_000_000}, ["clock in Hz: 4,000,000 on the device, 80,000,000 in board.toml"]),
        ({"stack_bytes": 1024}, ["stack in bytes: 1,024 on the device, 2,048 in board.toml"]),
        ({"state_bytes": 65_536}, ["arena, state and stack of 67,608 bytes in 65,536 bytes of RAM"]),
        ({"clock_hz": 26_000_000, "stack_bytes": 64, "arena_bytes": 1 << 20}, ["clock", "stack", "arena"]),
    ],
)
def test_what_the_board_file_contradicts_is_named(change, told):
    found = check_board(hello(**change), load_board("stm32l4"))
    assert len(found) == len(told) and all(line.startswith(start) for line, start in zip(found, told, strict=True))


def test_an_image_may_reserve_more_stack_than_its_board() -> None:
    board = load_board("stm32l4")
    deep = hello(stack_bytes=4096)
    assert not check_board(deep, board, 4096)
    assert check_board(deep, board) == ["stack in bytes: 4,096 on the device, 2,048 in board.toml"]
    assert check_board(hello(), board, 4096) == ["stack in bytes: 2,048 on the device, 4,096 in the image"]
