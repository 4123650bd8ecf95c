"""Looks at the addresses that transfers use: alignment, null pointers, and what a read of the flash costs.

Instructions are looked at one by one, not by hooks on memory: with those, Unicorn 2.1.4 loses registers in this mode.
"""

from collections.abc import Callable

from unicorn import UC_HOOK_CODE, Uc, arm_const

from tinyloc.boards import Board
from tinyloc.device.emulator import disassembly
from tinyloc.device.emulator.flash_reads import FlashReads, FlashTiming, Load, load_of
from tinyloc.device.emulator.image import Image
from tinyloc.device.emulator.profile import Profiler

VECTORS_BYTES = 64
"""The vector table of the firmware; no code reads it."""
NULL_LOOKS = 10
"""Times that watching begins with every load looked at for a null pointer: it costs three times the rest."""


class AddressWatch:
    """Watches between `begin` and `end`. `crash` is called with a reason and the instruction's address.

    Where the flash lies at 0 a null pointer reads the vectors: loads are looked at for that the first NULL_LOOKS times,
    on virtual boards never, since networks there load too much. `timing` charges the profiler for reads of the flash.
    """

    def __init__(
        self,
        engine: Uc,
        image: Image,
        board: Board,
        profiler: Profiler,
        crash: Callable[[str, int], None],
        check: bool,
        timing: FlashTiming | None,
    ) -> None:
        self._engine, self._profiler, self._crash = engine, profiler, crash
        flash = board.region("flash")
        self._reads: FlashReads | None = None
        if timing is not None and timing.wait_states:
            self._reads = FlashReads(timing, flash.base, flash.size)
            profiler.fetch = self._reads.fetch
        self._null_end = VECTORS_BYTES if flash.base == 0 and check and not board.virtual else 0
        self._null_looks = NULL_LOOKS if self._null_end else 0
        self._transfers = _aligned_transfers(image) if check else []
        self._loads = _loads(image) if self._reads or self._null_end else []
        self._hooks: list[int] = []

    def begin(self) -> None:
        """Look from now on."""
        for address, register in self._transfers:
            self._hooks.append(self._engine.hook_add(UC_HOOK_CODE, self._on_aligned, register, address, address))
        if self._reads or self._null_looks:
            for load in self._loads:
                place = load.address
                self._hooks.append(self._engine.hook_add(UC_HOOK_CODE, self._on_load, load, place, place))
        self._null_looks = max(0, self._null_looks - 1)

    def end(self) -> None:
        """Look no more."""
        while self._hooks:
            self._engine.hook_del(self._hooks.pop())

    def _on_aligned(self, engine: Uc, address: int, size: int, register: int) -> None:
        place = engine.reg_read(register)
        if place & 3:
            self._crash(f"unaligned access at {place:#010x} by an instruction that needs alignment", address)

    def _on_load(self, engine: Uc, address: int, size: int, load: Load) -> None:
        place = load.offset
        if load.base is not None:
            place += engine.reg_read(_register(load.base))
        if load.index is not None:
            place += engine.reg_read(_register(load.index)) << load.shift
        place &= 0xFFFF_FFFF
        if self._reads is not None:
            self._profiler.cycles += self._reads.load(place, load.size)
        if place < self._null_end:
            self._crash(f"read of {place:#010x} through a null pointer (the vector table is there)", address)


def _register(name: str) -> int:
    """Unicorn's number of a register as capstone names it."""
    number: int = getattr(arm_const, f"UC_ARM_REG_{name.upper()}")
    return number


def _aligned_transfers(image: Image) -> list[tuple[int, int]]:
    """(address, base register) of every instruction that needs a word-aligned address. Its offset is whole words."""
    return [
        (instruction.address, _register(base))
        for start, code in image.code
        for instruction in disassembly.instructions(code, start)
        if (base := disassembly.aligned_base(instruction)) is not None
    ]


def _loads(image: Image) -> list[Load]:
    """Every load that may read the flash."""
    return [
        load
        for start, code in image.code
        for instruction in disassembly.instructions(code, start)
        if (load := load_of(instruction)) is not None
    ]
