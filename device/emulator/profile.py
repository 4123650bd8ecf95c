"""Modelled cycles of an execution, by call chain, from the sequence of basic blocks.

Every block has a fixed cost (`costs.block_cycles`); when the next block is not the one behind it, a branch was taken
and the pipeline refill is added. Calls and returns are recognised by the instruction that ends a block and kept on a
shadow stack, so that a function's cost is known alone and with what it calls.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from capstone.arm import ARM_OP_IMM, ARM_OP_REG, ARM_REG_LR, ARM_REG_PC

from tinyloc.boards import Core
from tinyloc.device.emulator import disassembly
from tinyloc.device.emulator.costs import REFILL, block_cycles
from tinyloc.device.emulator.image import Image

PLAIN, CALL, RETURN, LEAVE = range(4)
"""How a block may end: inside its function, with a call, with a return, with a jump that may leave the function."""


class Block:
    """What the hook needs to know of one translated block."""

    __slots__ = ("cycles", "end", "function", "instructions", "kind", "size")

    def __init__(self, size: int, end: int, cycles: int, instructions: int, kind: int, function: str) -> None:
        self.size, self.end, self.cycles, self.instructions = size, end, cycles, instructions
        self.kind, self.function = kind, function


class Node:
    """A call chain: its innermost function and what was spent there, callees not included."""

    __slots__ = ("calls", "children", "cycles", "instructions", "name", "parent")

    def __init__(self, name: str, parent: "Node | None") -> None:
        self.name, self.parent = name, parent
        self.children: dict[str, Node] = {}
        self.calls = self.cycles = self.instructions = 0

    def child(self, name: str) -> "Node":
        node = self.children.get(name)
        if node is None:
            node = self.children[name] = Node(name, self)
        return node

    def walk(self) -> "Iterator[Node]":
        yield self
        for child in self.children.values():
            yield from child.walk()

    def chain(self) -> tuple[str, ...]:
        """Names from this function outwards."""
        names, node = [], self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return tuple(names)


@dataclass(frozen=True)
class FunctionCost:
    """Cost of one function in one run: alone and with what it calls (recursion counted once)."""

    name: str
    calls: int
    cycles: int
    instructions: int
    inclusive_cycles: int
    inclusive_instructions: int


@dataclass(frozen=True)
class RunCost:
    """One run of an entry function."""

    cycles: int
    instructions: int
    functions: tuple[FunctionCost, ...]
    folded: dict[str, int]
    """Call chain "entry;callee;..." -> cycles spent there, the input of flame graphs."""
    stalls: int | None = None
    """Cycles that reads of the flash waited, not counted in the others; None where they were not modelled."""

    @property
    def waited_cycles(self) -> int:
        """Cycles with the flash's wait states."""
        return self.cycles + (self.stalls or 0)


