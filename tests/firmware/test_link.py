"""The link of firmware/ on the host: every message and error code of docs/reference/link.md, and hostile bytes."""

import binascii
import ctypes
import struct

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.fake_model import DENSE_INT16, MISSING, SPARSE_INT8, FakeReference
from tests.firmware.host_device import (
    BAUD,
    DENSE,
    ERROR,
    HELLO,
    RESET,
    RESULT,
    SPARSE,
    HostDevice,
    Reply,
    frame,
    payload,
    sparse_body,
    wire,
)

CLOCK_HZ = 80_000_000
BEFORE_RESET = 0xFFFFFFFF
ROW = bytes([256 - 60, MISSING, 256 - 70, 256 - 80, MISSING])


@pytest.fixture
def device(make_device):
    """Dense house model, started, no recording yet."""
    return make_device(DENSE_INT16)


@pytest.fixture
def started(device):
    """The same with a recording begun: the next sample is seq 1."""
    assert device.ask(RESET, 0) == Reply(0x82, 0, b"")
    return device


def scores(device: HostDevice, reply: Reply) -> list[int]:
    return device.result(reply, 16).scores


# Messages


def test_hello_tells_model_and_board(device):
    reply = device.ask(HELLO, 0xBEEF)
    fields = struct.unpack("<QIHHHHBHBIIIH16s", reply.body)
    assert (reply.kind, reply.seq) == (0x81, 0xBEEF)
    assert fields[:7] == (0x0123456789ABCDEF, CLOCK_HZ, 5, 3, 4, 2, 2)
    assert fields[7] == 0b101  # CRF, dense, the cycle counter works
    assert fields[8] == 1  # power
    assert fields[9] == 12  # arena: 3 sums of 4 bytes
    assert fields[11:] == (2048, 4 + 17 + 2, b"stm32l4".ljust(16, b"\0"))


def test_hello_of_a_sparse_model(make_device):
    fields = struct.unpack("<QIHHHHBHBIIIH16s", make_device(SPARSE_INT8).ask(HELLO, 1).body)
    assert fields[2:8] == (40, 6, 1, 1, 1, 0b110)


def test_hello_does_not_disturb_a_recording(started):
    first = started.ask(DENSE, 1, ROW)
    started.ask(HELLO, 500)
    assert started.ask(DENSE, 1, ROW) == first
    assert started.ask(DENSE, 2, ROW).kind == RESULT


def test_result_carries_cycles_and_stack(started):
    result = started.result(started.ask(DENSE, 1, ROW), 16)
    assert (result.class_index, result.cycles, result.stack) == (-1, 7, 321)
    assert (result.flags, result.heard, result.margin) == (0, 3, 0)


def test_sequence_numbers_wrap(device):
    device.ask(RESET, 65534)
    assert device.ask(DENSE, 65535, ROW).kind == RESULT
    assert device.ask(DENSE, 0, ROW).kind == RESULT


# Retries and order


def test_a_retried_sample_is_answered_again_without_a_step(started):
    reference = FakeReference(DENSE_INT16)
    row = [-60, MISSING, -70, -80, MISSING]
    for t in range(8):
        expected = reference.sample(row)
        replies = [started.ask(DENSE, t + 1, ROW) for _ in range(3)]
        assert replies[0] == replies[1] == replies[2]
        result = started.result(replies[0], 16)
        assert (result.class_index, result.scores) == expected


def test_another_scan_under_the_last_number_is_an_error_and_changes_nothing(started):
    """Of every kind: other readings, the other form, readings that cannot be, one more byte. Never the old location."""
    kept = started.ask(DENSE, 1, ROW)
    other = bytes([*ROW[:-1], 256 - 90])
    for kind, body in ((DENSE, other), (SPARSE, sparse_body([(0, -60)])), (SPARSE, sparse_body([(9, -60)]))):
        assert started.ask(kind, 1, body).error == (14, 2)
    assert started.ask(DENSE, 1, ROW + b"\0").error == (5, 6)
    assert started.ask(DENSE, 1, ROW) == kept
    assert started.ask(DENSE, 2, other).kind == RESULT


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_retry_is_a_retry_when_its_body_is_the_same(make_device, first, second):
    device = make_device(DENSE_INT16)
    device.ask(RESET, 0)
    kept, again = device.ask(DENSE, 1, first), device.ask(DENSE, 1, second)
    assert again == kept if first == second else again.error == (14, 2)


