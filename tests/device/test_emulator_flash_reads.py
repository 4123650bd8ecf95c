"""Flash wait states: what they add to modelled cycles, against counts that can be made by hand."""

import random
from dataclasses import replace

import pytest

from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.flash_reads import FlashReads, FlashTiming, timing_of

WALK = """
static const volatile u32 table[64] __attribute__((aligned(64))) = {1};
NOIPA void tl_localiser_sample(void) {
  for (u32 pass = 0; pass < 2; pass++) for (u32 i = 0; i < 64; i++) (void)table[i];
}
void start(void) { uart_on(); tl_localiser_sample(); for (;;) get(); }
"""
FAST = FlashTiming(0)
SLOW = FlashTiming(4, width=8, code_cache=4096)


def _cycles(elf, board, timing) -> int:
    device = EmulatedDevice(elf, board, measure=True, timing=timing)
    device.read(0.0)
    (run,) = device.runs
    return run.waited_cycles


def test_a_table_walked_twice_waits_for_each_line(firmware, board):
    """256 bytes in lines of 8 and the literal of its address: 33 waits a pass, with a cache that holds it all once."""
    elf = firmware(WALK)
    ideal = _cycles(elf, board, FAST)
    bare = _cycles(elf, board, SLOW)
    cached = _cycles(elf, board, replace(SLOW, data_cache=512))
    small = _cycles(elf, board, replace(SLOW, data_cache=256))
    assert bare - cached == 33 * 4
    assert small == bare, "33 lines in 32 places: the least recently used is always the next one wanted"
    cold_code = cached - ideal - 33 * 4
    assert 0 < cold_code <= 4 * 16, "the loop's code is fetched once"
    double = _cycles(elf, board, replace(SLOW, wait_states=8))
    assert double - ideal == 2 * (bare - ideal)


def test_without_a_code_cache_each_turn_of_a_loop_waits(firmware, board):
    elf = firmware(WALK)
    assert _cycles(elf, board, replace(SLOW, code_cache=0)) > _cycles(elf, board, SLOW) + 64 * 4


def test_the_table_at_the_alias_or_in_ram_does_not_wait():
    reads = FlashReads(SLOW, 0x0800_0000, 0x1000)
    assert reads.load(0x2000_0000, 4) == 0 == reads.fetch(0x1FFF_0000, 8)
    assert reads.load(0x0800_0006, 4) == 8, "two lines"
    assert reads.load(0x0800_0008, 4) == 0, "read just before"


@pytest.mark.parametrize("places", [0, 1, 3, 8])
def test_the_cache_equals_a_list_of_the_last_lines(places):
    """Against a plain list, most recent last."""
    chance = random.Random(places)
    reads = FlashReads(FlashTiming(1, width=4, data_cache=4 * places), 0, 0x1000)
    kept: list[int] = []
    last = None
    for _ in range(2000):
        line = chance.randrange(12)
        expected = 0 if line == last or line in kept else 1
        if line != last:
            kept = [*(other for other in kept if other != line), line][-places:] if places else []
        last = line
        assert reads.load(4 * line, 4) == expected


def test_the_boards_say_what_they_have():
    assert timing_of(load_board("aducm3029"), 2, True).code_cache == 4096
    assert timing_of(load_board("aducm3029"), 2, False).code_cache == 0
    assert timing_of(load_board("cortex-m4"), 3, True) == FlashTiming(3)
