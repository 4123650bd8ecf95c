"""What takes the flash and the RAM of an image: the ELF says how much, the linker's map says whose it is.

Every byte is counted once. The linker lists each piece that it placed with its address, size and object file; what
the pieces leave of a section (alignment) counts as `other`, so the parts add up to the load size exactly. Strings and
constants that the linker merged are listed with sizes that overlap what follows; they end where the next piece begins.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyloc.device.image.footprint_record import Flash, Ram
from tinyloc.errors import UserError

ARENA_SYMBOL = "tl_arena"
LOCALISER_SYMBOL = "tl_localiser"
STATE_TYPE = "tl_model_state_t"
NO_STATE_MEMBER = "unused"
"""The one member of STATE_TYPE when the model carries no state: C has no empty struct."""
STACK_SECTION = ".stack"

_T = TypeVar("_T")
_WRITE, _ALLOC = 0x1, 0x2  # sh_flags
_OUTPUT = re.compile(r"^(\.[\w.]+)(?:\s+0x([0-9a-f]+)\s+0x([0-9a-f]+).*)?$")
_NAME = re.compile(r"^ (\.[\w.$-]+|COMMON|\*fill\*)\s*(.*)$")
_MERGEABLE = re.compile(r"^\.rodata(?:\..+)?\.(?:str\d+\.\d+|cst\d+)$")
"""Strings and constants that GNU ld merges with equal ones of other files (SHF_MERGE), as gcc names them."""
_PLACE = re.compile(r"^\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+(\S.*))?$")


class FootprintError(UserError):
    """An ELF or a map that is missing or does not belong to the other."""


@dataclass(frozen=True)
class Piece:
    """A stretch of an output section that came from one object file."""

    output: str  # .text
    section: str  # .text.tl_crc16
    address: int
    size: int  # bytes
    source: str  # firmware/link/crc16.o, or .../libgcc.a(_udivmoddi4.o); empty for alignment


@dataclass(frozen=True)
class Section:
    """An output section that takes memory."""

    name: str
    address: int
    size: int  # bytes
    writable: bool
    loaded: bool  # has content in flash


@dataclass(frozen=True)
class Symbol:
    """A function or an object and what it takes."""

    name: str
    size: int  # bytes
    memory: Literal["flash", "ram"]
    source: str  # object file, as in Piece


def read_pieces(map_file: Path) -> list[Piece]:
    """Read the placed pieces of an image, in order of address; without those that were merged into others.

    Args:
        map_file: of GNU ld.

    Raises:
        FootprintError: no such file, or not a map file.
    """
    if not map_file.is_file():
        raise FootprintError(f"{map_file}: no map file here; build the firmware again")
    _, found, placed = map_file.read_text(encoding="utf-8").partition("\nLinker script and memory map\n")
    if not found:
        raise FootprintError(f"{map_file}: not a map file of GNU ld; build the firmware again")
    pieces: list[Piece] = []
    ends: dict[str, int] = {}
    output = section = ""
    for line in placed.splitlines():
        head = _OUTPUT.match(line)
        if head:
            output, section = head[1], ""
            if head[2]:
                ends[output] = int(head[2], 16) + int(head[3], 16)
            continue
        name = _NAME.match(line)
        if name:
            section, line = name[1], name[2]
        place = _PLACE.match(line)
        if not section or not place or not output:
            continue  # a symbol, an assignment, or a name whose numbers stand on the next line
        size = int(place[2], 16)
        if size:
            source = "" if section == "*fill*" else place[3] or ""
            pieces.append(Piece(output, section, int(place[1], 16), size, source))
        section = ""
    return _unmerged(pieces, ends)


def _unmerged(pieces: list[Piece], ends: dict[str, int]) -> list[Piece]:
    """Pieces of mergeable sections end where the next piece begins, the last one where its output section ends.

    Of a merged piece the map tells the size before, or that of all it was merged with; only the address is right.
    All other pieces stay as they are.
    """
    following: dict[str, int] = dict(ends)
    kept: list[Piece] = []
    for piece in reversed(pieces):
        end = following.get(piece.output, piece.address + piece.size)
        following[piece.output] = piece.address
        if _MERGEABLE.match(piece.section):
            piece = dataclasses.replace(piece, size=min(piece.size, max(0, end - piece.address)))
        if piece.size:
            kept.append(piece)
    return kept[::-1]


def read_sections(elf: Path) -> list[Section]:
    """Read the sections of an image that take flash or RAM."""
    return _with_elf(
        elf,
        lambda file: [
            Section(
                name=str(section.name),
                address=int(section["sh_addr"]),
                size=int(section["sh_size"]),
                writable=bool(section["sh_flags"] & _WRITE),
                loaded=section["sh_type"] != "SHT_NOBITS",
            )
            for section in file.iter_sections()
            if section["sh_flags"] & _ALLOC and section["sh_size"]
        ],
    )


def flash_bytes(elf: Path) -> int:
    """Count the bytes of flash: vectors, code, constants and the initial values of .data."""
    return sum(section.size for section in read_sections(elf) if section.loaded)


def flash_content(elf: Path) -> list[tuple[int, bytes]]:
    """Return what an image puts into flash, as (address, content)."""
    return _with_elf(
        elf,
        lambda file: [
            (int(segment["p_paddr"]), bytes(segment.data()))
            for segment in file.iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        ],
    )


def static_ram_bytes(elf: Path) -> int:
    """Count the bytes of .data and .bss: with arena and state, without the stack."""
    return sum(s.size for s in read_sections(elf) if s.writable and s.name != STACK_SECTION)


def measure_flash(elf: Path, map_file: Path) -> Flash:
    """Divide the flash of an image by part. The parts add up to `flash_bytes(elf)`.

    Raises:
        FootprintError: the map is not that of this ELF.
    """
    parts = dict.fromkeys(("weights", "kernels", "localise", "link", "app", "library", "other"), 0)
    pieces = read_pieces(map_file)
    for section in read_sections(elf):
        if not section.loaded:
            continue
        own = [piece for piece in pieces if piece.output == section.name]
        placed = sum(piece.size for piece in own)
        inside = all(section.address <= p.address <= section.address + section.size - p.size for p in own)
        if placed > section.size or not inside:
            raise FootprintError(f"{map_file} is not the map of {elf} ({section.name} differs); build again")
        for piece in own:
            parts[_category(piece)] += piece.size
        parts["other"] += section.size - placed
    return Flash(**parts, total=sum(parts.values()))


def measure_ram(elf: Path, stack_bytes: int, stack_reserved: int | None = None) -> Ram:
    """Divide the RAM of an image by part, in bytes.

    Args:
        elf: the image.
        stack_bytes: measured high-water mark of the stack, which counts.
        stack_reserved: bytes that the linker script keeps for the stack; reported, not counted.

    Raises:
        FootprintError: an image without the symbols of tinyloc.
    """
    symbols = {symbol.name: symbol.size for symbol in read_symbols(elf)}
    arena, whole = symbols.get(ARENA_SYMBOL, 0), symbols.get(LOCALISER_SYMBOL, 0)
    state = 0 if type_members(elf, STATE_TYPE) == [NO_STATE_MEMBER] else type_size(elf, STATE_TYPE)
    localiser = whole - state
    static = static_ram_bytes(elf) - arena - whole
    if static < 0 or localiser < 0:
        raise FootprintError(f"{elf}: arena and state are larger than .data and .bss; this is not an image of tinyloc")
    return Ram(
        arena=arena,
        state=state,
        localiser=localiser,
        stack=stack_bytes,
        static=static,
        total=arena + whole + stack_bytes + static,
        stack_reserved=stack_reserved,
    )


def read_symbols(elf: Path, map_file: Path | None = None) -> list[Symbol]:
    """Read functions and objects of an ELF or an object file, largest first; `source` is empty without a map."""
    pieces = read_pieces(map_file) if map_file else []

    def source(address: int) -> str:
        return next((p.source for p in pieces if p.address <= address < p.address + p.size), "")

    def collect(file: Any) -> list[Symbol]:
        symbols = []
        for table in file.iter_sections():
            if not isinstance(table, SymbolTableSection):
                continue
            for symbol in table.iter_symbols():
                index = symbol["st_shndx"]
                if not symbol["st_size"] or not isinstance(index, int):
                    continue
                flags = file.get_section(index)["sh_flags"]
                if flags & _ALLOC:
                    memory: Literal["flash", "ram"] = "ram" if flags & _WRITE else "flash"
                    thumb = symbol["st_info"]["type"] == "STT_FUNC"  # then bit 0 is no part of the address
                    address = int(symbol["st_value"]) & (~1 if thumb else ~0)
                    symbols.append(Symbol(str(symbol.name), int(symbol["st_size"]), memory, source(address)))
        return sorted(symbols, key=lambda s: (-s.size, s.name))

    return _with_elf(elf, collect)


def largest_symbols_table(symbols: Iterable[Symbol], memory: Literal["flash", "ram"], count: int = 12) -> str:
    """List the largest symbols of flash or RAM, one per line, for messages about an exceeded limit."""
    largest = sorted((s for s in symbols if s.memory == memory), key=lambda s: (-s.size, s.name))[:count]
    return "\n".join(f"  {s.size:7d}  {s.name}{f'  ({s.source})' if s.source else ''}" for s in largest)


def type_size(elf: Path, name: str) -> int:
    """Return the bytes of a C type (typedef) from the debug information; 0 when there is none."""
    return _with_type(elf, name, lambda entry: int(entry.attributes["DW_AT_byte_size"].value)) or 0


def type_members(elf: Path, name: str) -> list[str]:
    """Return the names of the members of a struct type (typedef); none when there is no such type."""
    return _with_type(elf, name, lambda entry: [_die_name(child) for child in entry.iter_children()]) or []


def _with_type(elf: Path, name: str, read: Callable[[Any], _T]) -> _T | None:
    """What `read` makes of the debug entry behind a typedef, None when there is none of that name."""

    def find(file: Any) -> _T | None:
        if not file.has_dwarf_info():
            raise FootprintError(f"{elf}: no debug information; build the firmware again with tinyloc")
        for unit in file.get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                if entry.tag != "DW_TAG_typedef" or _die_name(entry) != name:
                    continue
                while "DW_AT_byte_size" not in entry.attributes:
                    entry = entry.get_DIE_from_attribute("DW_AT_type")
                return read(entry)
        return None

    return _with_elf(elf, find)


def _die_name(entry: Any) -> str:
    attribute = entry.attributes.get("DW_AT_name")
    return attribute.value.decode() if attribute else ""


def _category(piece: Piece) -> str:
    if piece.output in (".vectors", ".data") or not piece.source:
        return "other"
    if ".a(" in piece.source or piece.source.endswith("port/cortex_m/memory.o"):
        return "library"  # libgcc, and our memcpy, memmove and memset in place of libc's
    if piece.source.startswith("generated/"):
        return "kernels" if piece.section.startswith(".text") else "weights"
    for area in ("localise", "link"):
        if piece.source.startswith(f"firmware/{area}/"):
            return area
    return "app" if piece.source.startswith("firmware/") else "other"


def _with_elf(path: Path, read: Callable[[Any], _T]) -> _T:
    if not path.is_file():
        raise FootprintError(f"{path}: no such file; build the firmware with `tinyloc build`")
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            raise FootprintError(f"{path}: not an ELF file; build the firmware with `tinyloc build`")
        stream.seek(0)
        try:
            return read(ELFFile(stream))
        except UserError:
            raise
        except Exception as error:  # a damaged file makes elftools raise almost anything
            raise FootprintError(
                f"{path}: damaged ELF file ({type(error).__name__}); make it again with `tinyloc build`"
            ) from error