def test_a_reset_with_the_last_samples_number_is_refused(started):
    """A copy of a sample that is still under way would pass for the first one of the new recording."""
    kept = started.ask(DENSE, 1, ROW)
    assert started.ask(RESET, 1).error == (14, 2)
    assert started.ask(RESET, 0).error == (6, 2)
    assert started.ask(DENSE, 1, ROW) == kept


def test_no_sample_from_before_a_reset_is_taken_after_it(make_device):
    """However the RESET is numbered: what was sent before it, taken or not, is not the new recording's first sample."""
    for begin in range(65536 - 4, 65536 + 8):
        device = make_device(DENSE_INT16)
        device.ask(RESET, 0)
        for seq in (1, 2, 3):
            device.ask(DENSE, seq, ROW)
        if device.ask(RESET, begin & 0xFFFF).kind == ERROR:
            continue
        assert {device.ask(DENSE, stale, ROW).kind for stale in (1, 2, 3)} == {ERROR}


def test_a_reset_may_be_repeated_until_the_first_sample(started):
    assert [started.ask(RESET, 0).kind for _ in range(3)] == [0x82] * 3
    assert started.ask(DENSE, 1, ROW).kind == RESULT
    assert started.ask(RESET, 0).error == (6, 2)
    assert started.ask(DENSE, 2, ROW).kind == RESULT


def test_a_reset_is_ahead_by_less_than_half_of_all_numbers(started):
    assert started.ask(RESET, 0x8000).error == (6, 1)
    assert started.ask(RESET, 0x7FFF).kind == 0x82
    assert started.ask(RESET, 0xFFFE).kind == 0x82


def test_reset_starts_the_recording_anew(started):
    first = [scores(started, started.ask(DENSE, t, ROW)) for t in range(1, 5)]
    started.ask(RESET, 5)
    assert [scores(started, started.ask(DENSE, t, ROW)) for t in range(6, 10)] == first


def test_a_scan_that_hears_nothing_is_unknown(make_device):
    device = make_device(SPARSE_INT8)
    device.ask(RESET, 0)
    heard = device.result(device.ask(SPARSE, 1, sparse_body([(3, -50), (17, -60)])), 8)
    silent = device.result(device.ask(SPARSE, 2, sparse_body([])), 8)
    assert (heard.flags, heard.heard) == (0, 2) and (silent.flags, silent.heard) == (1, 0)
    best = sorted(heard.scores)
    assert heard.margin == best[-1] - best[-2]


def test_samples_before_any_reset_are_refused(device):
    for seq in (0, 1, 65535):
        assert device.ask(DENSE, seq, ROW).error == (6, BEFORE_RESET)


# Errors. Each row: what is sent, the code, the detail, and the seq of the answer.

