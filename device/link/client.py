"""The host's end of the link: requests with timeout and retry, so that a lost byte costs time and nothing else."""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import MISSING_DBM
from tinyloc.device.link.frames import (
    COUNTER_BYTES,
    OVERHEAD_BYTES,
    TAG_BYTES,
    TRANSIENT,
    DeviceError,
    ErrorCode,
    Frame,
    FrameError,
    Hello,
    Message,
    Receiver,
    Result,
    VersionError,
    dense_body,
    parse_error,
    parse_hello,
    parse_layers,
    parse_result,
    sparse_body,
)
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.tags import LinkKeyError, TaggedSession, new_nonce
from tinyloc.device.link.transport import LinkError, Transport

NO_ORDER = 0xFFFF_FFFF
"""Detail of error 6 when no RESET was seen."""
CONTROL = frozenset(
    {
        *(Message.HELLO, Message.BAUD, Message.LAYERS, Message.UPDATE_STATUS, Message.UPDATE_BEGIN),
        *(Message.UPDATE_DATA, Message.UPDATE_COMMIT, Message.CHALLENGE, Message.ROLLBACK, Message.SESSION),
    }
)
"""Requests that do not touch the order of samples."""
BEGINS = frozenset({Message.RESET, Message.WALK})
ATTEMPTS = 6
"""A request is sent once and repeated at most five times."""
UNTAGGED = TRANSIENT | {ErrorCode.FAULT, ErrorCode.WATCHDOG, ErrorCode.TAG}
"""Errors that a device may send without a tag to a host that tags: they cost time and change nothing."""
NO_SESSION = "the device has no session"
BAUD_TRIAL_S = 1.2
"""After a second without a good frame the device goes back to the old rate."""


class DeviceRefused(LinkError):
    """The device understood a request and answered with an error. `error` is what it said."""

    def __init__(self, message: str, error: DeviceError) -> None:
        super().__init__(message)
        self.error = error


class DeviceRestarted(LinkError):
    """The device forgot the recording: it was reset, by a fault, its watchdog, or its power."""


@dataclass
class LinkCounts:
    """What it took so far."""

    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    spoilt_frames: int = 0


