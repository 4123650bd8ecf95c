"""Which instruction of a block touches an address, from the registers that it has.

In a callback of a peripheral Unicorn knows the block but not the instruction, and it cuts an unaligned access into
aligned pieces. Both are found here from the block's instructions and the registers' values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from capstone.arm import ARM_OP_MEM, ARM_SFT_LSL

SIZES = {
    "ldr": 4, "ldrt": 4, "str": 4, "strt": 4, "ldrh": 2, "ldrsh": 2, "ldrht": 2, "ldrsht": 2, "strh": 2, "strht": 2,
    "ldrb": 1, "ldrsb": 1, "ldrbt": 1, "ldrsbt": 1, "strb": 1, "strbt": 1, "ldrd": 8, "strd": 8, "vldr": 4, "vstr": 4,
}  # fmt: skip
"""Bytes that a load or store of one address moves."""
Register = Callable[[str], int]
"""Value of a register by its name."""


@dataclass(frozen=True)
class Access:
    """One instruction's access."""

    address: int  # of the instruction
    place: int
    size: int


def access_of(instruction: Any, register: Register) -> Access | None:
    """The access that an instruction makes with these registers, None when it makes none of one address."""
    size = SIZES.get(instruction.insn_name())
    memory = next((operand for operand in instruction.operands if operand.type == ARM_OP_MEM), None)
    if size is None or memory is None:
        return None
    base = instruction.reg_name(memory.mem.base)
    place = (instruction.address + 4 & ~3) if base == "pc" else register(base)
    if not instruction.post_index:
        place += memory.mem.disp
    if memory.mem.index:
        shift = memory.shift.value if memory.shift.type == ARM_SFT_LSL else memory.mem.lshift
        place += register(instruction.reg_name(memory.mem.index)) << shift
    return Access(instruction.address, place & 0xFFFF_FFFF, size)


def write_of(instruction: Any, register: Register) -> tuple[int, int] | None:
    """First address and bytes that a store writes; None for other instructions and for pushes."""
    name = instruction.insn_name()
    if name.startswith(("stm", "vstm")):
        base = instruction.reg_name(instruction.operands[0].reg)
        wide = [8 if instruction.reg_name(operand.reg).startswith("d") else 4 for operand in instruction.operands[1:]]
        first = register(base) - (sum(wide) if "db" in name else 0)
        return (None if base == "sp" else (first & 0xFFFF_FFFF, sum(wide))) if wide else None
    if not name.startswith(("str", "vstr")):
        return None
    access = access_of(instruction, register)
    return None if access is None else (access.place, access.size)


def access_at(listing: Sequence[Any], register: Register, place: int) -> Access | None:
    """The first access of a block that covers an address, None when none does: registers change along the block."""
    for instruction in listing:
        access = access_of(instruction, register)
        if access is not None and access.place <= place < access.place + access.size:
            return access
    return None
