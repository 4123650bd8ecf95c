"""What flash does when it is erased and programmed, and when the power goes in the middle of it.

A controller of a family (device/emulator/<family>) turns what the firmware writes into operations here. Operations are
counted from 0; `cut` names one at which the power goes. What it leaves is drawn from a seed: a unit with some of its
bits programmed, or a page of which some bits are erased. Such bits may read otherwise at each power-on (`unstable`).
Where the part has ECC a torn unit reads as an error that cannot be corrected, until it is erased.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Effect = Literal["before", "torn", "after"]
"""What a cut operation leaves: nothing of it, a part of it, or all of it."""
UNIT = 8


@dataclass(frozen=True)
class Cut:
    """The power goes at operation number `at`."""

    at: int
    effect: Effect = "torn"
    seed: int = 0


@dataclass
class FlashMemory:
    """The flash of a part: `load` and `store` reach its bytes."""

    load: Callable[[int, int], bytes]
    store: Callable[[int, bytes], None]
    page: int
    ecc: bool = False
    once: bool = True
    """Whether a unit may be programmed only once between erases."""
    cut: Cut | None = None
    lose_power: Callable[[], None] = lambda: None
    operations: int = 0
    erases: Counter[int] = field(default_factory=Counter)
    programs: Counter[int] = field(default_factory=Counter)
    """By address: of pages, and of units since their last erase."""
    torn: set[int] = field(default_factory=set)
    """Units that read with an error, where the part has ECC."""
    unstable: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """Units that read as a mixture of two contents, drawn anew at each power-on."""
    late: dict[int, bytes] = field(default_factory=dict)
    """Units that a store is about to overwrite, and what they hold."""
    off: bool = False
    erase_s: float = 0.0
    program_s: float = 0.0
    busy_s: float = 0.0
    """Time that operations took, by the figures of the part."""

    def settle(self) -> None:
        """Put back what a store of the core has overwritten: it reaches the memory after the controller has seen it."""
        for unit, content in self.late.items():
            self.store(unit, content)
        self.late.clear()

    def power_on(self) -> None:
        """Begin to work again; unstable bits fall as they may."""
        self.settle()
        self.off = False
        chance = random.Random(f"{self.operations} {sorted(self.unstable)}")
        for unit, (one, other) in self.unstable.items():
            mask = chance.randbytes(UNIT)
            self.store(unit, bytes((a & m) | (b & ~m & 0xFF) for a, b, m in zip(one, other, mask, strict=True)))

    def erase(self, address: int) -> str | None:
        """Erase a page; gives what the part reports, None when it worked."""
        if self.off:
            return None
        page = address // self.page * self.page
        effect = self._effect()
        self.erases[page] += 1
        self.busy_s += self.erase_s
        units = range(page, page + self.page, UNIT)
        if effect == "before":
            return None
        for unit in units:
            before = self.load(unit, UNIT)
            self.torn.discard(unit)
            self.unstable.pop(unit, None)
            self.programs.pop(unit, None)
            if effect == "torn" and before != b"\xff" * UNIT:
                self._tear(unit, before, b"\xff" * UNIT)
            else:
                self.store(unit, b"\xff" * UNIT)
        return None

    def program(self, address: int, content: bytes) -> str | None:
        """Program a unit; gives what the part reports, None when it worked."""
        if self.off:
            return None
        if address % UNIT or len(content) != UNIT:
            return f"programming {len(content)} bytes at {address:#x}: units have {UNIT}"
        before = self.load(address, UNIT)
        if self.once and (self.programs[address] or before != b"\xff" * UNIT):
            return f"{address:#x} is programmed a second time since its last erase"
        after = bytes(old & new for old, new in zip(before, content, strict=True))
        effect = self._effect()
        self.busy_s += self.program_s
        if effect == "before":
            return None
        self.programs[address] += 1
        if effect == "torn":
            self._tear(address, before, after)
        else:
            self.store(address, after)
        return None

    def _effect(self) -> Effect:
        """What becomes of the next operation."""
        number, self.operations = self.operations, self.operations + 1
        if self.cut is None or number != self.cut.at:
            return "after"
        self.off = True
        self.lose_power()
        return self.cut.effect

    def _tear(self, unit: int, before: bytes, after: bytes) -> None:
        assert self.cut is not None
        chance = random.Random(f"{self.cut.seed} {unit}")
        mask = chance.randbytes(UNIT)
        self.store(unit, bytes((a & m) | (b & ~m & 0xFF) for a, b, m in zip(before, after, mask, strict=True)))
        if chance.random() < 0.5:
            self.unstable[unit] = (before, after)
        if self.ecc and chance.random() < 0.75:
            self.torn.add(unit)
