"""An update over the link: what the host sends, checks and resumes. Messages: docs/reference/link.md."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from tinyloc.device.link.client import DeviceClient, DeviceRefused
from tinyloc.device.link.frames import ErrorCode, Hello, Message
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.transport import LinkError
from tinyloc.device.update.slot import UpdateError

NONE = 2
"""A slot number that stands for none."""
_STATUS = struct.Struct("<8sIHBB")
_SLOT = struct.Struct("<BBII8s")
_REASONS = {
    1: "another program: the code, a kernel or a capacity differs, or the constants have another size",
    2: "the tag is not of the device's key (or its random generator failed)",
    3: "its version is not above the one that the device has; only --rollback goes back",
    4: "the update was interrupted, or the slot is in use until the next RESET; send it again",
    5: "the flash of the device reports an error",
    6: "the flash does not hold what was sent",
    7: "the product's own verification refused it",
    8: "there is no whole model to go back to, or its commit records are used up; send an update instead",
}
ROLLBACK = b"rollback"


@dataclass(frozen=True)
class SlotStatus:
    """One slot of a device."""

    whole: bool
    records_left: int
    version: int
    sequence: int
    model_id: str


@dataclass(frozen=True)
class Status:
    """What a device says of its models."""

    program: bytes
    room: int
    """Bytes of constants that a slot takes."""
    chunk: int
    active: int | None
    """Slot of the model that runs."""
    next: int | None
    """Slot of the model that runs from the next RESET on."""
    slots: tuple[SlotStatus, SlotStatus]

    @property
    def version(self) -> int:
        """Of the model that runs from the next RESET on, 0 when there is none."""
        return 0 if self.next is None else self.slots[self.next].version


def read_status(client: DeviceClient) -> Status:
    """Ask a device for its slots.

    Raises:
        UpdateError: its image takes no updates.
    """
    try:
        body = client.ask(Message.UPDATE_STATUS, b"", Message.UPDATE_STATUS_REPLY)
    except DeviceRefused as refused:
        if refused.error.code == ErrorCode.TYPE:
            raise UpdateError(
                f"{client.transport.name}: its image takes no updates; build one with `tinyloc build --key FILE` "
                "and flash it"
            ) from refused
        raise
    if len(body) != _STATUS.size + 2 * _SLOT.size:
        raise LinkError(f"{client.transport.name}: a status of {len(body)} bytes; flash this tinyloc's firmware")
    program, room, chunk, active, following = _STATUS.unpack_from(body)
    slots = []
    for number in range(2):
        whole, left, version, sequence, model = _SLOT.unpack_from(body, _STATUS.size + number * _SLOT.size)
        slots.append(SlotStatus(bool(whole), left, version, sequence, f"{int.from_bytes(model, 'little'):016x}"))
    if chunk < 8 or chunk % 8:
        raise LinkError(f"{client.transport.name}: it takes frames of {chunk} bytes; flash this tinyloc's firmware")
    return Status(
        program, room, chunk, None if active >= NONE else active, None if following >= NONE else following,
        (slots[0], slots[1]),
    )  # fmt: skip


def send_update(
    client: DeviceClient, header: bytes, constants: bytes, progress: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Send a model into the other slot and commit it; goes on where an interrupted one stands.

    Args:
        client: of the device.
        header: make_header's.
        constants: of the model.
        progress: is told bytes sent, and of how many.

    Returns:
        The slot that it is in.

    Raises:
        UpdateError: the device refuses it; the message says why.
    """
    status = read_status(client)
    program = header[8:16]
    if status.program != program:
        raise UpdateError(
            f"{client.transport.name}: it runs program {status.program.hex()}, this model is of program "
            f"{program.hex()}: code, kernels or capacities differ. Flash an image of this model, or send it whole by a "
            "bootloader (docs/concepts/update.md)"
        )
    if len(constants) > status.room:
        raise UpdateError(f"{client.transport.name}: {len(constants):,} bytes, its slots take {status.room:,}")
    offset = _offset(_ask(client, Message.UPDATE_BEGIN, header), len(constants), client)
    while offset < len(constants):
        chunk = constants[offset : offset + status.chunk]
        answer = _ask(client, Message.UPDATE_DATA, struct.pack("<I", offset) + chunk)
        found = _offset(answer, len(constants), client)
        if found != offset + len(chunk):
            raise LinkError(
                f"{client.transport.name}: it stands at byte {found:,} after {offset + len(chunk):,} were sent"
            )
        offset = found
        progress(offset, len(constants))
    return _ask(client, Message.UPDATE_COMMIT, b"")[0]


def roll_back(client: DeviceClient, key: SharedKey) -> int:
    """Let a device go back to the model in its other slot, from the next RESET on. Gives the slot."""
    nonce = _ask(client, Message.CHALLENGE, b"")
    return _ask(client, Message.ROLLBACK, key.tag(ROLLBACK + nonce))[0]


def run_new_model(client: DeviceClient) -> Hello:
    """Begin a recording, from which on the committed model runs; gives what the device says of it."""
    client.reset()
    return client.hello()


def _offset(answer: bytes, most: int, client: DeviceClient) -> int:
    if len(answer) != 4 or int.from_bytes(answer, "little") > most:
        raise LinkError(f"{client.transport.name}: an offset that cannot be; flash this tinyloc's firmware")
    return int.from_bytes(answer, "little")


_ANSWERS = {
    Message.UPDATE_BEGIN: Message.UPDATE_BEGIN_REPLY,
    Message.UPDATE_DATA: Message.UPDATE_DATA_REPLY,
    Message.UPDATE_COMMIT: Message.UPDATE_COMMIT_REPLY,
    Message.CHALLENGE: Message.CHALLENGE_REPLY,
    Message.ROLLBACK: Message.ROLLBACK_REPLY,
}


def _ask(client: DeviceClient, kind: Message, body: bytes) -> bytes:
    try:
        answer = client.ask(kind, body, _ANSWERS[kind])
    except DeviceRefused as refused:
        if refused.error.code != ErrorCode.UPDATE:
            raise
        why = _REASONS.get(refused.error.detail, f"reason {refused.error.detail}")
        raise UpdateError(f"{client.transport.name}: the device refused {kind.name}: {why}") from refused
    if not answer:
        raise LinkError(f"{client.transport.name}: an empty answer to {kind.name}; flash this tinyloc's firmware")
    return answer
