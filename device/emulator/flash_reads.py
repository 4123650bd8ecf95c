"""What flash wait states cost: reads of the flash by fetches and loads, through a small cache or none.

The model: the flash answers `width` bytes at a time after `wait_states` cycles; what was read last is kept as long as
it is the last; behind that a cache, fully associative, of the least recently used. There is no prefetch, so cycles
with it are an upper bound where the part prefetches, as those without wait states are a lower one.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from capstone.arm import ARM_OP_MEM, ARM_OP_REG, ARM_SFT_LSL

from tinyloc.boards import Board


@dataclass(frozen=True)
class FlashTiming:
    """Wait states of a read in core cycles, and sizes in bytes; a cache of 0 bytes is none."""

    wait_states: int
    width: int = 8
    code_cache: int = 0
    data_cache: int = 0

    @property
    def text(self) -> str:
        """For the record of a run."""
        caches = f"caches of {self.code_cache} B for code and {self.data_cache} B for data, no prefetch"
        return f"{self.wait_states} flash wait states, {self.width} bytes per read, {caches}"


def timing_of(board: Board, wait_states: int | None = None, cached: bool = True) -> FlashTiming:
    """The board's flash with so many wait states, its own by default, with its caches or without."""
    if wait_states is None:
        wait_states = board.clock.flash_wait_states
    cache = board.flash_cache
    if cache is None:
        return FlashTiming(wait_states)
    if not cached:
        return FlashTiming(wait_states, cache.width_bytes)
    return FlashTiming(wait_states, cache.width_bytes, cache.code_bytes, cache.data_bytes)


class _Reads:
    """One path to the flash, of code or of data."""

    def __init__(self, timing: FlashTiming, cache_bytes: int) -> None:
        self._width, self._wait = timing.width, timing.wait_states
        self._places = cache_bytes // timing.width
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._last = -1

    def stalls(self, address: int, size: int) -> int:
        """Cycles that reading `size` bytes waits."""
        misses = 0
        for line in range(address // self._width, (address + size - 1) // self._width + 1):
            if line == self._last:
                continue
            self._last = line
            if line in self._kept:
                self._kept.move_to_end(line)
                continue
            misses += 1
            if self._places:
                self._kept[line] = None
                if len(self._kept) > self._places:
                    self._kept.popitem(last=False)
        return misses * self._wait


class FlashReads:
    """Counts the cycles that fetches and loads wait for the flash at `base`, `size` bytes of it."""

    def __init__(self, timing: FlashTiming, base: int, size: int) -> None:
        self.timing, self._base, self._size = timing, base, size
        self._code = _Reads(timing, timing.code_cache)
        self._data = _Reads(timing, timing.data_cache)

    def fetch(self, address: int, size: int) -> int:
        """Stall cycles of the instructions of a block."""
        return self._code.stalls(address, size) if self._inside(address) else 0

    def load(self, address: int, size: int) -> int:
        """Stall cycles of a load."""
        return self._data.stalls(address, size) if self._inside(address) else 0

    def _inside(self, address: int) -> bool:
        return self._base <= address < self._base + self._size


@dataclass(frozen=True)
class Load:
    """Where a load reads: base + (index << shift) + offset, `size` bytes. Registers by their names; pc is resolved."""

    address: int  # of the instruction
    base: str | None  # None: `offset` is the address
    index: str | None
    shift: int
    offset: int
    size: int


_SIZES = {"ldrb": 1, "ldrsb": 1, "ldrh": 2, "ldrsh": 2, "ldr": 4, "ldrd": 8}


def load_of(instruction: Any) -> Load | None:
    """The load that an instruction does, None when it does none or from the stack."""
    name = instruction.insn_name()
    if name in ("ldm", "ldmdb"):
        base = instruction.reg_name(instruction.operands[0].reg)
        count = 4 * sum(operand.type == ARM_OP_REG for operand in instruction.operands[1:])
        below = -count if name == "ldmdb" else 0
        return None if base == "sp" else Load(instruction.address, base, None, 0, below, count)
    if name not in _SIZES:
        return None
    memory = next((operand for operand in instruction.operands if operand.type == ARM_OP_MEM), None)
    if memory is None:
        return None
    base = instruction.reg_name(memory.mem.base)
    if base == "sp":
        return None
    offset = 0 if instruction.post_index else memory.mem.disp
    if base == "pc":
        return Load(instruction.address, None, None, 0, (instruction.address + 4 & ~3) + offset, _SIZES[name])
    index = instruction.reg_name(memory.mem.index) if memory.mem.index else None
    shift = memory.shift.value if memory.shift.type == ARM_SFT_LSL else memory.mem.lshift
    return Load(instruction.address, base, index, shift, offset, _SIZES[name])
