"""Thumb disassembly, and the check that code holds no instruction that its core lacks."""

from functools import cache
from typing import Any

from capstone import CS_ARCH_ARM, CS_GRP_CALL, CS_GRP_JUMP, CS_MODE_MCLASS, CS_MODE_THUMB, Cs
from capstone.arm import ARM_GRP_THUMB2DSP, ARM_GRP_VFP2, ARM_GRP_VFP3, ARM_GRP_VFP4, ARM_OP_MEM

from tinyloc.boards import Core
from tinyloc.device.emulator.image import Image, ImageError

# what ARMv7E-M adds to ARMv7-M, as far as capstone's group does not say so itself
_DSP_PREFIXES = (
    "smla", "smlsd", "smlsld", "smmla", "smmls", "smmul", "smuad", "smulb", "smult", "smulw", "smusd", "sxtab",
    "sxtb16", "uxtab", "uxtb16", "sxtah", "uxtah", "pkh", "qadd", "qsub", "qdadd", "qdsub", "qasx", "qsax", "uqadd",
    "uqsub", "uhadd", "uhsub", "shadd", "shsub", "sadd8", "sadd16", "ssub8", "ssub16", "uadd8", "uadd16", "usub8",
    "usub16", "sasx", "ssax", "uasx", "usax", "shasx", "shsax", "uhasx", "uhsax", "uqasx", "uqsax", "sel", "usad8",
    "usada8", "ssat16", "usat16", "umaal",
)  # fmt: skip

_WORD_ALIGNED = ("ldrd", "strd", "ldm", "stm", "vldr", "vstr", "vldm", "vstm")
_EXCLUSIVE = ("ldrex", "strex")


@cache
def disassembler() -> Any:
    """Capstone for Thumb on an M-class core, with operands."""
    engine = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
    engine.detail = True
    return engine


def instructions(code: bytes, address: int) -> list[Any]:
    """All instructions of a run of Thumb code."""
    return list(disassembler().disasm(code, address))


def text(code: bytes, address: int) -> str:
    """The first instruction as text."""
    for instruction in disassembler().disasm(code, address, 1):
        return f"{instruction.mnemonic} {instruction.op_str}".strip()
    return f".byte {code[:4].hex(' ')}" if code else "(no code here)"


def aligned_base(instruction: Any) -> str | None:
    """Base register of a double, multiple, exclusive or FPU transfer, which must be word-aligned; None for others.

    Transfers by way of sp or pc do not count: these are always aligned.
    """
    name = instruction.insn_name()
    if not name.startswith(_WORD_ALIGNED) and name not in _EXCLUSIVE:
        return None
    for operand in instruction.operands:
        if operand.type == ARM_OP_MEM:
            base = instruction.reg_name(operand.mem.base)
            break
    else:
        base = instruction.reg_name(instruction.operands[0].reg)  # ldm r0!, {...}
    return None if base in ("sp", "pc") else str(base)


def ends_block(instruction: Any) -> bool:
    """Whether control may leave the straight line here: a branch, or a write to the pc."""
    return bool(instruction.group(CS_GRP_JUMP) or instruction.group(CS_GRP_CALL))


def is_fpu(instruction: Any) -> bool:
    """Whether the instruction needs the floating-point unit."""
    return any(instruction.group(group) for group in (ARM_GRP_VFP2, ARM_GRP_VFP3, ARM_GRP_VFP4))


def is_dsp(instruction: Any) -> bool:
    """Whether the instruction belongs to the DSP extension of ARMv7E-M."""
    name = instruction.insn_name()
    if name == "smlal":  # the plain 64-bit one is in ARMv7-M; smlalbb, smlald are not
        return False
    return bool(instruction.group(ARM_GRP_THUMB2DSP)) or name.startswith(_DSP_PREFIXES)


def reject_foreign(image: Image, core: Core) -> None:
    """Unicorn's Cortex-M3 executes DSP instructions without complaint: find them before the run.

    Raises ImageError naming the first few of them with their functions.
    """
    if core != "cortex-m3":
        return
    found = []
    for address, content in image.code:
        for instruction in instructions(content, address):
            if is_fpu(instruction) or is_dsp(instruction):
                where = image.function(instruction.address)
                found.append(f"{instruction.mnemonic} in {where} at {instruction.address:#010x}")
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise ImageError(
            f"{image.path}: the image holds instructions that a Cortex-M3 lacks (DSP, FPU): "
            f"{', '.join(found[:5])}{more}; build it with the flags of this board"
        )
