"""A user's build of a library: where it is, and what processor its archive was made for."""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from elftools.elf.elffile import ELFFile

from tinyloc.codegen.backend_names import BackendError

PLACES = (".", "lib", "build", "build/Source", "Source")
"""Directories below the user's that are searched for the archive."""
_ARMV7M, _ARMV7EM = 10, 13  # Tag_CPU_arch, Arm's build attributes

Core = Literal["cortex-m3", "cortex-m4", "cortex-m4f", "host"]


@dataclass(frozen=True)
class Archive:
    """A static library. `core` is the one that its first object was compiled for, "host" for this machine."""

    path: Path
    core: Core
    sha256: str

    @property
    def flags(self) -> tuple[str, ...]:
        """Options of the cross compiler that fit the archive; none for this machine's."""
        if self.core == "host":
            return ()
        if self.core == "cortex-m3":
            return ("-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft")
        hard = ("-mfpu=fpv4-sp-d16", "-mfloat-abi=hard") if self.core == "cortex-m4f" else ("-mfloat-abi=soft",)
        return ("-mcpu=cortex-m4", "-mthumb", *hard)

    def runs_on(self, core: str) -> bool:
        """Whether a board of this core can be linked with it: same architecture, same passing of floats."""
        return self.core == core


def library_directory(variable: str, explanation: str) -> Path:
    """The directory that an environment variable names. Raises BackendError with the explanation."""
    named = os.environ.get(variable, "")
    if not named:
        raise BackendError(f"{variable} is not set. {explanation}")
    directory = Path(named).expanduser()
    if not directory.is_dir():
        raise BackendError(f"{variable}={named} is not a directory. {explanation}")
    return directory.resolve()


def find_archive(directory: Path, name: str, variable: str, explanation: str) -> Archive:
    """The archive of that name in the directory or one of PLACES below. Raises BackendError."""
    for place in PLACES:
        path = (directory / place / name).resolve()
        if path.is_file():
            return read_archive(path)
    raise BackendError(f"{variable}={directory} has no {name}, nor has {', '.join(PLACES[1:])} below. {explanation}")


def read_archive(path: Path) -> Archive:
    """What the archive is of. Raises BackendError for what is none, or is for a processor that we do not know."""
    content = path.read_bytes()
    core = next((core for member in _members(content) if (core := _core_of(member)) is not None), None)
    if core is None:
        raise BackendError(
            f"{path}: not an archive of objects for Cortex-M3 or Cortex-M4; build the library for the board's core"
        )
    return Archive(path, core, hashlib.sha256(content).hexdigest())


def _members(content: bytes) -> Iterator[bytes]:
    """Contents of the members of an `ar` archive."""
    if not content.startswith(b"!<arch>\n"):
        return
    at = 8
    while at + 60 <= len(content):
        size_text = content[at + 48 : at + 58].decode("ascii", "replace").strip()
        if not size_text.isdigit():
            return
        size = int(size_text)
        yield content[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _core_of(member: bytes) -> Core | None:
    if not member.startswith(b"\x7fELF"):
        return None
    file = ELFFile(io.BytesIO(member))
    if file["e_machine"] != "EM_ARM":
        return "host" if file["e_machine"] in ("EM_X86_64", "EM_AARCH64") else None
    section = file.get_section_by_name(".ARM.attributes")
    if section is None:
        return None
    tags = {
        str(attribute.tag): attribute.value
        for subsection in section.iter_subsections()
        for part in subsection.iter_subsubsections()
        for attribute in part.iter_attributes()
    }
    if tags.get("TAG_CPU_ARCH") == _ARMV7M:
        return "cortex-m3"
    if tags.get("TAG_CPU_ARCH") == _ARMV7EM:
        return "cortex-m4f" if tags.get("TAG_ABI_VFP_ARGS") == 1 else "cortex-m4"
    return None
