"""The memories of a board in a Unicorn engine: exactly those of board.toml, with their access rights and aliases."""

import ctypes
import mmap
from random import Random

from unicorn import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE, Uc

from tinyloc.boards import Board, BoardError, Memory
from tinyloc.device.emulator.image import Image, ImageError

PAGE = 0x1000
"""Memory is mapped in pieces of this."""


class MemoryMap:
    """Maps a board's memories. An alias shows the same bytes; a range can be closed, and its content stays.

    Raises BoardError for a memory that is not made of whole pages, or an alias of nothing.
    """

    def __init__(self, engine: Uc, board: Board) -> None:
        self._engine, self._board = engine, board
        self._memories: list[tuple[Memory, mmap.mmap, int]] = []
        self.closed: dict[tuple[int, int], str] = {}
        """Base and size of memory that is off, and why."""
        for memory in board.memory:
            if memory.base % PAGE or memory.size % PAGE:
                raise BoardError(f"board {board.name}: memory {memory.name} is not made of whole 4 KB pages")
            store = mmap.mmap(-1, memory.size)
            pointer = ctypes.addressof(ctypes.c_char.from_buffer(store))
            self._memories.append((memory, store, pointer))
            engine.mem_map_ptr(memory.base, memory.size, _protection(memory.access), pointer)
        for alias in board.alias:
            for memory, _, pointer in self._memories:
                if memory.base <= alias.of and alias.of + alias.size <= memory.base + memory.size:
                    place = pointer + alias.of - memory.base
                    engine.mem_map_ptr(alias.base, alias.size, _protection(memory.access), place)
                    break
            else:
                raise BoardError(f"board {board.name}: alias {alias.name} refers to no memory")

    @property
    def start(self) -> int:
        """Where the first memory begins: the vectors lie there."""
        return self._memories[0][0].base

    def power_on(self, seed: int) -> None:
        """Fill what can be written with random bytes, as power-on leaves it; the same ones for the same seed."""
        random = Random(seed)
        for memory, store, _ in self._memories:
            if "w" in memory.access:
                store[:] = random.randbytes(memory.size)

    def load(self, image: Image) -> None:
        """Put an image into memory that cannot be written. Raises ImageError for what lies elsewhere."""
        for address, content in image.segments:
            for memory, store, _ in self._memories:
                offset = address - memory.base
                if "w" not in memory.access and offset >= 0 and offset + len(content) <= memory.size:
                    store[offset : offset + len(content)] = content
                    break
            else:
                raise ImageError(
                    f"{image.path}: {len(content)} bytes at {address:#010x} lie outside the flash of "
                    f"{self._board.part}; link it with the board's script"
                )

    def store(self, address: int, content: bytes) -> None:
        """Change bytes of a memory, whatever its access rights."""
        for memory, store, _ in self._memories:
            offset = address - memory.base
            if offset >= 0 and offset + len(content) <= memory.size:
                store[offset : offset + len(content)] = content

    def fetch(self, address: int, size: int) -> bytes:
        """Bytes of a memory."""
        for memory, store, _ in self._memories:
            offset = address - memory.base
            if offset >= 0 and offset + size <= memory.size:
                return store[offset : offset + size]
        return b""

    def gate(self, base: int, size: int, closed: str | None) -> None:
        """Close a range of memory, with the reason, or open it."""
        if closed is not None:
            if (base, size) not in self.closed:
                self._engine.mem_unmap(base, size)
            self.closed[base, size] = closed
        elif self.closed.pop((base, size), None) is not None:
            for memory, _, pointer in self._memories:
                if memory.base <= base < memory.base + memory.size:
                    place = pointer + base - memory.base
                    self._engine.mem_map_ptr(base, size, _protection(memory.access), place)


def _protection(access: str) -> int:
    bits = {"r": UC_PROT_READ, "w": UC_PROT_WRITE, "x": UC_PROT_EXEC}
    return sum(bits[letter] for letter in access)
