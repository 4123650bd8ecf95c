"""The most stack that an image can take: gcc's frame of each function, added along the deepest chain of calls.

Frames come from -fstack-usage; functions of libraries, which have no such record, are measured in the disassembly.
Calls come from the disassembly of the linked image. A call through a pointer may go to any function whose address
stands among the literals of the code. No interrupt is ever enabled, so nothing comes on top.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capstone.arm import ARM_OP_IMM, ARM_OP_MEM, ARM_OP_REG, ARM_REG_LR, ARM_REG_SP

from tinyloc.device.emulator import disassembly
from tinyloc.device.emulator.image import Function, Image, plain_function_name
from tinyloc.errors import UserError

START = "tl_reset_entry"
"""Where execution begins, with an empty stack."""
_WORD = 4
_ARGUMENTS = frozenset(("r0", "r1", "r2", "r3"))


class StackError(UserError):
    """Recursion, or a frame whose size is not fixed: no bound exists."""


@dataclass(frozen=True)
class StackBound:
    """Bytes of stack at most, and the chain of calls that takes them: (function, bytes of its frame)."""

    bytes: int
    chain: tuple[tuple[str, int], ...]


def frames_of(usage: Iterable[str]) -> dict[str, int]:
    """Read bytes of stack per function from lines `file function bytes`; of equal names the largest."""
    found: dict[str, int] = {}
    for line in usage:
        _, function, size = line.split()
        name = plain_function_name(function)
        found[name] = max(found.get(name, 0), int(size))
    return found


def stack_bound(image: Image, frames: Mapping[str, int], start: str = START) -> StackBound:
    """Find the deepest chain of calls from `start`.

    Args:
        image: code and calls of the linked image.
        frames: bytes of stack of each function as gcc reports them, see frames_of.
        start: function that begins the chain.

    Raises:
        StackError: recursion; the message has its chain.
    """
    listings = dict(_listings(image))
    targets = _address_taken(image)
    calls = {name: _callees(name, listing, image, targets) for name, listing in listings.items()}
    sizes = {
        name: frames[name] + spilled_arguments(listing) if name in frames else frame_size(listing)
        for name, listing in listings.items()
    }
    known: dict[str, StackBound] = {}

    def deepest(name: str, path: tuple[str, ...]) -> StackBound:
        if name in path:
            raise StackError(f"{image.path}: recursion: {' -> '.join((*path, name))}; the stack is unbounded")
        if name not in known:
            below = [deepest(callee, (*path, name)) for callee in sorted(calls.get(name, ()))]
            worst = max(below, key=lambda bound: bound.bytes, default=StackBound(0, ()))
            own = sizes.get(name, 0)
            known[name] = StackBound(own + worst.bytes, ((name, own), *worst.chain))
        return known[name]

    return deepest(start, ())


def spilled_arguments(listing: Sequence[Any]) -> int:
    """Count the bytes that a function takes before it saves its registers, which gcc's record leaves out.

    That is room for the registers that hold the first part of a struct argument, whose rest lies on the stack.
    """
    if len(listing) < 2 or listing[1].insn_name() not in ("push", "stmdb"):
        return 0
    first = listing[0]
    taken = first.insn_name() in ("sub", "subw") and first.operands[0].reg == ARM_REG_SP
    arguments = first.insn_name() == "push" and {first.reg_name(o.reg) for o in first.operands} <= _ARGUMENTS
    return frame_size([first]) if taken or arguments else 0


def frame_size(listing: Iterable[Any]) -> int:
    """Count the bytes that straight code takes from the stack: what it pushes and subtracts from sp."""
    total = 0
    for instruction in listing:
        name, operands = instruction.insn_name(), instruction.operands
        if name in ("push", "vpush"):
            double = name == "vpush" and instruction.reg_name(operands[0].reg).startswith("d")
            total += _WORD * len(operands) * (2 if double else 1)
        elif name in ("stmdb", "vstmdb") and operands[0].reg == ARM_REG_SP:
            double = name == "vstmdb" and instruction.reg_name(operands[1].reg).startswith("d")
            total += _WORD * (len(operands) - 1) * (2 if double else 1)
        elif name in ("sub", "subw") and operands[0].type == ARM_OP_REG and operands[0].reg == ARM_REG_SP:
            total += operands[-1].imm if operands[-1].type == ARM_OP_IMM else 0
        elif name in ("str", "strd") and instruction.writeback:
            memory = next((o for o in operands if o.type == ARM_OP_MEM), None)
            if memory is not None and memory.mem.base == ARM_REG_SP and memory.mem.disp < 0:
                total -= memory.mem.disp
    return total


def _listings(image: Image) -> Iterator[tuple[str, list[Any]]]:
    """Disassembly by function; clones of one name are taken together."""
    merged: dict[str, list[Any]] = {}
    for function in image.functions:
        merged.setdefault(function.name, []).extend(_disassembled(image, function))
    yield from merged.items()


def _disassembled(image: Image, function: Function) -> Iterator[Any]:
    """Instructions of a function, which may be cut into pieces by its literals."""
    for start, code in image.code:
        first, last = max(start, function.start), min(start + len(code), function.end)
        if first < last:
            yield from disassembly.instructions(code[first - start : last - start], first)


def _callees(name: str, listing: Iterable[Any], image: Image, targets: frozenset[str]) -> set[str]:
    found: set[str] = set()
    for instruction in listing:
        kind, operands = instruction.insn_name(), instruction.operands
        target = operands[0] if operands else None
        if kind in ("cbz", "cbnz"):
            target = operands[1]
        if target is not None and kind in ("b", "bl", "blx", "cbz", "cbnz") and target.type == ARM_OP_IMM:
            callee = image.function(target.imm & 0xFFFF_FFFF)
            if callee != name or kind in ("bl", "blx"):
                found.add(callee)
        elif kind == "blx" or (kind == "bx" and operands[0].reg != ARM_REG_LR):
            found |= targets
    return found


def _address_taken(image: Image) -> frozenset[str]:
    """Functions whose address stands among the literals of the code, where gcc puts the pointers that it passes on."""
    starts = {function.start | 1: function.name for function in image.functions}
    code = [range(start, start + len(content)) for start, content in image.code]
    found = set()
    for address, content in image.segments:
        for function in image.functions:
            for at in range(-(-function.start // _WORD) * _WORD, function.end, _WORD):
                if address <= at <= address + len(content) - _WORD and not any(at in piece for piece in code):
                    word = int.from_bytes(content[at - address : at - address + _WORD], "little")
                    if word in starts:
                        found.add(starts[word])
    return frozenset(found)
