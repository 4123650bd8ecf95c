"""docs/reference/link.md, the firmware and the host's side name the same messages and codes."""

import re
from pathlib import Path

from tests.firmware.fake_model import DENSE_INT16, MISSING
from tests.firmware.host_device import payload, wire
from tinyloc.device.fusion.fusion_client import parse_fix
from tinyloc.device.link.frames import VERSION, ErrorCode, Message, parse_hello
from tinyloc.paths import FIRMWARE_DIR

K_MOST, HEADING_MOST = 5.0, 12.6
ANSWERED = (
    *("HELLO", "RESET", "BAUD", "LAYERS", "WALK", "IMU", "RANGES", "UPDATE_STATUS", "UPDATE_BEGIN", "UPDATE_DATA"),
    *("UPDATE_COMMIT", "CHALLENGE", "ROLLBACK", "SESSION"),
)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "link.md").read_text()


def defines(file: str, pattern: str) -> dict[str, int]:
    return {m[1]: int(m[2], 0) for m in re.finditer(pattern, (FIRMWARE_DIR / file).read_text())}


def test_messages():
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| ([\w ]+?) \|", DOCUMENT, re.MULTILINE)
    told = {int(number, 16): name for number, name in rows}
    assert set(told) == {message.value for message in Message}
    firmware = defines("link/messages.h", r"TL_MESSAGE_(\w+) = (0x[0-9A-F]+)")
    bit = firmware.pop("REPLY")
    replies = {firmware[name] | bit for name in ANSWERED}
    assert set(firmware.values()) | replies == set(told)


def test_versions_and_what_is_kept_free(make_device):
    assert defines("link/frame.h", r"TL_LINK_(VERSION) (\d+)u") == {"VERSION": VERSION}
    assert f"**link version {VERSION}**" in DOCUMENT
    ranges = re.findall(r"^\| types 0x([0-9A-F]{2}) to 0x([0-9A-F]{2}) and their replies \|", DOCUMENT, re.MULTILINE)
    free = [number for first, last in ranges for number in range(int(first, 16), int(last, 16) + 1)]
    assert len(free) == 8 and not {*free, *(number | 0x80 for number in free)} & {*Message}
    device = make_device(DENSE_INT16)
    for number in free:
        assert device.ask(number, 7).error == (ErrorCode.TYPE, number)
    (tagged,) = re.findall(r"^\| version 0x([0-9A-F]{2}) \|", DOCUMENT, re.MULTILINE)
    assert device.ask(Message.HELLO, 7, version=int(tagged, 16)).error == (ErrorCode.VERSION, int(tagged, 16))


def test_hello_reply(make_device):
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (u8|u16|u32|u64|16 bytes) \|", DOCUMENT, re.MULTILINE)
    body = make_device(DENSE_INT16).ask(Message.HELLO, 1).body
    place = 0
    for offset, name, kind in rows:
        assert int(offset) == place, name
        place += 16 if kind == "16 bytes" else int(kind[1:]) // 8
    assert place == len(body)
    hello = parse_hello(body)
    known = {"arena": "arena_bytes", "state": "state_bytes", "stack_size": "stack_bytes", "flags": None}
    for offset, name, kind in rows:
        field = known.get(name, name)
        if field is None or kind == "16 bytes":
            continue
        value = int.from_bytes(body[int(offset) :][: int(kind[1:]) // 8], "little")
        assert getattr(hello, field) == (f"{value:016x}" if name == "model_id" else value), name


def test_limits_of_a_walk_and_bits_of_a_fix():
    for text in (
        f"(above 0, at most {K_MOST:g})", f"(within ±{HEADING_MOST:g})", "(3 to 32)",
    ):  # fmt: skip
        assert text in DOCUMENT
    source = (FIRMWARE_DIR / "fusion" / "fusion.c").read_text()
    assert f"K_MOST {K_MOST:.1f}f" in source and f"HEADING_MOST {HEADING_MOST:.1f}f" in source
    bits = re.findall(r"^\| (\d) \| (\w+) \|", DOCUMENT.split("Times of IMU")[1].split("The counters")[0], re.MULTILINE)
    for bit, name in bits:
        body = bytes([1 << int(bit)]) + bytes(55)
        assert getattr(parse_fix(body), name), name
    assert [name for _, name in bits] == ["valid", "stale", "backwards", "restarted"]


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
