"""A board as a Unicorn machine: exactly the memory of board.toml, modelled peripherals, and nothing else.

What the part would not survive stops the run with an EmulatorCrash that names the function, the address, the
instruction and the reason. Firmware runs until it looks for received bytes and there are none.
"""

import random
import signal
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from unicorn import (
    UC_ARCH_ARM,
    UC_ERR_INSN_INVALID,
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_INVALID,
    UC_HOOK_MEM_READ,
    UC_MEM_FETCH,
    UC_MEM_FETCH_PROT,
    UC_MEM_FETCH_UNMAPPED,
    UC_MEM_READ_PROT,
    UC_MEM_READ_UNMAPPED,
    UC_MEM_WRITE_PROT,
    UC_MEM_WRITE_UNMAPPED,
    UC_MODE_THUMB,
    UC_PROT_EXEC,
    UC_PROT_READ,
    Uc,
    UcError,
    arm_const,
)

from tinyloc.boards import Board
from tinyloc.boards.fixed import fixed_problems
from tinyloc.device.emulator import disassembly
from tinyloc.device.emulator.accesses import Access, access_at
from tinyloc.device.emulator.address_watch import AddressWatch
from tinyloc.device.emulator.block_hook import BlockHook
from tinyloc.device.emulator.crash import CrashSite, EmulatorCrash
from tinyloc.device.emulator.families import make_part
from tinyloc.device.emulator.flash_memory import UNIT, FlashMemory
from tinyloc.device.emulator.flash_reads import FlashTiming
from tinyloc.device.emulator.image import Image, ImageError, load_image
from tinyloc.device.emulator.memory_map import PAGE, MemoryMap
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    HasRom,
    Host,
    Peripheral,
    Rom,
    RomCall,
    Sleep,
    StoresToFlash,
)
from tinyloc.device.emulator.profile import Profiler

