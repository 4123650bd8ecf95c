"""JSON of a file that may hold anything: every way to be wrong is a ValueError that says so."""

import json
from typing import Any

from tinyloc.names import printable


def parse_json(data: bytes) -> Any:
    """The content. Raises ValueError: not UTF-8, not JSON, a key that stands twice, nesting or numbers without end.

    NaN and infinities are read; a schema names the field that holds one.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_each_key_once)
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {printable(key)!r} stands twice")
        found[key] = value
    return found
