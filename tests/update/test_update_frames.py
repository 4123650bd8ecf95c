"""Hostile frames of updates against the firmware on the host, with an oracle that knows every answer.

Frames have a good CRC and the shape of their message, or nearly so; contents, order, offsets, tags and versions
are drawn. After each RESET the model that answers is compared with what the oracle says, by its name and its scores.
"""

import ctypes
import random
import shutil
import struct
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.firmware.fuzz_build import host_constants
from tests.firmware.host_device import ERROR, WARNINGS, HostDevice, Reply
from tests.firmware.host_device import HERE as FIRMWARE_TESTS
from tests.small_bundle import small_bundle
from tests.update.two_models import KEY
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.image.build import board_header
from tinyloc.device.link.frames import ErrorCode, Message
from tinyloc.device.update.slot import HEADER, first_content, make_header
from tinyloc.paths import FIRMWARE_DIR

HERE = Path(__file__).parent
PROGRAM = bytes(range(8))
AREAS = ("link", "localise", "update", "hash")
"""Folders of the firmware, beside the application."""
PAGE = 256
CHUNK = 256
RECORDS = 4
MODELS = 3
TL_UPDATE_PROGRAM, TAG, VERSION, ORDER, FLASH, DIGEST, REFUSED, OTHER = range(1, 9)