class Profiler:
    """Consumes blocks. `runs` collects one RunCost for every completed call of one of `entries`."""

    def __init__(self, image: Image, core: Core, code: Callable[[int, int], bytes], entries: frozenset[str]) -> None:
        self.image, self.core, self.entries = image, core, entries
        self._code = code
        self._blocks: dict[int, Block] = {}
        self._last = Block(0, -1, 0, 0, PLAIN, "")
        self.cycles = 0
        self.instructions = 0
        self.stalls = 0
        """Cycles that reads of the flash waited."""
        self.deadline = 0
        """The run is stopped when `cycles` passes this."""
        self._cycles_mark = self._instructions_mark = 0
        self._root = Node("", None)
        self._node = self._root
        self._stack: list[tuple[int, Node]] = []  # return address, node to go back to
        self._entry_depth: int | None = None
        self._entry_node: Node | None = None
        self._entry_stalls = 0
        self.runs: list[RunCost] = []
        self.on_new_block: Callable[[int, list[Any]], None] | None = None
        self.on_call: Callable[[], None] | None = None
        self.fetch: Callable[[int, int], int] | None = None
        """Cycles that the fetch of a block waits, by its address and size."""
        self.stop: Callable[[], None] = lambda: None

    def resume(self) -> None:
        """Forget where execution was: blocks ran that were not seen."""
        self._settle()
        self._last = Block(0, -1, 0, 0, PLAIN, "")
        self._root = Node("", None)
        self._node = self._root
        self._stack.clear()
        self._entry_depth = self._entry_node = None

    @property
    def chain(self) -> tuple[str, ...]:
        """Call chain now, innermost first."""
        return self._node.chain()

    def block(self, address: int, size: int) -> None:
        """A block is about to run."""
        block = self._blocks.get(address)
        if block is None or block.size != size:
            block = self._decode(address, size)
        last = self._last
        if address != last.end:
            self.cycles += REFILL
            if last.kind:
                self._transfer(last, address, block)
            elif last.end < 0:
                self._node = self._root.child(block.function)
        self.cycles += block.cycles
        self.instructions += block.instructions
        if self.fetch is not None:
            self.stalls += self.fetch(address, size)
        self._last = block
        if self.cycles > self.deadline:
            self.stop()

    def _settle(self) -> None:
        """Charge what ran since the last call or return to the function it ran in."""
        node, cycles, instructions = self._node, self.cycles, self.instructions
        node.cycles += cycles - self._cycles_mark
        node.instructions += instructions - self._instructions_mark
        self._cycles_mark, self._instructions_mark = cycles, instructions

    def _transfer(self, last: Block, address: int, block: Block) -> None:
        kind, function = last.kind, block.function
        if kind == LEAVE and function == last.function:
            return
        self._settle()
        if kind == CALL:
            self._stack.append((last.end, self._node))
            self._enter(function)
        elif kind == RETURN:
            self._return_to(address, function)
        else:  # a tail call: the callee returns for its caller, but what is measured keeps its callees
            if self._node is not self._entry_node:
                self._node = self._node.parent or self._root
            self._enter(function)

    def _enter(self, function: str) -> None:
        self._node = self._node.child(function)
        self._node.calls += 1
        if function in self.entries and self._entry_depth is None:
            self._entry_depth = len(self._stack)
            self._entry_node, self._entry_stalls = self._node, self.stalls
            for node in self._node.walk():
                node.cycles = node.instructions = node.calls = 0
            self._node.calls = 1
        if self.on_call is not None:
            self.on_call()

    def _return_to(self, address: int, function: str) -> None:
        for depth in range(len(self._stack) - 1, -1, -1):
            if self._stack[depth][0] == address:
                self._node = self._stack[depth][1]
                del self._stack[depth:]
                if self._entry_depth is not None and depth < self._entry_depth:
                    self._finish()
                return
        self._stack.clear()
        self._node = self._root.child(function)
        self._entry_depth = self._entry_node = None

    def _finish(self) -> None:
        assert self._entry_node is not None
        stalls = self.stalls - self._entry_stalls if self.fetch is not None else None
        self.runs.append(replace(_run_cost(self._entry_node), stalls=stalls))
        self._entry_depth = self._entry_node = None

    def _decode(self, address: int, size: int) -> Block:
        code = self._code(address, size)
        listing = disassembly.instructions(code, address)
        function = self.image.function(address)
        kind = _kind(listing[-1], self.image, function) if listing else PLAIN
        block = Block(size, address + size, block_cycles(listing, self.core), len(listing), kind, function)
        self._blocks[address] = block
        if self.on_new_block is not None:
            self.on_new_block(address, listing)
        return block


def _kind(last: Any, image: Image, function: str) -> int:
    name, operands = last.insn_name(), last.operands
    if name in ("bl", "blx"):
        return CALL
    if name == "bx":
        return RETURN if operands[0].reg == ARM_REG_LR else LEAVE
    if name in ("pop", "ldm", "ldmdb") and any(o.type == ARM_OP_REG and o.reg == ARM_REG_PC for o in operands):
        return RETURN
    if name in ("ldr", "mov") and operands and operands[0].type == ARM_OP_REG and operands[0].reg == ARM_REG_PC:
        return RETURN if name == "ldr" or operands[1].reg == ARM_REG_LR else LEAVE
    if name == "b" and operands[0].type == ARM_OP_IMM:
        inside = image.function(operands[0].imm & 0xFFFF_FFFF) == function
        return PLAIN if inside else LEAVE
    return PLAIN


def _run_cost(entry: Node) -> RunCost:
    own: dict[str, list[int]] = {}
    folded: dict[str, int] = {}

    def visit(node: Node, chain: tuple[str, ...]) -> tuple[int, int]:
        chain = (*chain, node.name)
        cycles, instructions = node.cycles, node.instructions
        for child in node.children.values():
            below = visit(child, chain)
            cycles, instructions = cycles + below[0], instructions + below[1]
        if node.calls or cycles:
            row = own.setdefault(node.name, [0, 0, 0, 0, 0])
            row[0] += node.calls
            row[1] += node.cycles
            row[2] += node.instructions
            if node.name not in chain[:-1]:
                row[3] += cycles
                row[4] += instructions
            if node.cycles:
                folded[";".join(chain)] = node.cycles
        return cycles, instructions

    cycles, instructions = visit(entry, ())
    functions = tuple(FunctionCost(name, *row) for name, row in own.items())
    return RunCost(cycles, instructions, functions, folded)
