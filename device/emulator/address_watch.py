"""Looks at the addresses that transfers use: alignment, null pointers, cost of reads of the flash; and at divisors.

Instructions are looked at one by one, not by hooks on memory: with those, Unicorn 2.1.4 loses registers in this mode.
"""

from collections.abc import Callable
from typing import Any

from unicorn import UC_HOOK_CODE, Uc, arm_const

from tinyloc.boards import Board
from tinyloc.device.emulator import disassembly
from tinyloc.device.emulator.accesses import SIZES, access_of, write_of
from tinyloc.device.emulator.block_hook import AlignmentHook
from tinyloc.device.emulator.flash_reads import FlashReads, FlashTiming, Load, load_of
from tinyloc.device.emulator.image import Image
from tinyloc.device.emulator.profile import Profiler

VECTORS_BYTES = 64
"""The vector table of the firmware; no code reads it."""
ZONE_PREFIX, ZONE_BYTES = "__red_zone_", 32
"""Symbols that a checked image has (device/image/red_zones.py), and the bytes behind each of them."""
CLEARS = frozenset({"tl_start", "clear"})
NULL_LOOKS = 10
"""Times that watching begins with every load looked at for a null pointer: it costs three times the rest."""


class AddressWatch:
    """Watches transfers that must be aligned all the time, other loads between `begin` and `end`.

    `crash` is called with a reason and the instruction's address. `trap` adds what the core was told to trap. Where the
    flash lies at 0 a null pointer reads the vectors: loads are looked at for that the first NULL_LOOKS times, on
    virtual boards never, since networks there load too much. `timing` tells the profiler what reads of the flash wait,
    as long as `waits` is set.
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
        self._engine, self._profiler, self._crash, self._image = engine, profiler, crash, image
        flash = board.region("flash")
        self._reads: FlashReads | None = None
        if timing is not None and timing.wait_states:
            self._reads = FlashReads(timing, flash.base, flash.size)
        self.waits = True
        self._null_end = VECTORS_BYTES if flash.base == 0 and check and not board.virtual else 0
        self._null_looks = NULL_LOOKS if self._null_end else 0
        self._loads = _loads(image) if self._reads or self._null_end else []
        self._hooks: list[int] = []
        self._traps: list[int] = []
        self._aligned = [
            AlignmentHook(engine, address, register, self._on_odd)
            for address, register in (_aligned_transfers(image) if check else [])
        ]

        self._zones = _red_zones(image)
        for instruction in _stores(image) if self._zones else []:
            engine.hook_add(UC_HOOK_CODE, self._on_store, instruction, instruction.address, instruction.address)

    def _on_store(self, engine: Uc, address: int, size: int, instruction: Any) -> None:
        written = write_of(instruction, lambda name: int(engine.reg_read(_register(name))))
        if written is None:
            return
        for start, name in self._zones:
            if written[0] < start + ZONE_BYTES and start < written[0] + written[1]:
                self._crash(f"write of {written[1]} bytes at {written[0]:#010x}, {name}", address)

    def trap(self, unaligned: bool, division: bool) -> None:
        """Trap from now on what the core was told to: unaligned words and halfwords, divisions by zero."""
        while self._traps:
            self._engine.hook_del(self._traps.pop())
        for start, code in self._image.code if unaligned or division else []:
            for instruction in disassembly.instructions(code, start):
                name, place = instruction.insn_name(), instruction.address
                if division and name in ("udiv", "sdiv"):
                    divisor = _register(instruction.reg_name(instruction.operands[-1].reg))
                    self._traps.append(self._engine.hook_add(UC_HOOK_CODE, self._on_division, divisor, place, place))
                elif unaligned and SIZES.get(name, 1) in (2, 4):
                    self._traps.append(self._engine.hook_add(UC_HOOK_CODE, self._on_any, instruction, place, place))
        self._engine.ctl_flush_tb()

    def _on_division(self, engine: Uc, address: int, size: int, divisor: int) -> None:
        if engine.reg_read(divisor) == 0:
            self._crash("division by zero, which CCR.DIV_0_TRP makes a fault", address)

    def _on_any(self, engine: Uc, address: int, size: int, instruction: Any) -> None:
        access = access_of(instruction, lambda name: int(engine.reg_read(_register(name))))
        if access is not None and access.place % access.size:
            self._crash(f"unaligned access at {access.place:#010x}, which CCR.UNALIGN_TRP makes a fault", address)

    def begin(self) -> None:
        """Look at loads from now on."""
        reads = self._reads if self.waits else None
        self._profiler.fetch = None if reads is None else reads.fetch
        if reads is not None or self._null_looks:
            for load in self._loads:
                place = load.address
                self._hooks.append(self._engine.hook_add(UC_HOOK_CODE, self._on_load, load, place, place))
        self._null_looks = max(0, self._null_looks - 1)

    def end(self) -> None:
        """Look no more."""
        while self._hooks:
            self._engine.hook_del(self._hooks.pop())

    def _on_odd(self, place: int, address: int) -> None:
        self._crash(f"unaligned access at {place:#010x} by an instruction that needs alignment", address)

    def _on_load(self, engine: Uc, address: int, size: int, load: Load) -> None:
        place = load.offset
        if load.base is not None:
            place += engine.reg_read(_register(load.base))
        if load.index is not None:
            place += engine.reg_read(_register(load.index)) << load.shift
        place &= 0xFFFF_FFFF
        if self._reads is not None and self._profiler.fetch is not None:
            self._profiler.stalls += self._reads.load(place, load.size)
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


def _red_zones(image: Image) -> list[tuple[int, str]]:
    """Address and place of each red zone of a checked image, such as "behind tl_arena"."""
    names = [name for name in image.symbols if name.startswith(ZONE_PREFIX)]
    return [(image.symbols[name], name.removeprefix(ZONE_PREFIX).replace("_", " ", 1)) for name in sorted(names)]


def _stores(image: Image) -> list[Any]:
    """Every store outside of start-up, which clears all of .bss."""
    return [
        instruction
        for start, code in image.code
        for instruction in disassembly.instructions(code, start)
        if instruction.insn_name().startswith(("str", "stm", "vst"))
        and image.function(instruction.address) not in CLEARS
    ]


def _loads(image: Image) -> list[Load]:
    """Every load that may read the flash."""
    return [
        load
        for start, code in image.code
        for instruction in disassembly.instructions(code, start)
        if (load := load_of(instruction)) is not None
    ]