ERRORS = {
    "cut short by a delimiter": (b"\x09\x01\x02\x00", 1, 2, 0),
    "shorter than head and CRC": (wire(b"\x02\x01\x05\x00\x01"), 1, 5, 0),
    "bad CRC": (wire(payload(DENSE, 1, ROW)[:-1] + b"\xee"), 2, 11, 0),
    "other version": (frame(HELLO, 7, version=1), 3, 1, 7),
    "unknown type": (frame(0x42, 7), 4, 0x42, 7),
    "a reply sent to the device": (frame(RESULT, 7), 4, RESULT, 7),
    "hello with a body": (frame(HELLO, 7, b"x"), 5, 1, 7),
    "reset with a body": (frame(RESET, 7, b"xy"), 5, 2, 7),
    "baud without a rate": (frame(BAUD, 7, b"\0\0"), 5, 2, 7),
    "dense row too short": (frame(DENSE, 1, ROW[:-1]), 5, 4, 1),
    "dense row too long": (frame(DENSE, 1, ROW + b"\0"), 5, 6, 1),
    "sparse without count": (frame(SPARSE, 1), 5, 0, 1),
    "sparse with half a count": (frame(SPARSE, 1, b"\0"), 5, 1, 1),
    "sparse with fewer readings than counted": (frame(SPARSE, 1, b"\2\0\0\0\xc4"), 5, 5, 1),
    "sparse with more readings than counted": (frame(SPARSE, 1, b"\0\0\0\0\xc4"), 5, 5, 1),
    "sparse with a huge count": (frame(SPARSE, 1, b"\xff\xff\0\0\xc4"), 5, 5, 1),
    "a sample was left out": (frame(DENSE, 2, ROW), 6, 1, 2),
    "an old sample": (frame(DENSE, 65535, ROW), 6, 1, 65535),
    "index out of range": (frame(SPARSE, 1, sparse_body([(0, -60), (5, -70)])), 7, 5, 1),
    "twice the same access point": (frame(SPARSE, 1, sparse_body([(2, -60), (2, -70)])), 8, 2, 1),
    "descending indices": (frame(SPARSE, 1, sparse_body([(3, -60), (1, -70)])), 8, 1, 1),
    "the missing value as a reading": (frame(SPARSE, 1, sparse_body([(3, MISSING)])), 9, 3, 1),
    "longer than the device takes": (frame(DENSE, 1, bytes(500)), 10, 23, 0),
    "endless": (b"\xff" * 5000 + b"\0", 10, 23, 0),
    "a rate too high": (frame(BAUD, 7, struct.pack("<I", 10_000_000)), 11, 10_000_000, 7),
    "no rate at all": (frame(BAUD, 7, struct.pack("<I", 0)), 11, 0, 7),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_named_and_the_next_good_frame_works(name, make_device):
    sent, code, detail, seq = ERRORS[name]
    clean, disturbed = make_device(DENSE_INT16), make_device(DENSE_INT16)
    for device in (clean, disturbed):
        device.ask(RESET, 0)
    (reply,) = disturbed.exchange(sent)
    assert (reply.error, reply.seq) == ((code, detail), seq)
    for t in range(1, 7):  # and nothing of the state has changed
        (again,) = disturbed.exchange(sent if t == 1 else b"\x05\0")
        assert again.kind == ERROR
        assert clean.ask(DENSE, t, ROW) == disturbed.ask(DENSE, t, ROW)


def test_every_error_code_of_requests_is_covered():
    assert {code for _, code, _, _ in ERRORS.values()} == set(range(1, 12)), "14 has tests of its own"


def test_an_error_in_a_sample_does_not_touch_the_kept_answer(started):
    kept = started.ask(DENSE, 1, ROW)
    assert started.ask(SPARSE, 2, sparse_body([(9, -60)])).error == (7, 9)
    assert started.ask(DENSE, 1, ROW) == kept


def test_fault_report(device):
    send = device.lib.tl_send_fault
    send(ctypes.c_uint32(0x8200), ctypes.c_uint32(0x08001234), ctypes.c_uint32(0x08000101))
    (reply,) = device.replies()
    assert (reply.kind, reply.seq) == (ERROR, 0)
    assert struct.unpack("<BIII", reply.body) == (12, 0x8200, 0x08001234, 0x08000101)


def test_a_watchdog_reset_is_told_once(device):
    device.knob("reset_cause").value = 4
    device.lib.tl_app_init()
    (notice,) = device.replies()
    assert (notice.error, notice.seq) == ((13, 0), 0)
    assert device.ask(HELLO, 1).body[8 + 4 + 8 + 3] == 4


def test_delimiters_alone_are_no_frames(started):
    assert started.exchange(b"\0" * 50) == []
    assert started.exchange(b"\0" + frame(DENSE, 1, ROW))[0].kind == RESULT


def test_resynchronises_after_the_head_of_a_frame_was_lost(started):
    whole = frame(DENSE, 1, ROW)
    for lost in range(1, len(whole)):
        replies = started.exchange(whole[lost:])
        assert all(reply.kind == ERROR for reply in replies)
    assert started.ask(DENSE, 1, ROW).kind == RESULT


def test_the_watchdog_is_fed_while_waiting(device):
    before = device.knob("fed").value
    device.poll(10)
    assert device.knob("fed").value == before + 10


# Rates


def ask_rate(device: HostDevice, baud: int) -> int:
    reply = device.ask(BAUD, 3, struct.pack("<I", baud))
    assert reply.kind == 0x83
    return struct.unpack("<I", reply.body)[0]


def test_a_new_rate_stays_once_a_frame_arrived_at_it(device):
    assert ask_rate(device, 921_600) == device.knob("rate").value == 80_000_000 // 87
    assert device.ask(HELLO, 4).kind == 0x81
    device.knob("cycles_step").value = CLOCK_HZ
    device.poll(5)
    assert device.knob("rate").value == 80_000_000 // 87


def test_a_new_rate_is_given_up_after_a_second_of_silence(device):
    ask_rate(device, 460_800)
    device.poll(10)
    assert device.knob("rate").value != 115_200
    device.exchange(b"\x13\x55\x99")  # noise is no confirmation
    device.knob("cycles_step").value = CLOCK_HZ + 1
    device.poll(1)
    assert device.knob("rate").value == 115_200
    assert device.ask(HELLO, 1).kind == 0x81, "the noise before the change of rate is forgotten"


# Hostile bytes


@given(st.binary(max_size=700))
@settings(max_examples=200, deadline=None)
def test_encoder_writes_what_cobs_writes(cobs_library, data):
    assert cobs_library.encode(data) == cobs.encode(data) + b"\0"


@given(st.binary(max_size=700).map(lambda b: b.replace(b"\0", b"\1")))
@settings(max_examples=300, deadline=None)
def test_decoder_reads_what_cobs_reads(cobs_library, data):
    """Any bytes: both give the same payload or both refuse."""
    try:
        expected = cobs.decode(data) if data else None
    except cobs.DecodeError:
        expected = "bad"
    assert cobs_library.decode(data) == expected


@given(st.binary(min_size=1, max_size=600))
@settings(max_examples=200, deadline=None)
def test_crc_is_the_one_of_binascii(cobs_library, data):
    assert cobs_library.crc(data) == binascii.crc_hqx(data, 0xFFFF)


class LinkLibrary:
    """crc16.c and cobs.c alone, through ctypes."""

    class Decoder(ctypes.Structure):
        _fields_ = (
            ("buffer", ctypes.c_char_p),
            ("capacity", ctypes.c_uint16),
            ("length", ctypes.c_uint16),
            ("left", ctypes.c_uint8),
            ("zero", ctypes.c_bool),
            ("started", ctypes.c_bool),
            ("too_long", ctypes.c_bool),
        )

    def __init__(self, device: HostDevice) -> None:
        self.lib = device.lib
        self.lib.tl_crc16.restype = ctypes.c_uint16

    def crc(self, data: bytes) -> int:
        return self.lib.tl_crc16(ctypes.c_uint16(0xFFFF), data, ctypes.c_uint16(len(data)))

    def encode(self, data: bytes) -> bytes:
        out = bytearray()
        put = ctypes.CFUNCTYPE(None, ctypes.c_uint8)(out.append)
        self.lib.tl_cobs_send(data, ctypes.c_uint16(len(data)), put)
        return bytes(out)

    def decode(self, data: bytes) -> bytes | str | None:
        buffer = ctypes.create_string_buffer(1024)
        decoder = self.Decoder()
        self.lib.tl_cobs_decoder_init(ctypes.byref(decoder), buffer, ctypes.c_uint16(1024))
        for byte in data:
            assert self.lib.tl_cobs_feed(ctypes.byref(decoder), ctypes.c_uint8(byte)) == 0
        event = self.lib.tl_cobs_feed(ctypes.byref(decoder), ctypes.c_uint8(0))
        return {0: None, 1: buffer.raw[: decoder.length], 2: "bad"}[event]


@pytest.fixture(scope="module")
def cobs_library(make_device):
    return LinkLibrary(make_device(DENSE_INT16))


NOISE = st.one_of(st.binary(max_size=40), st.sampled_from([sent for sent, *_ in ERRORS.values()]))


@given(st.lists(NOISE, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_corrupted_exchange_never_gives_a_wrong_result(make_device, noises):
    """Whatever comes between the samples, each accepted sample gives the reference's answer."""
    device, reference = make_device(DENSE_INT16), FakeReference(DENSE_INT16)
    device.ask(RESET, 0)
    row = [-60, MISSING, -70, -80, MISSING]
    for t, noise in enumerate(noises, start=1):
        device.exchange(noise + b"\0")
        reply = device.ask(DENSE, t, ROW)
        if reply.kind == ERROR:  # noise that was a good RESET or BAUD by its CRC: only the samples above
            pytest.fail(f"{reply} after {noise!r}")
        result = device.result(reply, 16)
        assert (result.class_index, result.scores) == reference.sample(row)
