"""Frames and messages: what is sent is what is read, and nothing spoilt is ever taken for a frame."""

import binascii
import struct

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from tests.device.hellos import hello, hello_body
from tinyloc.device.link.frames import (
    Frame,
    FrameError,
    Message,
    Receiver,
    VersionError,
    decode,
    dense_body,
    parse_error,
    parse_hello,
    parse_result,
    sparse_body,
)

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=600))


def test_bytes_of_a_frame_are_those_of_the_document():
    encoded = Frame(Message.HELLO, 7).encode()
    # code, version, type, seq low, code (seq high is 0), CRC, end
    assert encoded == bytes.fromhex("04 02 01 07 03 0f c7 00")
    assert decode(encoded[:-1]) == Frame(1, 7)


def test_checksum_is_ccitt_false():
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1


@given(frames)
def test_a_frame_survives_the_wire(frame):
    assert Receiver().feed(frame.encode()) == [frame]


@given(st.lists(frames, max_size=5), st.integers(1, 7))
def test_a_stream_is_cut_where_it_should_be(sent, step):
    stream = b"\0" + b"".join(frame.encode() for frame in sent)
    receiver, got = Receiver(), []
    for start in range(0, len(stream), step):
        got += receiver.feed(stream[start : start + step])
    assert got == sent
    assert receiver.spoilt == 0


@given(frames, st.data())
def test_one_changed_byte_is_noticed(frame, data):
    encoded = bytearray(frame.encode())
    place = data.draw(st.integers(0, len(encoded) - 2))
    encoded[place] ^= data.draw(st.integers(1, 255))
    good = Frame(1, 2, b"good")
    got = Receiver().feed(bytes(encoded) + good.encode())
    assert got == [good]


@given(st.binary(max_size=300))
def test_noise_is_no_frame_and_does_not_stop_the_next(noise):
    receiver = Receiver()
    good = Frame(0x90, 5, b"x")
    assert receiver.feed(noise + b"\0" + good.encode())[-1] == good


@given(frames, st.integers(1, 50))
def test_a_truncated_frame_is_dropped(frame, cut):
    encoded = frame.encode()[:-1]
    assert Receiver().feed(encoded[: max(len(encoded) - cut, 0)] + b"\0") == []


def test_another_version_is_named():
    payload = struct.pack("<BBH", 3, 1, 1)
    encoded = cobs.encode(payload + struct.pack("<H", binascii.crc_hqx(payload, 0xFFFF)))
    with pytest.raises(VersionError, match=r"speaks link 3.*or use the tinyloc that built it"):
        decode(encoded)
    receiver = Receiver()
    with pytest.raises(VersionError, match=r"speaks link 3.*or use the tinyloc that built it"):
        receiver.feed(encoded + b"\0")
    assert receiver.spoilt == 0


def test_an_endless_frame_takes_no_endless_memory():
    receiver = Receiver(longest=1000)
    for _ in range(100):
        receiver.feed(b"a" * 100)
    assert len(receiver._pending) <= 1000


def test_sample_bodies():
    indices, dbm = np.array([3, 517], np.uint16), np.array([-40, -97], np.int8)
    assert sparse_body(indices, dbm) == bytes.fromhex("0200 0300d8 05029f".replace(" ", ""))
    assert dense_body(np.array([-1, 127], np.int8)) == b"\xff\x7f"
    assert sparse_body(indices[:0], dbm[:0]) == b"\0\0"


def test_an_image_of_link_1_is_recognised_by_name():
    """Byte for byte what an image of link 1 answers to HELLO of link 2."""
    refusal = bytes.fromhex("04 01 ff 07 03 03 02 01 01 03 e0 7d 00")
    with pytest.raises(VersionError, match=r"this image speaks link 1, this tinyloc speaks link 2: build it again"):
        Receiver().feed(refusal)


