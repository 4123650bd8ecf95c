"""Files with several signatures: each is a subgraph with inputs and outputs of its own, and a name."""

import struct
from collections.abc import Sequence
from typing import Any

from tinyloc.codegen.frontend import schema

_SUBGRAPHS, _SIGNATURES = 8, 18
"""Places of fields in the vtable of the schema's table Model."""


class UnknownSignature(LookupError):
    """A signature that the file does not have."""


def signature_subgraphs(model: Any) -> dict[str, int]:
    """Name of each signature -> the number of its subgraph."""
    signatures = (model.SignatureDefs(i) for i in range(model.SignatureDefsLength()))
    return {
        (s.SignatureKey() or b"").decode(errors="replace"): int(s.SubgraphIndex()) for s in signatures if s is not None
    }


def several(model: Any) -> Sequence[str]:
    """The names of a file's signatures when they lead to different subgraphs; empty when there is no choice."""
    found = signature_subgraphs(model)
    return sorted(found) if len(set(found.values())) > 1 else ()


def with_signature(content: bytes, name: str) -> bytes:
    """Move the subgraph of a signature to the first place, and leave the signatures out.

    CALL_ONCE names a subgraph by its place, so that one must not move; it is never the first, nor that of a signature.
    Raises UnknownSignature.
    """
    model = schema.Model.GetRootAs(content, 0)
    found = signature_subgraphs(model)
    if name not in found:
        raise UnknownSignature(f"no signature {name!r}; the file has {', '.join(sorted(found)) or 'none'}")
    number = found[name]
    if not 0 <= number < model.SubgraphsLength():
        raise UnknownSignature(f"signature {name!r} leads to subgraph {number} of {model.SubgraphsLength()}")
    table, patched = model._tab, bytearray(content)
    first = table.Vector(table.Offset(_SUBGRAPHS))
    other = first + 4 * number
    # an entry is the distance from its own place to the subgraph
    here, there = (struct.unpack_from("<I", content, place)[0] + place for place in (first, other))
    struct.pack_into("<I", patched, first, there - first)
    struct.pack_into("<I", patched, other, (here - other) & 0xFFFFFFFF)
    struct.pack_into("<I", patched, table.Vector(table.Offset(_SIGNATURES)) - 4, 0)  # their number
    return bytes(patched)
