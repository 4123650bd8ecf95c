"""Keywords of the robot tests: golden requests, and whether a captured reply is the right one.

Runs in Robot Framework's Python, beside Renode: standard library only.
device/renode/files.py writes the golden file.
"""

import binascii
import csv
import json
import struct
import tempfile
from pathlib import Path
from typing import Any

LINK = 2
"""Version of the link, docs/reference/link.md."""
LEAST_INSTRUCTIONS = 4000
"""The bound is a share of at least so many: a few instructions beside the measured function are counted too."""

COUNTS = "counts.csv"
"""Beside golden.json: sample, instructions in the emulator, instructions in Renode. compare_counts.py reads it."""


def cobs_decode(encoded: bytes) -> bytes:
    """The payload of one COBS frame without its delimiter."""
    out = bytearray()
    place = 0
    while place < len(encoded):
        code = encoded[place]
        if code == 0 or place + code > len(encoded):
            raise AssertionError(f"no COBS frame: {encoded.hex(' ')}")
        out += encoded[place + 1 : place + code]
        place += code
        if code < 0xFF and place < len(encoded):
            out.append(0)
    return bytes(out)


def frames(captured: bytes) -> list[tuple[int, int, bytes]]:
    """(type, seq, body) of each frame; raises AssertionError for a wrong checksum or version."""
    found = []
    for encoded in captured.split(b"\0"):
        if not encoded:
            continue
        payload = cobs_decode(encoded)
        (checksum,) = struct.unpack("<H", payload[-2:])
        if checksum != binascii.crc_hqx(payload[:-2], 0xFFFF) or payload[0] != LINK:
            raise AssertionError(f"a frame with a wrong checksum or version: {payload.hex(' ')}")
        found.append((payload[1], struct.unpack("<H", payload[2:4])[0], payload[4:-2]))
    return found


class golden:  # Robot Framework looks for a class named as the file
    ROBOT_LIBRARY_SCOPE = "TEST"

    def __init__(self) -> None:
        self._exchanges: dict[str, Any] = {}
        self._counts: Path | None = None
        self._tolerance = 0.0
        self._read = 0

    def load_golden(self, path: str) -> None:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        self._exchanges = {exchange["name"]: exchange for exchange in content["exchanges"]}
        self._tolerance = content["tolerance"]
        self._counts = Path(path).with_name(COUNTS)
        self._read = 0

    def new_capture_file(self) -> str:
        """A path that does not exist yet: Renode makes the file."""
        self._folder = tempfile.TemporaryDirectory(prefix="tinyloc-renode-")  # goes with this object
        return str(Path(self._folder.name) / "uart.bin")

    def monitor_path(self, path: str) -> str:
        """A path as Renode's monitor reads it: spaces escaped."""
        return path.replace(" ", "\\ ")

    def sample_names(self) -> list[str]:
        return [name for name in self._exchanges if name.startswith("sample ")]

    def request_bytes(self, name: str) -> list[str]:
        return [f"0x{byte:02X}" for byte in self._exchanges[name]["request"]]

    def reply_should_match(self, name: str, path: str) -> None:
        """Exactly one frame came since the last call, and it is the golden one."""
        captured = Path(path).read_bytes()
        new, self._read = captured[self._read :], len(captured)
        found = frames(new)
        if len(found) != 1:
            raise AssertionError(f"{name}: expected one frame, got {len(found)}: {new.hex(' ')}")
        self.check(self._exchanges[name], *found[0])

    def check(self, expected: dict[str, Any], kind: int, seq: int, body: bytes) -> None:
        """Raise AssertionError with what differs from the golden exchange."""
        name = expected["name"]
        if (kind, seq) != (expected["type"], expected["seq"]):
            raise AssertionError(
                f"{name}: type {kind:#x} seq {seq}, expected type {expected['type']:#x} seq {expected['seq']}"
            )
        if "scores" not in expected:
            if list(body) != expected["body"]:
                raise AssertionError(f"{name}: body {body.hex(' ')}, expected {bytes(expected['body']).hex(' ')}")
            return
        class_index, _flags, _heard, _margin, cycles, _stack, count = struct.unpack_from("<hBHiIHH", body)
        scores = list(struct.unpack_from(f"<{count}{'b' if expected['score_bytes'] == 1 else 'h'}", body, 17))
        if (class_index, scores) != (expected["class"], expected["scores"]):
            raise AssertionError(
                f"{name}: class {class_index} {scores}, expected {expected['class']} {expected['scores']}"
            )
        self._count(name, expected["instructions"], cycles)
        allowed = self._tolerance * max(expected["instructions"], LEAST_INSTRUCTIONS)
        if abs(cycles - expected["instructions"]) > allowed:
            raise AssertionError(
                f"{name}: {cycles} instructions in Renode, {expected['instructions']} in the emulator, "
                f"more than {allowed:.0f} apart"
            )

    def _count(self, name: str, ours: int, theirs: int) -> None:
        """Keep the counts of a sample; several tests of a file may ask for the same one."""
        if self._counts is None:
            return
        rows = {name: (ours, theirs)}
        if self._counts.is_file():
            with self._counts.open(encoding="utf-8", newline="") as file:
                rows = {row[0]: (int(row[1]), int(row[2])) for row in csv.reader(file)} | rows
        with self._counts.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows((one, *counts) for one, counts in rows.items())
