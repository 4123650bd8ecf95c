"""An ELF file as the emulator sees it: what is loaded where, and which function an address belongs to."""

import bisect
import re
from dataclasses import dataclass, field
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyloc.errors import UserError

_CLONE = re.compile(r"\.(constprop|isra|part|cold|lto_priv)\.?\d*")


def plain_function_name(name: str) -> str:
    """A function's name without the suffixes of the compiler's clones."""
    return _CLONE.sub("", name)


class ImageError(UserError):
    """An ELF file that cannot run on this board; the message says why."""


@dataclass(frozen=True)
class Function:
    """A function's range of addresses, end excluded."""

    name: str
    start: int
    end: int


@dataclass
class Image:
    """Loadable content, symbols, and the ranges of addresses that hold Thumb code."""

    path: Path
    segments: list[tuple[int, bytes]]  # (load address, content)
    functions: list[Function]  # sorted by start
    symbols: dict[str, int]
    code: list[tuple[int, bytes]]  # (address, content): what the $t mapping symbols call code
    _starts: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._starts = [function.start for function in self.functions]

    def _find(self, address: int) -> Function | None:
        index = bisect.bisect_right(self._starts, address & ~1) - 1
        found = self.functions[index] if index >= 0 else None
        return found if found is not None and address < found.end else None

    def has_function(self, address: int) -> bool:
        """Whether an address lies in a known function."""
        return self._find(address) is not None

    def function(self, address: int) -> str:
        """Name of the function at an address, without the suffixes of the compiler's clones; else the address."""
        found = self._find(address)
        return f"{address:#010x}" if found is None else found.name


def load_image(path: Path) -> Image:
    """Read an ELF file for 32-bit Arm.

    Raises ImageError when it is missing, no ELF, or for another machine.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file; build the firmware first (`tinyloc build`)")
    try:
        return _read_image(path)
    except UserError:
        raise
    except Exception as error:  # a damaged file makes elftools raise almost anything
        raise ImageError(f"{path}: damaged ELF file ({type(error).__name__}); build the firmware again") from error


def _read_image(path: Path) -> Image:
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
        except ELFError as error:
            raise ImageError(f"{path}: not an ELF file ({error}); build the firmware again") from error
        if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32:
            raise ImageError(f"{path}: made for {elf['e_machine']}, not for 32-bit Arm; give firmware.elf")
        segments = [
            (segment["p_paddr"], segment.data())
            for segment in elf.iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        ]
        functions: dict[int, Function] = {}
        symbols: dict[str, int] = {}
        marks: dict[int, list[tuple[int, str]]] = {}  # section -> mapping symbols
        for section in elf.iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                kind, name, value = symbol["st_info"]["type"], symbol.name, symbol["st_value"]
                if kind == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
                    start = value & ~1
                    functions.setdefault(start, Function(plain_function_name(name), start, start + symbol["st_size"]))
                elif name[:2] in ("$t", "$d", "$a") and isinstance(symbol["st_shndx"], int):
                    marks.setdefault(symbol["st_shndx"], []).append((value, name[1]))
                if name and not name.startswith("$"):
                    symbols[name] = value
        code = []
        for index, places in marks.items():
            section = elf.get_section(index)
            if not section["sh_flags"] & 2 or section["sh_type"] == "SHT_NOBITS":  # SHF_ALLOC
                continue
            base, content = section["sh_addr"], section.data()
            places.sort()
            ends = [place for place, _ in places[1:]] + [base + len(content)]
            for (start, kind), end in zip(places, ends, strict=True):
                if kind == "t":
                    code.append((start, content[start - base : end - base]))
    ordered = sorted(functions.values(), key=lambda function: function.start)
    return Image(path, segments, _sized(ordered), symbols, sorted(code))


def _sized(functions: list[Function]) -> list[Function]:
    """Functions of assembly files may have no size: they end where the next one starts."""
    sized = []
    for index, function in enumerate(functions):
        end = function.end
        if end <= function.start:
            end = functions[index + 1].start if index + 1 < len(functions) else function.start + 2
        sized.append(Function(function.name, function.start, end))
    return sized
