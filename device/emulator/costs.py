"""Cycles of straight-line Thumb code on a Cortex-M3 or Cortex-M4: a table, and what neighbours do to each other.

Sources: "Cortex-M4 Technical Reference Manual" (ARM DDI 0439D), tables 3-1, 3-2 and 7-1 (FPU) and section 3.3.2
"Load/store timings"; "Cortex-M3 Technical Reference Manual" (ARM DDI 0337I), table 3-1 and section 3.3.2. What the
manuals give as a range is one value here, named in `note`. Memory is taken to answer without wait states (the STM32's
ART accelerator and the caches of the other parts hide them in loops, not everywhere).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from capstone.arm import ARM_OP_MEM, ARM_OP_REG, ARM_REG_D0, ARM_REG_D31, ARM_REG_PC, ARM_REG_SP

from tinyloc.boards import Core

REFILL = 2
"""P of the manuals, the pipeline refill of a taken branch: 1 to 3 by alignment and width of the target; 2 taken."""


@dataclass(frozen=True)
class Cost:
    """Cycles of one or more instructions, plus `per_register` for each register moved; None: the core lacks it."""

    mnemonics: str
    m3: int | None
    m4: int
    per_register: int = 0
    note: str = ""


SINGLE_LOADS = frozenset(
    ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "ldrt", "ldrbt", "ldrht", "ldrsbt", "ldrsht", "vldr")
)
SINGLE_STORES = frozenset(("str", "strb", "strh", "strt", "strbt", "strht"))

COSTS = (
    Cost(" ".join(sorted(SINGLE_LOADS)), 2, 2, note="1 after an independent single load; 3 into the pc; vldr.64 3"),
    Cost(" ".join(sorted(SINGLE_STORES)), 1, 1, note="2 with a register offset unless right after a single load"),
    Cost("ldrd strd", 1, 1, 1, note="N = 2"),
    Cost("ldm ldmdb ldmib pop", 1, 1, 1, note="N registers"),
    Cost("stm stmdb stmib push", 1, 1, 1, note="N registers"),
    Cost("ldrex ldrexb ldrexh strex strexb strexh", 2, 2),
    Cost("tbb tbh", 4, 4, note="at least 6 with the refill"),
    Cost("mla mls", 2, 1),
    Cost("smull umull", 4, 1, note="M3: 3 to 5 with early termination, middle taken"),
    Cost("smlal umlal", 6, 1, note="M3: 4 to 7 with early termination, middle rounded up"),
    Cost("udiv sdiv", 7, 7, note="2 to 12 by the leading zeros of the operands, middle taken"),
    Cost("mrs msr cps", 2, 2, note="1 or 2"),
    Cost("isb", 3, 3, note="1 + B, B as long as a refill"),
    Cost("vdiv vsqrt", None, 14),
    Cost("vmla vmls vnmla vnmls vfma vfms vfnma vfnms", None, 3),
    Cost("vstr", None, 2, note="64 bits 3"),
    Cost("vldmia vldmdb vpop vstmia vstmdb vpush vldm vstm", None, 1, 1, note="N words"),
)
"""All other instructions take one cycle: moves, ALU, shifts, bit fields, saturation, MUL, the M4's DSP instructions,
vadd, vmul, vcvt, vcmp, dsb, it (which the core may fold to zero), branches not taken. A taken branch adds REFILL;
whether one was taken is known from the next block. An instruction whose `it` condition fails is charged as executed.

A load or store whose base or index the instruction just before it computed stalls for one cycle more (ADDRESS_STALL).
A single load with base update is not pipelined on the M3."""
ADDRESS_STALL = 1

_BY_NAME = {name: cost for cost in COSTS for name in cost.mnemonics.split()}


@cache
def _table(core: Core) -> dict[str, tuple[int, int]]:
    return {
        name: ((cost.m3 or 1) if core == "cortex-m3" else cost.m4, cost.per_register) for name, cost in _BY_NAME.items()
    }


def block_cycles(block: Sequence[Any], core: Core) -> int:
    """Cycles of a basic block of capstone instructions when its last branch is not taken."""
    table = _table(core)
    total = 0
    loaded: int | None = None  # register that the single load just before this instruction writes
    computed: frozenset[int] = frozenset()  # registers that the data-processing instruction just before writes
    for instruction in block:
        name = instruction.insn_name()
        cycles, per_register = table.get(name, (1, 0))
        operands = instruction.operands
        address = _address_registers(name, operands)
        if not address.isdisjoint(computed):
            cycles += ADDRESS_STALL
        if per_register:
            cycles += per_register * _transferred(name, operands)
        if name in SINGLE_LOADS:
            pipelined = core != "cortex-m3" or not instruction.writeback
            if loaded is not None and loaded not in address and pipelined:
                cycles -= 1
            to_pc = operands[0].reg == ARM_REG_PC
            cycles += to_pc + _is_double(name, operands)
            loaded = operands[0].reg if pipelined and not to_pc else None
        else:
            if name in SINGLE_STORES and loaded is None and _register_offset(operands):
                cycles += 1
            elif name == "vstr":
                cycles += _is_double(name, operands)
            loaded = None
        computed = frozenset() if address else frozenset(instruction.regs_access()[1])
        total += cycles
    return total


def _transferred(name: str, operands: Sequence[Any]) -> int:
    """Registers that a multiple transfer moves, in words."""
    registers = [operand for operand in operands if operand.type == ARM_OP_REG]
    if name in ("pop", "push", "vpop", "vpush", "ldrd", "strd"):
        first = registers
    else:
        first = registers[1:]  # the base register comes first
    return sum(2 if _double_register(operand.reg) else 1 for operand in first)


def _is_double(name: str, operands: Sequence[Any]) -> int:
    return int(name.startswith("v") and _double_register(operands[0].reg))


def _double_register(register: int) -> bool:
    return bool(ARM_REG_D0 <= register <= ARM_REG_D31)


def _address_registers(name: str, operands: Sequence[Any]) -> frozenset[int]:
    """Registers that make the address of a load or store; the pc does not count."""
    registers: set[int] = set()
    for operand in operands:
        if operand.type == ARM_OP_MEM:
            registers |= {operand.mem.base, operand.mem.index}
    if name.startswith(("ldm", "stm", "vldm", "vstm")):
        registers.add(operands[0].reg)
    elif name in ("push", "pop", "vpush", "vpop"):
        registers.add(ARM_REG_SP)
    return frozenset(registers - {0, ARM_REG_PC})


def _register_offset(operands: Sequence[Any]) -> bool:
    return any(operand.type == ARM_OP_MEM and operand.mem.index != 0 for operand in operands)
