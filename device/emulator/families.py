"""Families of parts: each is a package here, or `families/<name>/emulator.py` in a directory of boards.

A family's module has `FAMILY`. Its port is firmware/port/<name>, or `families/<name>/port`.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from tinyloc import paths
from tinyloc.boards.parts import BoardError, PartFacts, only_place
from tinyloc.device.emulator.peripherals import Host, Part, RegisterFile


@dataclass(frozen=True)
class RenodeNotes:
    """What Renode needs beside the registers of the model."""

    uart: str
    """Renode's model of the UART."""
    options: str = ""
    """Its options, one a line; {hz} stands for the clock."""
    ready: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Peripheral -> register -> bits set beside the reset value: what start-up code waits for."""
    sticky: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Peripheral -> register -> value that it always reads, whatever was written: a tag instead of memory."""


@dataclass(frozen=True)
class Family:
    """The emulator's model of a family of parts."""

    part: Callable[[Host], Part]
    renode: RenodeNotes | None = None
    """None: there are no Renode files for boards of this family."""


def package_families() -> list[str]:
    """Names of the families that the package brings, sorted."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/part.py"))


def family_names() -> list[str]:
    """Names of all families, sorted: the package's, and those in directories of boards."""
    places = [place / "families" for place in paths.boards_directories()]
    own = [path.name for place in places for path in place.glob("*") if path.is_dir()]
    return sorted({*package_families(), *own})


def _places(name: str) -> list[Path]:
    ours = [Path(__file__).parent / name] if name in package_families() else []
    return [*paths.family_directories(name), *ours]


def load_family(name: str) -> Family:
    """Find and import the emulator's model of a family.

    Raises:
        BoardError: There is none, there are two of the name, or the module has no FAMILY.
    """
    places = _places(name)
    if not places:
        raise BoardError(
            f"unknown family {name!r}; there are: {', '.join(family_names())}. A family of your own is a directory "
            f"boards/families/{name} with emulator.py and port/"
        )
    place = only_place(name, places, "families")
    if place.parent == Path(__file__).parent:
        module = importlib.import_module(f"tinyloc.device.emulator.{name}.part")
    else:
        module = _own_module(name, place / "emulator.py")
    family = getattr(module, "FAMILY", None)
    if not isinstance(family, Family):
        raise BoardError(f"{module.__file__}: defines no FAMILY = Family(...)")
    return family


def _own_module(name: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise BoardError(f"{path}: missing; it defines FAMILY, the emulator's model of the family")
    spec = importlib.util.spec_from_file_location(f"tinyloc_family_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BoardError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from error
    return module


def port_directory(name: str) -> Path:
    """Return the directory with the C files of a family's port; it may be missing."""
    own = paths.family_directories(name)
    return own[0] / "port" if own else paths.FIRMWARE_DIR / "port" / name


def make_part(host: Host) -> Part:
    """Make the peripherals of a board's part, with the reset values that its facts name.

    Raises:
        BoardError: Facts that name an unknown family, UART or register.
    """
    facts = host.facts
    part = load_family(facts.family).part(host)
    _preset(part, facts)
    return part


def _preset(part: Part, facts: PartFacts) -> None:
    for place, value in facts.registers.items():
        file, offset = _register(part, facts, place)
        file.registers[offset] = replace(file.registers[offset], reset=value)
        file.reset()
    for place in facts.absent:
        file, offset = _register(part, facts, place)
        del file.registers[offset]


def _register(part: Part, facts: PartFacts, place: str) -> tuple[RegisterFile, int]:
    peripheral, _, name = place.rpartition(".")
    for file in part.peripherals:
        if file.name == peripheral and isinstance(file, RegisterFile):
            for offset, register in file.registers.items():
                if register.name == name:
                    return file, offset
    raise BoardError(f"part {facts.name}: {place} is no register that the emulator's {facts.family} has")