class DeviceClient:
    """Talks to one device. Every call ends within ATTEMPTS timeouts, with an answer or a LinkError.

    `timeout` seconds are waited for an answer at first, 1.5 times as long after each miss; `clock` exists for tests.
    The device processes a sample once however often its frame is repeated. With `key` a session begins before the first
    request that needs one, all requests are tagged, and only tagged answers count.
    """

    def __init__(
        self,
        transport: Transport,
        timeout: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        key: SharedKey | None = None,
    ) -> None:
        self.transport = transport
        self.timeout = timeout
        self.counts = LinkCounts()
        self.device: Hello | None = None
        self._clock = clock
        self._receiver = Receiver()
        self._seq = 0  # of RESET and SAMPLE, which the device keeps in order
        self._control_seq = 0x8000  # of HELLO, BAUD and LAYERS, which it does not
        self._heard = False  # any good frame ever
        self._key = key
        self._session: TaggedSession | None = None

    def hello(self) -> Hello:
        """Who is there."""
        frame = self._ask(Message.HELLO, b"", Message.HELLO_REPLY)
        self.device = parse_hello(frame.body)
        return self.device

    def ask(self, kind: Message, body: bytes, answer: Message) -> bytes:
        """Send another request than those below; gives the body of its answer."""
        return self._ask(kind, body, answer).body

    def reset(self) -> None:
        """Begin a new recording."""
        self._begin(Message.RESET, b"", Message.RESET_REPLY)

    def set_baud(self, baud: int) -> int:
        """Change the rate of both ends; gives the rate that the device set. On failure both keep the old rate."""
        old = self.transport.baud
        frame = self._ask(Message.BAUD, struct.pack("<I", baud), Message.BAUD_REPLY)
        if len(frame.body) != 4:
            raise LinkError(f"the device answered BAUD with {len(frame.body)} bytes; flash this tinyloc's firmware")
        (actual,) = struct.unpack("<I", frame.body)
        self.transport.set_baud(baud)
        try:
            self.hello()
        except LinkError as error:
            self.transport.set_baud(old)
            self.transport.wait(BAUD_TRIAL_S)
            self.hello()
            raise LinkError(f"the link does not work at {baud} baud, back at {old} ({error})") from error
        return int(actual)

    def sample(self, indices: npt.NDArray[np.uint16], dbm: npt.NDArray[np.int8]) -> Result:
        """Classify one scan: dBm of the heard access points, ascending indices. The shorter form is sent."""
        device = self.device or self.hello()
        sparse = 2 + 3 * len(indices)
        tag = COUNTER_BYTES + TAG_BYTES if self._key is not None else 0
        fits = sparse + OVERHEAD_BYTES + tag <= device.max_payload
        if fits and (sparse <= device.inputs or (len(indices) and int(indices[-1]) >= device.inputs)):
            return self._sample(Message.SAMPLE_SPARSE, sparse_body(indices, dbm), device)
        row = np.full(device.inputs, MISSING_DBM, np.int8)
        row[indices] = dbm
        return self._sample(Message.SAMPLE_DENSE, dense_body(row), device)

    def layers(self) -> list[int]:
        """Checksums that the last sample left, in an image built with --debug-layers. None before the first sample."""
        found: list[int] = []
        while True:
            part = parse_layers(self._ask(Message.LAYERS, struct.pack("<H", len(found)), Message.LAYERS_REPLY).body)
            if part.first != len(found):
                raise LinkError(
                    f"{self.transport.name}: asked for layers from {len(found)}, got them from {part.first}"
                )
            found += part.checksums
            if len(found) >= part.count or not part.checksums:
                return found

    def _sample(self, kind: Message, body: bytes, device: Hello) -> Result:
        frame = self._ask(kind, body, Message.RESULT)
        return parse_result(frame.body, device)

    def _begin(self, kind: Message, body: bytes, answer: Message) -> None:
        """Begin a recording, ahead of what another host may have sent before."""
        try:
            self._ask(kind, body, answer)
        except DeviceRefused as refused:
            if refused.error.code not in (ErrorCode.ORDER, ErrorCode.CHANGED):
                raise
            self._seq = (refused.error.detail - 1) & 0xFFFF
            self._ask(kind, body, answer)

    def _next_seq(self, kind: Message) -> int:
        if kind in CONTROL:
            self._control_seq = (self._control_seq + 1) & 0xFFFF
            return self._control_seq
        self._seq = (self._seq + 1) & 0xFFFF
        return self._seq

    def _ask(self, kind: Message, body: bytes, answer: Message) -> Frame:
        """Send a request until it is answered. Raises LinkError, VersionError, DeviceRefused, DeviceRestarted."""
        seq = self._next_seq(kind)
        try:
            return self._ask_as(seq, kind, body, answer)
        except DeviceRefused:
            if kind not in CONTROL:
                self._seq = (self._seq - 1) & 0xFFFF  # the device did not take it: its next one has this seq
            self._drain()  # no second refusal may be taken for the next request's answer
            raise

    def _begin_session(self) -> None:
        """Ask for a session. Raises LinkKeyError when the device has another key, or none."""
        assert self._key is not None
        self._session, nonce, here = None, new_nonce(), self.transport.name
        try:
            answer = self._ask(Message.SESSION, nonce, Message.SESSION_REPLY)
        except DeviceRefused as refused:
            if refused.error.code == ErrorCode.TYPE:
                raise LinkKeyError(
                    f"{here}: its image asks for no tags; leave --link-key away, or build it with "
                    "`tinyloc build --link-key`"
                ) from refused
            raise
        self._session = TaggedSession(self._key, nonce, answer, here)

    def _sealed(self, request: Frame, counters: list[int]) -> bytes:
        """A request for the wire, tagged when there is a session, which begins here where it must."""
        if self._key is None or request.type == Message.SESSION:
            return request.encode()
        if self._session is None or self._session.used_up:
            if request.type == Message.HELLO:
                return request.encode()
            self._begin_session()
        assert self._session is not None
        wire, counter = self._session.seal(request)
        counters.append(counter)
        return wire

    def _ask_as(self, seq: int, kind: Message, body: bytes, answer: Message) -> Frame:
        request, counters = Frame(kind, seq, body), list[int]()
        self.counts.requests += 1
        wait = self.timeout
        problem = "no reply"
        for attempt in range(ATTEMPTS):
            if attempt:
                self.counts.retries += 1
                self.transport.wait(min(0.01 * 2**attempt, 0.3))
                self._drain()
            # a delimiter first: what a broken frame left behind in the device ends there
            delimiter = b"\0" if attempt or kind == Message.HELLO else b""
            self.transport.write(delimiter + self._sealed(request, counters))
            outcome = self._await(seq, answer, wait, counters)
            self.counts.spoilt_frames = self._receiver.spoilt
            if isinstance(outcome, Frame):
                return outcome
            problem = outcome
            if outcome == NO_SESSION:
                self._session = None
                if kind not in CONTROL and kind not in BEGINS:
                    raise DeviceRestarted(f"{self.transport.name}: the device forgot the session; it restarted")
            wait *= 1.5
        raise LinkError(self._gave_up(kind, problem))

    def _drain(self) -> None:
        """Throw away what is left of earlier answers."""
        for _ in range(100):
            if not self.transport.read(0.0):
                break
        self._receiver.clear()

    def _await(self, seq: int, answer: Message, wait: float, counters: list[int]) -> Frame | str:
        """The answer, or why the request must be sent again."""
        deadline = self._clock() + wait
        while True:
            left = deadline - self._clock()
            data = self.transport.read(left) if left > 0 else b""
            if not data:
                self.counts.timeouts += 1
                return f"no answer within {wait:.2g} s"
            spoilt = self._receiver.spoilt
            for frame in self._frames(data):
                self._heard = True
                outcome = self._judge(frame, seq, answer) if self._counts(frame, counters) else None
                if outcome is not None:
                    return outcome
            if self._receiver.spoilt > spoilt:
                return "the reply was damaged"

    def _frames(self, data: bytes) -> list[Frame]:
        try:
            return self._receiver.feed(data)
        except VersionError as error:
            raise VersionError(f"{self.transport.name}: {error}") from error

    def _counts(self, frame: Frame, counters: list[int]) -> bool:
        """Whether a frame may be believed: to a tagged request a tagged answer, or an error that changes nothing."""
        if not counters:
            return not frame.tag
        if frame.tag:
            return self._session is not None and self._session.answers(frame, counters)
        return frame.type == Message.ERROR and bool(frame.body) and frame.body[0] in UNTAGGED

    def _judge(self, frame: Frame, seq: int, answer: Message) -> Frame | str | None:
        """The answer itself, why to send again, or None for what is not ours."""
        if frame.type == answer and frame.seq == seq:
            return frame
        if frame.type != Message.ERROR:
            return None  # a late answer to an earlier attempt
        try:
            error = parse_error(frame.body)
        except FrameError:
            return None
        here = self.transport.name
        if error.code in (ErrorCode.FAULT, ErrorCode.WATCHDOG):
            raise DeviceRestarted(f"{here}: the device restarted: {error.text()}")
        if error.transient and frame.seq in (0, seq):
            return f"the device received a damaged frame: {error.text()}"
        if frame.seq != seq:
            return None
        if error.code == ErrorCode.TAG and self._session is not None:
            return NO_SESSION
        if error.code == ErrorCode.ORDER and error.detail == NO_ORDER:
            raise DeviceRestarted(f"{here}: the device has no open recording; it restarted, or RESET was not sent")
        raise DeviceRefused(f"{here}: the device refused the request: {error.text()}", error)

    def _gave_up(self, kind: Message, last: str) -> str:
        name = f"{self.transport.name}: {kind.name} was sent {ATTEMPTS} times without a reply ({last})"
        if self._receiver.spoilt:
            return (
                f"{name}; {self._receiver.spoilt} frames arrived damaged: the line is noisy or the baud rates differ. "
                "Check the cable and --baud"
            )
        if self._heard:
            return f"{name}; the device stopped answering: reset or reconnect the board, then run again"
        return (
            f"{name}; the device never answered: check the port and the baud rate, and flash the firmware "
            "(`tinyloc flash`)"
        )
