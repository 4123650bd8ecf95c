"""The session key of the link: tags on requests, and on the answers to them. firmware/tags is the other side."""

import hmac
import os
import struct

from tinyloc.device.link.frames import COUNTER_BYTES, TAG_BYTES, Frame, Message
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.transport import LinkError

NONCE_BYTES = 16
LAST_COUNTER = 0xFFFF_FFFF


class LinkKeyError(LinkError):
    """The two ends do not have the same key of the link, or only one has any."""


def new_nonce() -> bytes:
    """The host's part of a session."""
    return os.urandom(NONCE_BYTES)


class TaggedSession:
    """One session: from the device's answer to SESSION to its next restart.

    Raises LinkKeyError when the answer does not show that the device has the key.
    """

    def __init__(self, key: SharedKey, nonce: bytes, answer: Frame, name: str) -> None:
        theirs = answer.body[:NONCE_BYTES]
        if answer.type != Message.SESSION_REPLY or len(answer.body) != NONCE_BYTES + TAG_BYTES:
            raise LinkKeyError(f"{name}: SESSION was answered with {len(answer.body)} bytes; flash this firmware")
        self._key, self._counter = key.session(nonce + theirs), 0
        shown = Frame(answer.type, answer.seq, theirs).covered(tagged=False)
        if not hmac.compare_digest(self._tag(shown, 0), answer.body[NONCE_BYTES:]):
            raise LinkKeyError(f"{name}: its key of the link is another; give --link-key the file of its build")

    def _tag(self, covered: bytes, counter: int) -> bytes:
        return self._key.tag(covered + struct.pack("<I", counter))[:TAG_BYTES]

    @property
    def used_up(self) -> bool:
        """Whether the next frame needs a new session."""
        return self._counter >= LAST_COUNTER

    def seal(self, frame: Frame) -> tuple[bytes, int]:
        """A request for the wire, and its counter: no two are the same."""
        self._counter += 1
        body = frame.body + self._counter.to_bytes(COUNTER_BYTES, "little")
        sealed = Frame(frame.type, frame.seq, body)
        # the counter stands in the body here, and is not added a second time
        tag = self._key.tag(sealed.covered(tagged=True))[:TAG_BYTES]
        return Frame(frame.type, frame.seq, body, tag).encode(), self._counter

    def answers(self, frame: Frame, counters: list[int]) -> bool:
        """Whether a frame answers one of the requests with these counters."""
        covered = frame.covered(tagged=True)
        return any(hmac.compare_digest(self._tag(covered, counter), frame.tag) for counter in counters)