@dataclass(frozen=True)
class Firmware:
    """The compiled firmware and its models."""

    folder: Path
    slot_bytes: int
    constants: list[bytes]
    scores: list[list[int]]
    scan: bytes

    def device(self, name: str) -> HostDevice:
        """A device of its own, with the first model in its first slot."""
        library = self.folder / f"{name}.so"
        shutil.copyfile(self.folder / "update.so", library)
        loaded = ctypes.CDLL(str(library))
        slots = (ctypes.c_uint8 * (2 * self.slot_bytes)).in_dll(loaded, "host_slots")
        content = first_content(self.header(0, 1), self.constants[0])
        slots[:] = (content + b"\xff" * (2 * self.slot_bytes - len(content)))[: 2 * self.slot_bytes]
        return HostDevice(library)

    def header(self, model: int, version: int) -> bytes:
        """Tagged by the key of the device."""
        return make_header(self.constants[model], PROGRAM, f"{model + 1:016x}", version, KEY)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    folder = tmp_path_factory.mktemp("update")
    constants, scores, scan = [], [], b""
    for model in range(MODELS):
        bundle = small_bundle(folder / f"bundle{model}", seed=20 + model)
        compile_bundle(bundle, folder / f"generated{model}", updatable=True)
        constants.append(host_constants(folder / f"generated{model}", folder))
        rows = load_test_set(bundle)
        scan = scan or rows.rssi_dbm[0].tobytes()
        scores.append(LocaliserReference(bundle).sample(*_heard(scan)).scores.tolist())
    slot_bytes = -(-(HEADER + len(constants[0])) // PAGE) * PAGE
    generated = folder / "generated0"
    (generated / "board.h").write_text(board_header(load_board("stm32l4")))
    (folder / "key.c").write_text(
        KEY.c_source("tl_update_key") + f"const uint8_t tl_program_id[8] = {{{', '.join(map(str, PROGRAM))}}};\n"
    )
    sources = [
        *(path for area in AREAS for path in sorted((FIRMWARE_DIR / area).glob("*.c"))),
        FIRMWARE_DIR / "app/app.c", FIRMWARE_TESTS / "host_port.c", HERE / "host_flash.c",
        generated / "model.c", folder / "key.c",
    ]  # fmt: skip
    flags = [
        "-DTL_UPDATE", "-DTL_SLOT_A=((uintptr_t)host_slots)", "-DTL_SLOT_B=((uintptr_t)host_slots+TL_SLOT_BYTES)",
        f"-DTL_SLOT_BYTES={slot_bytes}u", f"-DTL_FLASH_PAGE={PAGE}u", "-include", str(HERE / "host_flash.h"),
    ]  # fmt: skip
    command = [
        "cc", *WARNINGS, "-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-shared",
        "-fPIC", "-Wl,-Bsymbolic", *flags, f"-I{generated}", f"-I{FIRMWARE_DIR}", *map(str, sources),
        "-o", str(folder / "update.so"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return Firmware(folder, slot_bytes, constants, scores, scan)


def _heard(row: bytes):  # type: ignore[no-untyped-def]
    import numpy as np

    dbm = np.frombuffer(row, np.int8)
    heard = np.flatnonzero(dbm != 127)
    return heard, dbm[heard]


@dataclass
class Slot:
    """What the oracle knows of one."""

    model: int = -1
    version: int = 0
    sequence: int = 0
    records: int = RECORDS
    """Used up."""
    whole: bool = False


@dataclass
class Oracle:
    """The state of a device as docs say it must be."""

    firmware: Firmware
    slots: list[Slot] = field(default_factory=lambda: [Slot(0, 1, 1, 1, True), Slot()])
    active: int = 0
    going: tuple[int, int] | None = None
    into: int = 1
    offset: int = 0
    committed: bool = False
    nonce: bytes = b""

    def next(self) -> int:
        """The slot that would run after a RESET, 2 for none."""
        whole = [i for i in (0, 1) if self.slots[i].whole]
        return max(whole, key=lambda i: self.slots[i].sequence) if whole else 2

    def begin(self, body: bytes, honest: tuple[int, int] | None) -> tuple[int, int] | int:
        """An error, or the offset."""
        if self.going is not None and honest == self.going:
            return self.offset
        length = int.from_bytes(body[4:8], "little")
        if body[:4] != b"TLS1" or body[8:16] != PROGRAM or length != len(self.firmware.constants[0]):
            return ErrorCode.UPDATE, TL_UPDATE_PROGRAM
        if honest is None:
            return ErrorCode.UPDATE, TAG
        newest = self.next()
        if newest != 2 and honest[1] <= self.slots[newest].version:
            return ErrorCode.UPDATE, VERSION
        into = 1 if newest == 0 else 0
        self.going, self.committed = None, False
        if into == self.active:
            return ErrorCode.UPDATE, ORDER
        self.going, self.into, self.offset = honest, into, 0
        self.slots[into] = Slot()
        return 0

    def data(self, body: bytes, good: bool) -> tuple[int, int] | int:
        """The same of data; `good`: it is that of the model."""
        length, total = len(body) - 4, len(self.firmware.constants[0])
        if length <= 0 or length > CHUNK:
            return ErrorCode.LENGTH, len(body)
        offset = int.from_bytes(body[:4], "little")
        if self.going is None or offset > self.offset:
            return ErrorCode.UPDATE, ORDER
        if offset < self.offset:
            return self.offset
        left = total - self.offset
        if length > left or length not in (left, CHUNK):
            return ErrorCode.LENGTH, len(body)
        self.spoilt = (getattr(self, "spoilt", False) and offset > 0) or not good
        self.offset += length
        return self.offset

    def commit(self) -> tuple[int, int] | int:
        """The same of a commit."""
        if self.going is None or self.offset != len(self.firmware.constants[0]):
            return ErrorCode.UPDATE, ORDER
        if not self.committed:
            if self.spoilt:
                self.going = None
                return ErrorCode.UPDATE, DIGEST
            newest = self.next()
            sequence = self.slots[newest].sequence + 1 if newest != 2 else 1
            self.slots[self.into] = Slot(*self.going, sequence, 1, True)
            self.committed = True
        return self.into

    def roll_back(self, good: bool) -> tuple[int, int] | int:
        """The same of a rollback."""
        if not good or not self.nonce:
            self.nonce = b""
            return ErrorCode.UPDATE, TAG
        self.nonce = b""
        newest = self.next()
        if newest == 2 or not self.slots[newest ^ 1].whole or self.slots[newest ^ 1].records >= RECORDS:
            return ErrorCode.UPDATE, OTHER
        other = self.slots[newest ^ 1]
        other.sequence, other.records = self.slots[newest].sequence + 1, other.records + 1
        self.going = None
        return newest ^ 1


def attack(firmware: Firmware, device: HostDevice, frames: int, seed: int) -> Counter[str]:
    """Send drawn frames; every answer is the oracle's. Gives how often each message was carried out."""
    chance, oracle, done = random.Random(seed), Oracle(firmware), Counter[str]()
    seq, changed = 0, False

    def ask(kind: int, body: bytes = b"") -> Reply:
        nonlocal seq
        seq = (seq + 1) & 0xFFFF
        return device.ask(kind, seq, body)

    def check(name: str, reply: Reply, expected: tuple[int, int] | int, kind: int, size: int = 4) -> bool:
        if isinstance(expected, tuple):
            assert reply.kind == ERROR and reply.error == expected, (name, reply, expected, oracle)
            done[f"{name} refused"] += 1
            return False
        assert (reply.kind, reply.body) == (kind | 0x80, expected.to_bytes(size, "little")), (name, reply, expected)
        done[name] += 1
        return True

    model, version = 0, 1
    for _ in range(frames):
        what = chance.choices(
            ("begin", "data", "commit", "challenge", "rollback", "status", "reset", "length"), (4, 14, 3, 2, 2, 2, 2, 1)
        )[0]
        if what == "begin":
            model, version = chance.randrange(MODELS), oracle.slots[oracle.next()].version + chance.choice((0, 1, 1, 2))
            body, honest = firmware.header(model, version), (model, version)
            if oracle.going is not None and chance.random() < 0.3:
                model, version = honest = oracle.going
                body = firmware.header(*honest)
            if chance.random() < 0.3:
                at = chance.randrange(96)
                body = body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
                check(what, ask(Message.UPDATE_BEGIN, body), oracle.begin(body, None), Message.UPDATE_BEGIN)
            else:
                check(what, ask(Message.UPDATE_BEGIN, body), oracle.begin(body, honest), Message.UPDATE_BEGIN)
        elif what == "data":
            mine = firmware.constants[oracle.going[0] if oracle.going else 0]
            offset = oracle.offset if chance.random() < 0.85 else chance.randrange(0, 2 * len(mine))
            size = CHUNK if chance.random() < 0.9 else chance.randrange(0, CHUNK + 1)
            chunk, good = mine[offset : offset + size], True
            if chunk and chance.random() < 0.04:
                good, chunk = False, bytes([chunk[0] ^ 255]) + chunk[1:]
            body = struct.pack("<I", offset) + chunk
            check(what, ask(Message.UPDATE_DATA, body), oracle.data(body, good), Message.UPDATE_DATA)
        elif what == "commit":
            if chance.random() < 0.1:  # a byte of the flash that cannot be read
                device.knob("unreadable").value = 1 + oracle.into * firmware.slot_bytes + HEADER + 9
                spoilt, oracle.spoilt = getattr(oracle, "spoilt", False), True
                reply = ask(Message.UPDATE_COMMIT)
                if not oracle.committed:
                    check(what, reply, oracle.commit(), Message.UPDATE_COMMIT, 1)
                device.knob("unreadable").value = 0
                oracle.spoilt = spoilt
            elif check(what, ask(Message.UPDATE_COMMIT), oracle.commit(), Message.UPDATE_COMMIT, 1):
                changed = True
        elif what == "challenge":
            reply = ask(Message.CHALLENGE)
            assert reply.kind == Message.CHALLENGE_REPLY and len(reply.body) == 16 and reply.body != oracle.nonce
            oracle.nonce = reply.body
        elif what == "rollback":
            good = chance.random() < 0.6
            body = KEY.tag(b"rollback" + oracle.nonce) if good else chance.randbytes(32)
            if check(what, ask(Message.ROLLBACK, body), oracle.roll_back(good), Message.ROLLBACK, 1):
                changed = True
        elif what == "status":
            reply = ask(Message.UPDATE_STATUS)
            assert reply.body[:8] == PROGRAM and (reply.body[14], reply.body[15]) == (oracle.active, oracle.next())
            for number, slot in enumerate(oracle.slots):
                whole, _, told, sequence, name = struct.unpack_from("<BBIIQ", reply.body, 16 + 18 * number)
                assert whole == slot.whole and (not slot.whole or (told, sequence) == (slot.version, slot.sequence))
                assert not slot.whole or name == slot.model + 1
        elif what == "length":
            kind = chance.choice((Message.UPDATE_BEGIN, Message.UPDATE_COMMIT, Message.ROLLBACK, Message.CHALLENGE))
            size = chance.randrange(1, 31)
            assert ask(kind, bytes(size)).error == (ErrorCode.LENGTH, size)
        else:
            assert ask(Message.RESET).kind == Message.RESET_REPLY
            if changed:
                oracle.active, oracle.going, changed = oracle.next(), None, False
            running = oracle.slots[oracle.active].model
            reply = ask(Message.SAMPLE_DENSE, firmware.scan)
            assert list(struct.unpack_from("<4b", reply.body, 17)) == firmware.scores[running], oracle
            done[what] += 1
        assert device.knob("second_programs").value == 0
    return done


def test_hostile_frames(firmware: Firmware) -> None:
    done = attack(firmware, firmware.device("few"), 4000, 1)
    assert min(done[name] for name in ("begin", "data", "commit", "rollback", "reset")) > 20, done


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_hostile_frames(firmware: Firmware, seed: int) -> None:
    attack(firmware, firmware.device(f"many{seed}"), 100_000, seed + 2)


def test_errors_of_the_flash_are_told_and_cost_nothing(firmware: Firmware) -> None:
    header, constants = firmware.header(1, 2), firmware.constants[1]
    for at in range(2 + len(constants) // 8 + 14 + len(constants) // PAGE):
        device = firmware.device(f"flash{at}")
        device.knob("fail_at").value = at
        replies = [device.ask(Message.UPDATE_BEGIN, 1, header)]
        for offset in range(0, len(constants), CHUNK):
            body = struct.pack("<I", offset) + constants[offset : offset + CHUNK]
            replies.append(device.ask(Message.UPDATE_DATA, 2, body))
        replies.append(device.ask(Message.UPDATE_COMMIT, 3))
        failed = [reply.error for reply in replies if reply.kind == ERROR]
        if failed:
            assert failed[0] == (ErrorCode.UPDATE, FLASH)
        assert device.ask(Message.RESET, 4).kind == Message.RESET_REPLY
        scores = list(struct.unpack_from("<4b", device.ask(Message.SAMPLE_DENSE, 5, firmware.scan).body, 17))
        assert scores == firmware.scores[0 if failed else 1]


def test_a_tagged_model_with_more_than_there_is_room_for_is_refused(firmware: Firmware) -> None:
    for place in (8, 12):  # inputs, classes
        content = firmware.constants[1][:place] + struct.pack("<i", 1000) + firmware.constants[1][place + 4 :]
        device = firmware.device(f"room{place}")
        header = make_header(content, PROGRAM, f"{2:016x}", 2, KEY)
        assert device.ask(Message.UPDATE_BEGIN, 1, header).kind == Message.UPDATE_BEGIN_REPLY
        for offset in range(0, len(content), CHUNK):
            device.ask(Message.UPDATE_DATA, 2, struct.pack("<I", offset) + content[offset : offset + CHUNK])
        assert device.ask(Message.UPDATE_COMMIT, 3).error == (ErrorCode.UPDATE, TL_UPDATE_PROGRAM)
        assert device.ask(Message.RESET, 4).kind == Message.RESET_REPLY
        scores = list(struct.unpack_from("<4b", device.ask(Message.SAMPLE_DENSE, 5, firmware.scan).body, 17))
        assert scores == firmware.scores[0]


def test_a_device_without_a_whole_model_takes_one(firmware: Firmware) -> None:
    device = firmware.device("empty")
    device.knob("no_random").value = 1
    assert device.ask(Message.CHALLENGE, 1).error == (ErrorCode.UPDATE, TAG)
    (ctypes.c_uint8 * (2 * firmware.slot_bytes)).in_dll(device.lib, "host_slots")[HEADER + 3] ^= 1
    device.lib.tl_app_init()
    hello = device.ask(Message.HELLO, 1).body
    assert hello[:8] == bytes(8) and struct.unpack_from("<H", hello, 14) == (0,)
    assert device.ask(Message.RESET, 1).error == (ErrorCode.NO_MODEL, 0)
    assert device.ask(Message.SAMPLE_DENSE, 2, firmware.scan).error == (ErrorCode.NO_MODEL, 0)
    constants = firmware.constants[2]
    assert device.ask(Message.UPDATE_BEGIN, 3, firmware.header(2, 1)).kind == Message.UPDATE_BEGIN_REPLY
    for offset in range(0, len(constants), CHUNK):
        device.ask(Message.UPDATE_DATA, 4, struct.pack("<I", offset) + constants[offset : offset + CHUNK])
    assert device.ask(Message.UPDATE_COMMIT, 5).kind == Message.UPDATE_COMMIT_REPLY
    assert device.ask(Message.RESET, 6).kind == Message.RESET_REPLY
    reply = device.ask(Message.SAMPLE_DENSE, 7, firmware.scan)
    assert list(struct.unpack_from("<4b", reply.body, 17)) == firmware.scores[2]
