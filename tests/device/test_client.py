"""The client against a device behind a bad line: right answers, or a LinkError that says which end failed."""

import binascii
import random
import struct

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.device.hellos import hello_body
from tinyloc.device.link.client import ATTEMPTS, DeviceClient, DeviceRefused, DeviceRestarted
from tinyloc.device.link.frames import Frame, Message, Receiver, VersionError
from tinyloc.device.link.transport import LinkError

INPUTS, CLASSES = 40, 3


class PlainDevice:
    """A device as docs/reference/link.md describes it; its model counts samples and adds up the readings."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.out = bytearray()
        self.last: int | None = None
        self.steps = 0
        self.reply: tuple[int, bytes] | None = None
        self.total = 0
        self.taken: Frame | None = None

    def take(self, data: bytes) -> None:
        spoilt = self.receiver.spoilt
        try:
            frames = self.receiver.feed(data)
        except VersionError:
            self.send(Message.ERROR, 0, struct.pack("<BI", 3, 1))
            return
        for _ in range(self.receiver.spoilt - spoilt):
            self.send(Message.ERROR, 0, struct.pack("<BI", 2, 0))
        for frame in frames:
            self.answer(frame)

    def send(self, kind: int, seq: int, body: bytes = b"") -> None:
        self.out += Frame(kind, seq, body).encode()

    def answer(self, frame: Frame) -> None:
        if frame.type == Message.HELLO:
            body = hello_body(inputs=INPUTS, classes=CLASSES, score_bytes=2, max_payload=134, board=b"fake")
            self.send(Message.HELLO_REPLY, frame.seq, body)
        elif frame.type == Message.RESET:
            if self.last is not None and (frame.seq - self.last) & 0xFFFF >= 0x8000:
                self.send(Message.ERROR, frame.seq, struct.pack("<BI", 6, (self.last + 1) & 0xFFFF))
                return
            if self.reply is not None and frame.seq == self.last:
                self.send(Message.ERROR, frame.seq, struct.pack("<BI", 14, (self.last + 1) & 0xFFFF))
                return
            self.last, self.steps, self.total, self.reply = frame.seq, 0, 0, None
            self.send(Message.RESET_REPLY, frame.seq)
        elif frame.type in (Message.SAMPLE_SPARSE, Message.SAMPLE_DENSE):
            self.sample(frame)
        else:
            self.send(Message.ERROR, frame.seq, struct.pack("<BI", 4, frame.type))

    def sample(self, frame: Frame) -> None:
        if self.reply is not None and self.reply[0] == frame.seq:
            if frame == self.taken:
                self.send(Message.RESULT, *self.reply)
            else:
                self.send(Message.ERROR, frame.seq, struct.pack("<BI", 14, (frame.seq + 1) & 0xFFFF))
            return
        if self.last is None or frame.seq != (self.last + 1) & 0xFFFF:
            expected = 0xFFFF_FFFF if self.last is None else (self.last + 1) & 0xFFFF
            self.send(Message.ERROR, frame.seq, struct.pack("<BI", 6, expected))
            return
        if frame.type == Message.SAMPLE_DENSE:
            values = [v for v in struct.unpack(f"<{INPUTS}b", frame.body) if v != 127]
        else:
            (count,) = struct.unpack_from("<H", frame.body)
            pairs = list(struct.iter_unpack("<Hb", frame.body[2:]))
            assert len(pairs) == count
            bad = [index for index, _ in pairs if index >= INPUTS]
            if bad:
                self.send(Message.ERROR, frame.seq, struct.pack("<BI", 7, bad[0]))
                return
            values = [value for _, value in pairs]
        self.steps += 1
        self.total += sum(values)
        self.last, self.taken = frame.seq, frame
        head = (self.steps % 3, not values, len(values), 7, 100, 600, 3)
        self.reply = (frame.seq, struct.pack("<hBHiIHH3h", *head, self.steps, self.total % 999, 7))
        self.send(Message.RESULT, *self.reply)


class Line:
    """A transport to a PlainDevice whose bytes pass `spoil` in both directions. Time is counted, not spent."""

    name = "test line"
    baud = 115_200

    def __init__(self, device: PlainDevice, spoil=lambda data: data) -> None:
        self.device, self.spoil, self.now, self.dead = device, spoil, 0.0, False

    def write(self, data: bytes) -> None:
        if not self.dead:
            self.device.take(self.spoil(data))

    def read(self, timeout: float) -> bytes:
        data = b"" if self.dead else self.spoil(bytes(self.device.out))
        self.device.out.clear()
        if not data:
            self.now += timeout
        return data

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        pass


def client(line: Line) -> DeviceClient:
    return DeviceClient(line, clock=lambda: line.now)


def scan(*pairs: tuple[int, int]):
    return np.array([i for i, _ in pairs], np.uint16), np.array([d for _, d in pairs], np.int8)


def test_hello_reset_sample():
    talk = client(Line(PlainDevice()))
    assert talk.hello().board == "fake"
    talk.reset()
    first = talk.sample(*scan((1, -40), (39, -60)))
    second = talk.sample(*scan())
    assert first.scores.tolist() == [1, -100 % 999, 7]
    assert second.scores[0] == 2
    assert talk.counts.retries == 0


def test_a_hello_between_samples_keeps_their_order():
    talk = client(Line(PlainDevice()))
    talk.reset()
    talk.sample(*scan((0, -50)))
    talk.hello()
    assert talk.sample(*scan((0, -50))).scores[0] == 2


def test_the_shorter_form_is_sent_and_both_mean_the_same():
    line = Line(PlainDevice())
    sizes = []
    line.spoil = lambda data: (sizes.append(len(data)), data)[1]
    talk = client(line)
    talk.hello()
    talk.reset()
    sizes.clear()
    many = scan(*((i, -i - 1) for i in range(30)))
    assert talk.sample(*many).scores[1] == -sum(range(1, 31)) % 999
    assert max(sizes) < 60  # 40 dense readings, not 92 bytes of sparse ones


def test_sequence_numbers_wrap():
    talk = client(Line(PlainDevice()))
    talk._seq = 0xFFFD
    talk.reset()
    assert [talk.sample(*scan((2, -9))).scores[0] for _ in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("ahead", [0, 1, 7, 500, 40_000])
def test_a_second_host_begins_ahead_of_what_the_first_one_sent(ahead):
    device = PlainDevice()
    first = client(Line(device))
    first.reset()
    first._seq = device.last = ahead
    for step in range(1, 4):
        assert first.sample(*scan((1, -1))).scores[0] == step
    second = client(Line(device))
    for _ in range(2):
        second.reset()
        assert [second.sample(*scan((1, -1))).scores[0] for _ in range(3)] == [1, 2, 3]


def test_another_scan_under_the_last_number_is_refused():
    talk = client(Line(PlainDevice()))
    talk.reset()
    talk.sample(*scan((1, -1)))
    talk._seq -= 1
    with pytest.raises(DeviceRefused, match="another request was sent under the last one's number"):
        talk.sample(*scan((1, -2)))


def flaky(seed: int, rate: float):
    rng = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        if not data or rng.random() > rate:
            return data
        kind = rng.randrange(5)
        place = rng.randrange(len(data))
        if kind == 0:
            return b""  # lost
        if kind == 1:
            return data[:place]  # truncated
        if kind == 2:
            return data + data  # doubled
        if kind == 3:
            return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        return data[:place] + rng.randbytes(5) + data[place:]  # noise

    return spoil


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0.0, 0.25))
def test_a_bad_line_gives_every_answer_once_or_a_link_error(seed, rate):
    line = Line(PlainDevice(), flaky(seed, rate))
    talk = client(line)
    total = 0
    try:
        talk.hello()
        talk.reset()
        for step in range(1, 40):
            total -= step
            result = talk.sample(*scan((step % INPUTS, -step)))
            assert result.scores.tolist() == [step, total % 999, 7]
            assert result.class_index == step % 3
    except LinkError as error:
        assert "test line" in str(error)  # it gave up, and says so
    assert line.device.steps <= 39


def test_spoilt_frames_are_repeated_and_counted():
    line = Line(PlainDevice(), flaky(3, 0.2))
    talk = client(line)
    talk.hello()
    talk.reset()
    for step in range(1, 200):
        assert talk.sample(*scan((1, -1))).scores[0] == step
    assert talk.counts.retries > 10
    assert line.device.steps == 199


def test_a_device_that_stops_half_way_is_named_as_the_end_that_failed():
    line = Line(PlainDevice())
    talk = client(line)
    talk.reset()
    talk.sample(*scan((1, -1)))
    line.dead = True
    with pytest.raises(LinkError, match="the device stopped answering"):
        talk.sample(*scan((1, -1)))
    assert line.now < 30
    assert talk.counts.retries == ATTEMPTS - 1


def test_a_device_that_never_answers_is_another_message():
    line = Line(PlainDevice())
    line.dead = True
    with pytest.raises(LinkError, match="never answered: check the port"):
        client(line).hello()


def test_noise_only_is_called_noise():
    line = Line(PlainDevice(), lambda data: data and b"\x55\xaa\0")
    with pytest.raises(LinkError, match="noisy or the baud rates differ"):
        client(line).hello()


def test_refusals_are_not_repeated():
    talk = client(Line(PlainDevice()))
    talk.reset()
    with pytest.raises(DeviceRefused, match="access point 99 is beyond"):
        talk.sample(*scan((99, -50)))
    assert talk.counts.retries == 0


@pytest.mark.parametrize("start", [0, 0xFFFE])
def test_samples_after_a_refused_one_are_taken(start):
    """The device counts no sample that it refused, so neither does the host; also where seq wraps."""
    line = Line(PlainDevice())
    talk = client(line)
    talk._seq = start
    talk.reset()
    for step in range(1, 5):
        for _ in range(2):
            with pytest.raises(DeviceRefused, match="access point 99 is beyond"):
                talk.sample(*scan((99, -50)))
        assert talk.sample(*scan((1, -1))).scores[0] == step
    assert line.device.steps == 4
    assert talk.counts.retries == 0


def test_a_device_of_another_protocol_version_is_no_noise():
    line = Line(PlainDevice(), lambda data: data and of_version(1, data))
    talk = client(line)
    with pytest.raises(
        VersionError, match=r"test line: this image speaks link 1, this tinyloc speaks link 2: build it again"
    ):
        talk.hello()
    assert talk.counts.retries == talk.counts.spoilt_frames == 0


def of_version(version: int, data: bytes) -> bytes:
    """The frames of `data`, all of another protocol version, with right checksums."""
    payloads = [cobs.decode(part)[:-2] for part in data.split(b"\0") if part]
    changed = [bytes([version]) + payload[1:] for payload in payloads]
    return b"".join(cobs.encode(p + struct.pack("<H", binascii.crc_hqx(p, 0xFFFF))) + b"\0" for p in changed)


def test_a_restarted_device_is_noticed():
    line = Line(PlainDevice())
    talk = client(line)
    talk.reset()
    talk.sample(*scan((1, -1)))
    line.device = PlainDevice()
    with pytest.raises(DeviceRestarted, match="has no open recording"):
        talk.sample(*scan((1, -1)))
    line.device.send(Message.ERROR, 0, struct.pack("<BIII", 12, 0x100, 0x08000004, 0x08000008))
    with pytest.raises(DeviceRestarted, match="faulted"):
        talk.hello()
