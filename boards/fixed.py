"""What an image must hold for a part to start it and to stay unlocked, checked before it runs or is written."""

from collections.abc import Iterable

from tinyloc.boards import Board, FixedWords

ERASED = 0xFF
"""A byte of flash that nothing was written to."""


def fixed_problems(board: Board, segments: Iterable[tuple[int, bytes]]) -> list[str]:
    """One sentence for each fixed block of the board that the image leaves out or overwrites; empty when all is well.

    Args:
        segments: (address, content) of all that the image puts into flash.
    """
    pieces = list(segments)
    problems = []
    for block in board.fixed:
        found = _flash_at(pieces, block)
        if found == block.content:
            continue
        if found == bytes([ERASED]) * block.size:
            what = "is missing"
        else:
            index = next(i for i in range(block.size) if found[i] != block.content[i]) // 4
            word = int.from_bytes(found[4 * index : 4 * index + 4], "little")
            what = f"holds {word:#010x} at {block.base + 4 * index:#x}, must be {block.words[index]:#010x}"
        problems.append(f"{block.name} ({block.base:#x}, {block.size} bytes) {what}: {block.why}")
    return problems


def _flash_at(pieces: list[tuple[int, bytes]], block: FixedWords) -> bytes:
    """What the erased flash holds in the place of a block after the image was written."""
    flash = bytearray([ERASED]) * block.size
    for address, content in pieces:
        first = max(address, block.base)
        last = min(address + len(content), block.base + block.size)
        if first < last:
            flash[first - block.base : last - block.base] = content[first - address : last - address]
    return bytes(flash)
