"""Software bill of materials of a firmware image, in the CycloneDX format.

It lists what is in the image: tinyloc's C, the model with the licence of its data, each archive from which the linker
took a member, such as libgcc, newlib or a back end's library. What the linker took is read from the map of the image.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6

from tinyloc.bundle.schema import Bundle
from tinyloc.codegen.manifest import ModelManifest
from tinyloc.device.image.build import BuildRecord
from tinyloc.environment import version

OURS = "Apache-2.0"
GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"
NEWLIB = "LicenseRef-newlib"
ARCHIVES: Mapping[str, tuple[str, str]] = {
    "libgcc.a": ("libgcc", GCC),
    "libstdc++.a": ("libstdc++", GCC),
    "libstdc++_nano.a": ("libstdc++", GCC),
    "libsupc++.a": ("libstdc++", GCC),
    "libsupc++_nano.a": ("libstdc++", GCC),
    "libc.a": ("newlib", NEWLIB),
    "libc_nano.a": ("newlib", NEWLIB),
    "libm.a": ("newlib", NEWLIB),
    "libm_nano.a": ("newlib", NEWLIB),
    "libcmsis-nn.a": ("CMSIS-NN", OURS),
    "libtensorflow-microlite.a": ("TensorFlow Lite for Microcontrollers", OURS),
}
"""Archive -> component and SPDX licence. Source: COPYING.RUNTIME of GCC, COPYING.NEWLIB, LICENSE of each library."""

_MEMBER = re.compile(r"^(\S+\.a)\((\S+)\)$")
_NUMBER = re.compile(r"\d+\.\d+\.\d+")


def linked_members(map_text: str) -> dict[str, list[str]]:
    """List what the linker took from archives.

    Args:
        map_text: content of firmware.map, as GNU ld writes it.

    Returns:
        Name of the archive -> members, both sorted; empty for an image without archives.
    """
    head, found, rest = map_text.partition("Archive member included")
    if not found or head.strip():  # ld writes this part first
        return {}
    taken: dict[str, set[str]] = {}
    for line in rest.splitlines()[1:]:
        if line and not line[0].isspace():
            match = _MEMBER.match(line.split()[0])
            if match is None:
                break
            taken.setdefault(Path(match[1]).name, set()).add(match[2])
    return {archive: sorted(taken[archive]) for archive in sorted(taken)}


def firmware_sbom(bundle: Bundle, generated: ModelManifest, image: BuildRecord, map_text: str) -> dict[str, Any]:
    """Describe an image as a CycloneDX 1.6 document.

    The document has no date and its serial number follows from the ELF: the same image gives the same document.

    Args:
        bundle: origin of the model: architecture, data and their licence.
        generated: manifest of the generated code.
        image: record of the build.
        map_text: content of the image's firmware.map.

    Returns:
        The document as JSON values.
    """
    firmware = Component(
        name=f"{generated.name}-{image.board}",
        type=ComponentType.FIRMWARE,
        version=image.model_id or generated.model_id,
        bom_ref="firmware",
        description=f"tinyloc firmware for {image.board} ({image.part}), optimised with -{image.optimise}",
        hashes=[HashType.from_composite_str(f"sha256:{image.elf_sha256}")],
    )
    parts = [_tinyloc(), _model(bundle, generated), *_archives(map_text, image.compiler)]
    bom = Bom(components=parts, serial_number=_serial(image.elf_sha256))
    bom.metadata.timestamp = None  # type: ignore[assignment]  # no date: same image, same document
    bom.metadata.component = firmware
    bom.metadata.tools = ToolRepository(components=[_compiler(image.compiler)])
    bom.register_dependency(firmware, parts)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def _tinyloc() -> Component:
    return Component(
        name="tinyloc",
        type=ComponentType.LIBRARY,
        version=version(),
        bom_ref="tinyloc",
        description="kernels, localisation, link, port and application in C",
        licenses=[DisjunctiveLicense(id=OURS)],
    )


def _model(bundle: Bundle, generated: ModelManifest) -> Component:
    about = {
        "architecture": bundle.architecture,
        "arithmetic": generated.arithmetic,
        "data": bundle.data.title,
        "data-licence": bundle.data.licence,
        "data-citation": bundle.data.citation,
        "data-sha256": bundle.data.sha256 or "",
    }
    return Component(
        name=generated.name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=generated.model_id,
        bom_ref="model",
        properties=[Property(name=f"tinyloc:{name}", value=value) for name, value in about.items() if value],
    )


def _archives(map_text: str, compiler: str) -> Iterable[Component]:
    """Give one component per library that the linker took a member from."""
    members: dict[str, list[str]] = {}
    licences: dict[str, str] = {}
    for archive, taken in linked_members(map_text).items():
        name, licence = ARCHIVES.get(archive, (archive, ""))
        members.setdefault(name, []).extend(f"{archive}({member})" for member in taken)
        licences[name] = licence
    for name in sorted(members):
        licence = licences[name]
        yield Component(
            name=name,
            type=ComponentType.LIBRARY,
            version=_compiler_version(compiler) if licence == GCC else None,
            bom_ref=f"archive:{name}",
            licenses=[_licence(licence)] if licence else [],
            properties=[Property(name="tinyloc:members", value=" ".join(members[name]))],
        )


def _licence(identifier: str) -> License:
    if " WITH " in identifier or identifier.startswith("LicenseRef-"):
        return LicenseExpression(identifier)
    return DisjunctiveLicense(id=identifier)


def _compiler(told: str) -> Component:
    return Component(
        name="arm-none-eabi-gcc", type=ComponentType.APPLICATION, version=_compiler_version(told), description=told
    )


def _compiler_version(told: str) -> str | None:
    found = _NUMBER.findall(told)
    return found[-1] if found else None


def _serial(digest: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"sha256:{digest}")
