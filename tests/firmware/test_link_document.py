"""docs/link.md, the firmware and the host's side name the same messages and codes."""

import re
from pathlib import Path

from tests.firmware.fake_model import MISSING
from tests.firmware.host_device import payload, wire
from tinyloc.device.link.frames import ErrorCode, Message
from tinyloc.paths import FIRMWARE_DIR

DOCUMENT = (Path(__file__).parents[2] / "docs" / "link.md").read_text()


def defines(file: str, pattern: str) -> dict[str, int]:
    return {m[1]: int(m[2], 0) for m in re.finditer(pattern, (FIRMWARE_DIR / file).read_text())}


def test_messages():
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| ([\w ]+?) \|", DOCUMENT, re.MULTILINE)
    told = {int(number, 16): name for number, name in rows}
    assert set(told) == {message.value for message in Message}
    firmware = defines("link/messages.h", r"TL_MESSAGE_(\w+) = (0x[0-9A-F]+)")
    bit = firmware.pop("REPLY")
    replies = {firmware[name] | bit for name in ("HELLO", "RESET", "BAUD", "LAYERS", "WALK", "IMU", "RANGES")}
    assert set(firmware.values()) | replies == set(told)


def test_error_codes():
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", DOCUMENT, re.MULTILINE)
    assert {int(code): name for code, name in rows} == {code.value: code.name for code in ErrorCode}
    assert set(defines("link/frame.h", r"TL_LINK_(\w+) = (\d+)").values()) == {0, *ErrorCode}


def test_reset_causes():
    rows = re.findall(r"^\| (\d) \| ([a-z ]+),", DOCUMENT, re.MULTILINE)
    causes = defines("port/port.h", r"TL_RESET_(\w+) = (\d)")
    assert {name.upper(): int(code) for code, name in rows} == causes


def test_the_example_is_a_frame():
    lines = re.findall(r"^(payload|wire) +((?:[0-9A-F]{2} ?)+)$", DOCUMENT, re.MULTILINE)
    (_, data), (_, wire_bytes) = ((name, bytes.fromhex(digits)) for name, digits in lines)
    sent = [-60, MISSING, -70, -80, MISSING]
    assert data == payload(Message.SAMPLE_DENSE, 10, bytes(v & 0xFF for v in sent))
    assert wire_bytes == wire(data)
