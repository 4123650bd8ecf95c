"""What devices say of themselves."""

import struct

from tinyloc.device.link.frames import Hello, parse_hello

FIELDS = {
    "model_id": 0x0123456789ABCDEF, "clock_hz": 80_000_000, "inputs": 40, "classes": 6, "window": 1, "hop": 1,
    "score_bytes": 1, "flags": 6, "reset_cause": 1, "arena_bytes": 24, "state_bytes": 166, "stack_bytes": 2048,
    "max_payload": 128, "board": b"stm32l4",
}  # fmt: skip


def hello_body(**changes: int | bytes) -> bytes:
    """Body of a HELLO reply."""
    return struct.pack("<QIHHHHBHBIIIH16s", *{**FIELDS, **changes}.values())


def hello(**changes: int | bytes) -> Hello:
    return parse_hello(hello_body(**changes))