def test_hello_of_a_real_device():
    body = bytes.fromhex(
        "efcdab8967452301" "00b4c404" "2800" "0600" "0100" "0100"
        "01" "0600" "01" "18000000" "a6000000" "00080000" "8000"
    ) + b"stm32l4".ljust(16, b"\0")  # fmt: skip
    assert body == hello_body()
    hello = parse_hello(body)
    assert (hello.model_id, hello.clock_hz, hello.inputs, hello.classes) == ("0123456789abcdef", 80_000_000, 40, 6)
    assert (hello.window, hello.hop, hello.score_bytes) == (1, 1, 1)
    assert (hello.crf, hello.sparse, hello.counts_cycles, hello.reset_cause) == (False, True, True, 1)
    assert (hello.arena_bytes, hello.state_bytes, hello.stack_bytes, hello.max_payload) == (24, 166, 2048, 128)
    assert hello.board == "stm32l4"
    assert parse_hello(body + b"what a later device adds") == hello
    with pytest.raises(FrameError, match="53 bytes"):
        parse_hello(body[:-1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"clock_hz": 0}, "clock_hz 0 "), ({"clock_hz": 4_000_000_000}, "clock_hz 4,000,000,000"),
        ({"inputs": 0}, "inputs 0"), ({"classes": 0}, "0 classes without fusion"), ({"classes": 1}, "1 classes"),
        ({"classes": 40000}, "classes 40,000"), ({"flags": 6 | 64}, "6 classes with fusion"),
        ({"window": 0}, "window 0"), ({"hop": 0}, "hop 0"), ({"score_bytes": 4}, "score_bytes 4"),
        ({"flags": 6 | 48}, "back end number 3"), ({"reset_cause": 6}, "reset_cause 6"),
        ({"arena_bytes": 1 << 30}, "arena_bytes 1,073"), ({"state_bytes": 0xFFFF_FFFF}, "state_bytes 4,294"),
        ({"stack_bytes": 0}, "stack_bytes 0"), ({"max_payload": 9}, "max_payload 9"),
        ({"board": b""}, "called ''"), ({"board": b"\x1b[2Jstm32l4"}, r"called '\\x1b\[2J"),
        ({"board": b"\xff\xfe"}, r"called '\\\\xff"), ({"board": b"a b"}, "called 'a b'"),
        ({"clock_hz": 0, "window": 0}, "clock_hz 0.*window 0"),
    ],
)  # fmt: skip
def test_what_no_device_can_be_is_refused_all_of_it_at_once(change, told):
    with pytest.raises(FrameError, match=told):
        parse_hello(hello_body(**change))


RESULT = {"class": -1, "flags": 0, "heard": 3, "margin": 0, "cycles": 12345, "stack": 600, "count": 3}


def result_body(**changes: int) -> bytes:
    return struct.pack("<hBHiIHH3h", *{**RESULT, **changes}.values(), -300, 0, 300)


def test_result_and_its_length():
    device, body = hello(classes=3, score_bytes=2), result_body()
    result = parse_result(body, device)
    assert (result.class_index, result.cycles, result.stack_high_water) == (-1, 12345, 600)
    assert (result.margin, result.heard, result.unknown) == (0, 3, False)
    assert result.scores.tolist() == [-300, 0, 300]
    decided = parse_result(result_body(**{"class": 2, "margin": 300}), device)
    assert (decided.class_index, decided.margin) == (2, 300)
    assert parse_result(result_body(**{"class": 2, "heard": 0, "flags": 1}), device).unknown
    for wrong in (body[:-1], body + b"\0", body[:4]):
        with pytest.raises(FrameError):
            parse_result(wrong, device)


@pytest.mark.parametrize(
    "change",
    [
        {"class": 3}, {"class": -2}, {"flags": 4}, {"flags": 1}, {"heard": 41}, {"margin": -1}, {"margin": 5},
        {"stack": 2049},
    ],
)  # fmt: skip
def test_a_result_that_no_firmware_sends_is_refused(change):
    with pytest.raises(FrameError, match="no firmware of ours"):
        parse_result(result_body(**change), hello(classes=3, score_bytes=2))


def test_errors_say_what_the_device_saw():
    assert "expected seq 9" in parse_error(struct.pack("<BI", 6, 9)).text()
    fault = parse_error(struct.pack("<BIII", 12, 0x8200, 0x08000100, 0x08000200))
    assert "0x8200" in fault.text()
    assert "pc 0x08000100" in fault.text()
    assert "error 77" in parse_error(struct.pack("<BI", 77, 1)).text()
    assert parse_error(struct.pack("<BI", 2, 0)).transient
    with pytest.raises(FrameError):
        parse_error(b"\1")