CPU_MODELS = {"cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3, "cortex-m4f": arm_const.UC_CPU_ARM_CORTEX_M4}
ENTRIES = frozenset(
    {"tl_localiser_sample", "tl_localiser_sample_dense", "tl_model_run", "tl_fusion_imu", "tl_fusion_ranges"}
)
"""Functions that take one sample, or run a plain network: what is measured."""
STACK_LIMIT = "__stack_start"
"""Linker symbol: the lowest address of the stack."""
WINDOW = 0x40
"""Peripherals begin and end at multiples of this."""
PRIVATE_BUS = 0xE000_0000
"""From here on lie the core's own registers, which unprivileged code may not touch."""
UNPRIVILEGED = "unprivileged {} of {:#010x}: CONTROL.nPRIV is set, and the core's registers are privileged"
BLOCK_BYTES = 256
"""Bytes of code that are looked at for the instruction that touches a peripheral."""
NOWHERE = 0xFFFF_FFFE
RETURN_TO_THREAD = 0xFFFF_FFF9
"""In the link register of a handler: return to the code that was interrupted, on the main stack."""
NMI, HARD_FAULT, BUS_FAULT = 2, 3, 5
IDLE_LOOKS = 8
"""The machine stops after so many looks for a byte that is not there."""
LOOK_CYCLES = 12
"""Time that passes with one look at the UART when blocks are not counted."""
RUNAWAY_CYCLES = 500_000_000
"""Counted: a run longer than this without a look at the UART never ends."""
RUNAWAY_S = 30.0
"""Not counted: the same in time of the host."""
PC_NAMES = ("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr", "pc", "xpsr")
_REGISTERS = {name: getattr(arm_const, f"UC_ARM_REG_{name.upper()}") for name in PC_NAMES}
_CONTROL = arm_const.UC_ARM_REG_CONTROL
_PC, _SP, _LR = _REGISTERS["pc"], _REGISTERS["sp"], _REGISTERS["lr"]
_ACCESS = {
    UC_MEM_READ_UNMAPPED: "read of {size} bytes at {address:#010x}, where this board has no memory",
    UC_MEM_WRITE_UNMAPPED: "write of {size} bytes at {address:#010x}, where this board has no memory",
    UC_MEM_FETCH_UNMAPPED: "jump to {address:#010x}, where this board has no memory",
    UC_MEM_READ_PROT: "read of {address:#010x}, which is not readable",
    UC_MEM_WRITE_PROT: "write to read-only memory at {address:#010x}",
    UC_MEM_FETCH_PROT: "jump to {address:#010x}, which is not executable",
    UC_MEM_FETCH: "jump to {address:#010x}",
}
_INTERRUPTS = {
    1: "undefined instruction",
    2: "SVC; the emulator takes no exceptions",
    4: "data access failed",
    7: "BKPT",
    8: "return from an exception that was never taken",
    17: "coprocessor not enabled",
    18: "jump to an even address: the core has no Arm state",
}
_FETCH_FAILED = 3


_watched: "weakref.WeakSet[Machine]" = weakref.WeakSet()


def _watch(machine: "Machine") -> None:
    """One thread watches all machines: a timeout of Unicorn's own costs a thread, some milliseconds, every run."""
    if not _watched:
        threading.Thread(target=_watch_all, name="emulator watch", daemon=True).start()
    _watched.add(machine)


def _watch_all() -> None:
    while True:
        time.sleep(1.0)
        now = time.monotonic()
        machines = list(_watched)
        if not machines:
            return
        for machine in machines:
            machine.stop_runaway(now)


class PowerLost(Exception):
    """The power went, as FlashMemory.cut has it; `power_on` goes on."""


class Machine:
    """A board with an image in its flash, powered on.

    `timing` counts what reads of the flash wait, without it they do not. `measure` counts blocks, models
    cycles (near 1 µs a block) and, with `check_alignment`, looks at the address of each transfer that must be aligned;
    without it the code runs free. It can be switched between runs. Calls of `entries` are measured. RAM holds random
    bytes of `power_on_seed` at power-on.
    Raises ImageError, BoardError.
    """

    def __init__(
        self,
        elf: Path,
        board: Board,
        *,
        measure: bool = False,
        check_alignment: bool = True,
        timing: FlashTiming | None = None,
        entries: frozenset[str] = ENTRIES,
        power_on_seed: int = 1,
    ) -> None:
        self.board = board
        self.patience = 1.0
        """Multiplies the time after which a run is taken to have no end."""
        self.image: Image = load_image(elf)
        disassembly.reject_foreign(self.image, board.core)
        if problems := fixed_problems(board, self.image.segments):
            raise ImageError(f"{self.image.path}: {board.part} would not start: {'; '.join(problems)}")
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)  # with UC_MODE_MCLASS it would become a Cortex-M33
        self._uc.ctl_set_cpu_model(CPU_MODELS[board.core])
        self._memory = MemoryMap(self._uc, board)
        self._memory.power_on(power_on_seed)
        self._memory.load(self.image)
        self._free_cycles = 0
        self._read_cycles = 0
        self._looks = 0
        self._idle = self._asleep = False
        self._waits_by = ""
        self._interrupted = False  # by SIGINT
        self._power_lost = self._in_handler = False
        self._aligned = 0
        self._answered: int | None = None
        self._reset_cause: str | None = None
        self._crash: CrashSite | None = None
        self._pc = 0
        self._started: float | None = None
        self.flash = FlashMemory(
            self._memory.fetch, self._memory.store, board.facts.flash_page or PAGE, lose_power=self._lose_power
        )
        self.part = make_part(
            Host(
                board,
                board.facts,
                self,
                self._look,
                self._progress,
                self._request_reset,
                self._memory.gate,
                self.flash,
            )
        )
        self._pending: int | None = None  # number of the exception to be taken
        self._faulted: list[int] = []  # registers before the load that takes it
        self._torn_hook: int | None = None
        self._new_traps, self._traps = False, (False, False)
        self.part.system.on_traps = self._on_traps
        self._last_piece = (-1, 0)  # where the last piece of an access to a peripheral ended, and its size
        self._map_peripherals()
        if isinstance(self.part, HasRom):
            self._map_rom(self.part.rom)
        self.profiler = Profiler(self.image, board.core, self._code, entries)
        self.profiler.on_new_block = self._check_block
        self.profiler.stop = self._uc.emu_stop
        self._stack_limit = self.image.symbols.get(STACK_LIMIT, 0)
        if self._stack_limit not in [memory.base for memory in board.memory]:  # there an overflow leaves the memory
            self.profiler.on_call = self._check_stack
        self._uc.hook_add(UC_HOOK_MEM_INVALID, self._on_invalid)
        self._uc.hook_add(UC_HOOK_INTR, self._on_interrupt)
        self._addresses = AddressWatch(
            self._uc, self.image, board, self.profiler, self._stop_at, check_alignment, timing
        )
        self._block_hook: BlockHook | None = None
        self.measure = measure
        self._reset("power-on")
        _watch(self)

    # memory

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the emulated memory."""
        return bytes(self._uc.mem_read(address, size))

    def write_memory(self, address: int, content: bytes) -> None:
        """Put bytes into the emulated memory, as a debugger would."""
        self._uc.mem_write(address, content)

    def _code(self, address: int, size: int) -> bytes:
        return self.read_memory(address, size)

    # peripherals

    def _map_peripherals(self) -> None:
        pages: dict[int, list[Peripheral]] = {}
        for peripheral in self.part.peripherals:
            for page in range(peripheral.base & -PAGE, peripheral.base + peripheral.size, PAGE):
                pages.setdefault(page, []).append(peripheral)
        for page, inhabitants in pages.items():
            self._map_page(page, inhabitants)

    def _map_page(self, page: int, inhabitants: list[Peripheral]) -> None:
        windows = {
            window: peripheral
            for peripheral in inhabitants
            for window in range(PAGE // WINDOW)
            if peripheral.base <= page + window * WINDOW < peripheral.base + peripheral.size
        }

        core = page >= PRIVATE_BUS

        def read(uc: Uc, offset: int, size: int, _: Any) -> int:
            if core and uc.reg_read(_CONTROL) & 1:
                self._stop_at_access(UNPRIVILEGED.format("read", page + offset), page + offset)
            if (page + offset, size) == self._last_piece:
                self._check_pieces(page + offset)
            self._last_piece = (page + offset + size, size)
            try:
                peripheral = windows[offset // WINDOW]
                return peripheral.read(page + offset - peripheral.base, size)
            except KeyError:
                self._stop_at_access(f"read of {page + offset:#010x}, where this board has no memory", page + offset)
            except BadAccess as error:
                self._stop_at_access(str(error), page + offset)
            return 0

        def write(uc: Uc, offset: int, size: int, value: int, _: Any) -> None:
            if core and uc.reg_read(_CONTROL) & 1:
                self._stop_at_access(UNPRIVILEGED.format("write", page + offset), page + offset)
                return
            if (page + offset, size) == self._last_piece:
                self._check_pieces(page + offset)
            self._last_piece = (page + offset + size, size)
            try:
                peripheral = windows[offset // WINDOW]
                peripheral.write(page + offset - peripheral.base, size, value)
            except KeyError:
                self._stop_at_access(f"write of {page + offset:#010x}, where this board has no memory", page + offset)
            except BadAccess as error:
                self._stop_at_access(str(error), page + offset)

        self._uc.mmio_map(page, PAGE, read, None, write, None)

    def _block_now(self) -> list[Any]:
        """The instructions of the block that runs, in a callback of a peripheral."""
        start = self._uc.reg_read(_PC) & ~1
        code = self.read_memory(start, BLOCK_BYTES)
        listing = []
        for instruction in disassembly.instructions(code, start):
            listing.append(instruction)
            if disassembly.ends_block(instruction):
                break
        return listing

    def _access_now(self, place: int) -> Access | None:
        try:
            return access_at(self._block_now(), lambda name: int(self._uc.reg_read(_REGISTERS[name])), place)
        except (UcError, KeyError):
            return None

    def _check_pieces(self, place: int) -> None:
        """The access begins where the last one ended: Unicorn cuts an unaligned one into such pieces."""
        access = self._access_now(place) or self._access_now(place - 1)
        if access is not None and access.place % min(access.size, 4):
            self._stop_at(f"unaligned access to a peripheral at {access.place:#010x}", access.address)

    def _stop_at_access(self, reason: str, place: int) -> None:
        """A crash found in a callback of a peripheral, at the instruction that touches `place`."""
        access = self._access_now(place)
        if access is None:
            self._stop_with(reason)
        else:
            self._stop_at(reason, access.address)

    def _on_traps(self) -> None:
        """CCR was written: hooks are set between two runs of the engine."""
        system = self.part.system
        self._new_traps = (system.traps_unaligned, system.traps_division) != self._traps
        if self._new_traps:
            self._uc.emu_stop()

    def _map_rom(self, rom: Rom) -> None:
        self._uc.mem_map(rom.base, len(rom.content), UC_PROT_READ | UC_PROT_EXEC)
        self._uc.mem_write(rom.base, rom.content)

        def carry_out(uc: Uc, address: int, size: int, call: RomCall) -> None:
            arguments = [uc.reg_read(_REGISTERS[name]) for name in ("r0", "r1", "r2")]
            uc.reg_write(_REGISTERS["r0"], call(self.read_memory, *arguments))

        for address, call in rom.calls.items():
            self._uc.hook_add(UC_HOOK_CODE, carry_out, call, address, address + 1)

    def _look(self) -> None:
        """The firmware looked for a received byte and there is none."""
        self._looks += 1
        if self._block_hook is None:
            self._free_cycles += LOOK_CYCLES
        if self._looks >= IDLE_LOOKS:
            if (reason := self.part.uart.deaf()) is not None:
                self._stop_with(reason)
                return
            self._idle = True
            self._uc.emu_stop()

    def _progress(self) -> None:
        """The firmware sent a byte: it is not waiting."""
        self._looks = 0

    def _lose_power(self) -> None:
        self._power_lost = True
        self._uc.emu_stop()

    def power_on(self) -> None:
        """After the power went: the flash as it was left, the RAM with anything in it."""
        self._power_lost = False
        self.flash.power_on()
        chance = random.Random(self.flash.operations)
        for memory in self.board.memory:
            if "w" in memory.access and (memory.base, memory.size) not in self._memory.closed:
                self._memory.store(memory.base, chance.randbytes(memory.size))
        self.watch_torn_units()
        self.part.uart.received.clear()
        self.part.uart.sent.clear()
        self._reset("power-on")

    # exceptions: of the reads of torn units alone

    def watch_torn_units(self) -> None:
        """Let reads of units with an uncorrectable error raise what the part raises."""
        if self._torn_hook is not None:
            self._uc.hook_del(self._torn_hook)
            self._torn_hook = None
        self._uc.ctl_flush_tb()
        if self.flash.torn:
            first, last = min(self.flash.torn), max(self.flash.torn) + UNIT - 1
            self._torn_hook = self._uc.hook_add(UC_HOOK_MEM_READ, self._on_torn, begin=first, end=last)

    def _on_torn(self, uc: Uc, access: int, address: int, size: int, value: int, _: Any) -> None:
        if self._pending is None and address // UNIT * UNIT in self.flash.torn:
            if self._answered == uc.reg_read(_PC):  # the NMI came back to the load that it is of
                self._answered = None
                return
            assert isinstance(self.part, StoresToFlash)
            self._pending = self.part.unreadable(address)
            self._faulted = [uc.reg_read(_REGISTERS[name]) for name in PC_NAMES]
            uc.emu_stop()

    def _take_exception(self) -> None:
        """Enter the handler: eight registers are pushed, and the link register says how to return.

        A fault is precise: registers are those before the load. An NMI comes after it.
        """
        number, self._pending = self._pending, None
        assert number is not None
        if number != NMI:
            for name, before in zip(PC_NAMES, self._faulted, strict=True):
                self._uc.reg_write(_REGISTERS[name], before)
            self._pc = self._faulted[PC_NAMES.index("pc")]
        elif self._pc == self._faulted[PC_NAMES.index("pc")]:
            self._answered = self._pc
        words = [self._uc.reg_read(_REGISTERS[name]) for name in ("r0", "r1", "r2", "r3", "r12", "lr")]
        words += [self._pc & ~1, self._uc.reg_read(_REGISTERS["xpsr"])]
        stack = self._uc.reg_read(_SP) - 32
        self._aligned = stack % 8
        stack -= self._aligned
        self.write_memory(stack, b"".join(word.to_bytes(4, "little") for word in words))
        self._uc.reg_write(_SP, stack)
        self._uc.reg_write(_LR, RETURN_TO_THREAD)
        self._pc = int.from_bytes(self.read_memory(self._memory.start + 4 * number, 4), "little") & ~1
        self._in_handler = True

    def _leave_exception(self) -> None:
        """Return from the handler: the pushed registers again."""
        stack = self._uc.reg_read(_SP)
        content = self.read_memory(stack, 32)
        words = [int.from_bytes(content[at : at + 4], "little") for at in range(0, 32, 4)]
        for name, word in zip(("r0", "r1", "r2", "r3", "r12", "lr"), words, strict=False):
            self._uc.reg_write(_REGISTERS[name], word)
        self._uc.reg_write(_REGISTERS["xpsr"], words[7])
        self._uc.reg_write(_SP, stack + 32 + self._aligned)
        self._pc = words[6]
        self._in_handler = False

    def _request_reset(self) -> None:
        self._reset_cause = "software"
        self._uc.emu_stop()

    # time

    def cycles(self) -> int:
        """Core cycles since power-on: modelled where blocks were counted, a rough lower bound elsewhere.

        Two readings always differ, also within a block and where nothing is counted: loops that wait for time end.
        """
        now = self._free_cycles + self.profiler.cycles
        if now <= self._read_cycles:
            now = self._read_cycles + 1
            if self._block_hook is None:
                self._free_cycles += 1
        self._read_cycles = now
        return now

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which nothing is received; the firmware looks at its UART every millisecond of it."""
        for _ in range(max(1, round(seconds * 1000))):
            self._free_cycles += self.part.core_hz() // 1000
            self.run()

    # sleep

    @property
    def asleep(self) -> bool:
        """The last run ended with WFE or WFI."""
        return self._asleep

    def wake(self) -> float:
        """Let the timer end the sleep; gives the seconds that it lasted. Raises EmulatorCrash when none would."""
        found = self._sleep_now()
        if isinstance(found, str):
            raise self._crashed(f"the sleep would not end: {found}")
        self._free_cycles += round(found.period_s * self.part.core_hz())
        expired = self.part.watchdog.expired()
        self.part.wake()
        self._asleep = False
        if expired:
            raise self._crashed("the watchdog expires in the sleep")
        return found.period_s

    def _sleep_now(self) -> Sleep | str:
        """The sleep that the last run ended with, or why nothing ends it."""
        if not self._asleep:
            return "the firmware does not sleep"
        if self._waits_by == "wfi" and not self.part.system.interrupts_enabled:
            return "WFI waits for an interrupt and none is enabled; an event ends a WFE only"
        return self.part.sleep()

    def check_sleep(self) -> None:
        """Raises EmulatorCrash when the last run ended with a WFI or WFE that nothing ends."""
        found = self._sleep_now() if self._asleep else None
        if isinstance(found, str):
            raise EmulatorCrash(self._site(f"{self._waits_by.upper()} that nothing ends: {found}", self._pc - 2))

    # running

    @property
    def measure(self) -> bool:
        """Whether blocks are counted."""
        return self._block_hook is not None

    @measure.setter
    def measure(self, wanted: bool) -> None:
        if wanted == self.measure:
            return
        if wanted:
            self.profiler.resume()
            self._addresses.begin()
            self._block_hook = BlockHook(self._uc, self.profiler.block)
        elif self._block_hook is not None:
            self._addresses.end()
            self._block_hook.remove()
            self._block_hook = None

    @property
    def waits(self) -> bool:
        """Whether waits of the flash are counted when `measure` is switched on the next time."""
        return self._addresses.waits

    @waits.setter
    def waits(self, wanted: bool) -> None:
        self._addresses.waits = wanted

    def _reset(self, cause: str) -> None:
        self.part.reset(cause)
        vectors = self.read_memory(self._memory.start, 8)
        stack, start = (int.from_bytes(vectors[i : i + 4], "little") for i in (0, 4))
        for name in PC_NAMES:
            self._uc.reg_write(_REGISTERS[name], 0)
        self._uc.reg_write(_REGISTERS["xpsr"], 1 << 24)
        self._uc.reg_write(_SP, stack)
        self._uc.reg_write(_LR, 0xFFFF_FFFF)
        self._uc.reg_write(_PC, start)
        self._pc = start
        self._reset_cause = None
        self.profiler.resume()
        if not start & 1:
            raise self._crashed("the reset vector is even or empty: no vector table at the start of the flash")

    def run(self) -> None:
        """Run until the firmware idles. Raises EmulatorCrash, and KeyboardInterrupt when SIGINT came.

        An exception that a handler of signals raises in a callback of Unicorn would be lost, and the run would go on;
        so while it lasts SIGINT only stops it.
        """
        before = signal.getsignal(signal.SIGINT)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            self._run()
            return
        self._interrupted = False
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            self._run()
        finally:
            signal.signal(signal.SIGINT, before)
        if self._interrupted:
            before(signal.SIGINT, None)

    def _interrupt(self, number: int, frame: object) -> None:
        self._interrupted = True
        self._uc.emu_stop()

    def _run(self) -> None:
        self._idle = self._asleep = False
        self._looks = 0
        while not self._idle and not self._interrupted:
            if self._new_traps:
                self._new_traps = False
                self._traps = self.part.system.traps_unaligned, self.part.system.traps_division
                self._addresses.trap(*self._traps)
            self.profiler.deadline = self.profiler.cycles + int(RUNAWAY_CYCLES * self.patience)
            self._started = time.monotonic()
            try:
                self._uc.emu_start(self._pc | 1, NOWHERE)
            except UcError as error:
                undefined = error.errno == UC_ERR_INSN_INVALID
                self._pc = self._uc.reg_read(_PC)
                if self._in_handler and self._pc & ~1 == RETURN_TO_THREAD & ~1:
                    self._crash = None
                    self._leave_exception()
                    continue
                if undefined and self._crash is None and self._stopped_waiting():  # Unicorn knows WFI, not WFE
                    self._asleep = True
                    return
                site = self._crash or (self._undefined() if undefined else self._site(str(error)))
                self._crash = None
                raise EmulatorCrash(site) from error
            finally:
                self._started = None
            if self._block_hook is not None and self._block_hook.raised is not None:
                raise self._block_hook.raised
            self._pc = self._uc.reg_read(_PC)
            if self._power_lost:
                self._crash = None
                raise PowerLost(f"operation {self.flash.operations - 1} of the flash")
            if self._in_handler and self._pc & ~1 == RETURN_TO_THREAD & ~1:
                self._crash = None
                self._leave_exception()
                continue
            if self._pending is not None and self._crash is None:
                self._take_exception()
                continue
            if self._crash is not None:
                site, self._crash = self._crash, None
                raise EmulatorCrash(site)
            if self._reset_cause is None and self.part.watchdog.expired():
                self._reset_cause = "watchdog"
            if self._reset_cause is not None:
                self._reset(self._reset_cause)
                self._idle = False
            elif not self._idle and not self._interrupted and not self._new_traps:
                if self._stopped_waiting():
                    self._asleep = True
                    return
                raise self._crashed("it ran on without polling the UART")

    def stop_runaway(self, now: float) -> None:
        """Called by the watch thread: end a run that has lasted too long."""
        if self._started is not None and now - self._started > RUNAWAY_S * self.patience:
            self._uc.emu_stop()

    def _stopped_waiting(self) -> bool:
        """WFI and WFE end a run: nothing can wake the core but a byte."""
        try:
            before = self.read_memory(self._pc - 2, 2)
        except UcError:
            return False
        self._waits_by = disassembly.text(before, self._pc - 2)
        return self._waits_by in ("wfi", "wfe")

    # crashes

    def _site(self, reason: str, pc: int | None = None) -> CrashSite:
        registers = {name: self._uc.reg_read(number) for name, number in _REGISTERS.items()}
        where = registers["pc"] if pc is None else pc
        registers["pc"] = where
        try:
            instruction = disassembly.text(self.read_memory(where & ~1, 4), where & ~1)
        except UcError:
            instruction = "(no memory here)"
        chain: tuple[str, ...] = self.profiler.chain[1:] if self.measure else ()
        if not chain:
            chain = (self.image.function(registers["lr"]),)
        return CrashSite(reason, self.image.function(where), where & ~1, instruction, registers, chain)

    def _crashed(self, reason: str) -> EmulatorCrash:
        return EmulatorCrash(self._site(reason))

    def _stop_with(self, reason: str) -> None:
        """A crash found in a callback: the run ends after the current block."""
        if self._crash is None:
            self._crash = self._site(reason)
        self._uc.emu_stop()

    def _on_invalid(self, uc: Uc, access: int, address: int, size: int, value: int, _: Any) -> bool:
        stored = access == UC_MEM_WRITE_PROT and isinstance(self.part, StoresToFlash)
        if stored and self.part.store_to_flash(address, size, value):  # type: ignore[attr-defined]
            return True
        if self._in_handler and access in (UC_MEM_FETCH_UNMAPPED, UC_MEM_FETCH_PROT):
            return False  # the return
        reason = _ACCESS.get(access, "bad access at {address:#010x}").format(address=address, size=size)
        for (base, length), closed in self._memory.closed.items():
            if base <= address < base + length:
                reason = f"access to {address:#010x}: {closed}"
        jump = access in (UC_MEM_FETCH_UNMAPPED, UC_MEM_FETCH_PROT)
        self._crash = self._site(reason, self._call_site() if jump else None)
        return False

    def _call_site(self) -> int | None:
        """Address of the call that the link register tells of; after a bad jump that is the interesting place."""
        link: int = self._uc.reg_read(_LR) & ~1
        if not self.image.has_function(link - 2):
            return None
        short = disassembly.text(self.read_memory(link - 2, 2), link - 2)
        return link - 2 if short.startswith("blx") else link - 4

    def _on_interrupt(self, uc: Uc, number: int, _: Any) -> None:
        if number == _FETCH_FAILED and self._crash is None:
            reason = f"jump to {uc.reg_read(_PC):#010x}, which is not executable here"
            self._crash = self._site(reason, self._call_site())
        elif self._crash is None:
            self._crash = self._site(_INTERRUPTS.get(number, f"exception {number}"))
        uc.emu_stop()

    def _undefined(self) -> CrashSite:
        if not self._uc.reg_read(_REGISTERS["xpsr"]) >> 24 & 1:
            reason = f"jump to the even address {self._uc.reg_read(_PC):#010x}: the core has no Arm state"
            return self._site(reason, self._call_site())
        return self._site("undefined instruction")

    def _stop_at(self, reason: str, address: int) -> None:
        """A crash found before the instruction at `address`: the first one counts."""
        if self._crash is None:
            self._crash = self._site(reason, address)
        self._uc.emu_stop()

    def _check_block(self, address: int, listing: list[Any]) -> None:
        if not self.part.system.fpu_enabled:
            for instruction in listing:
                if disassembly.is_fpu(instruction):
                    reason = "floating-point instruction before CPACR enabled the FPU"
                    self._crash = self._site(reason, instruction.address)
                    self._uc.emu_stop()
                    return

    def _check_stack(self) -> None:
        if self._stack_limit and self._uc.reg_read(_SP) < self._stack_limit:
            self._crash = self._site(f"stack overflow: sp is below {self._stack_limit:#010x}")
            self._uc.emu_stop()
