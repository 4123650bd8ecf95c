"""Frames with tags: what changes the device needs the key of its build, and no frame is taken twice."""

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.image.build import BuildError, BuildResult, build_firmware
from tinyloc.device.link.client import DeviceClient, DeviceRefused, DeviceRestarted
from tinyloc.device.link.frames import ErrorCode, Frame, Message, Receiver, parse_error
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.tags import LinkKeyError

KEY, OTHER = SharedKey(bytes(range(100, 132))), SharedKey(bytes(range(50, 82)))
BOARDS = ("stm32l4", "aducm3029", "cc2650", "nrf52840dk", "nrf52832dk")
NEEDED, NO_SESSION, WRONG, REPLAYED = 1, 2, 3, 4


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tags")
    compile_bundle(small_bundle(folder / "bundle", recurrent=False), folder / "generated")
    yield folder / "generated"


def _image(generated: Path, board: str) -> BuildResult:
    out = generated.parent / board
    if not out.is_dir():
        build_firmware(generated, load_board(board), out, link_key=KEY)
    return BuildResult(out / "firmware.elf", out / "firmware.map", out / "firmware.bin", None)  # type: ignore[arg-type]


class Tap(EmulatedDevice):
    """An emulated device whose wire somebody listens to."""

    def __init__(self, elf: Path, board: str) -> None:
        super().__init__(elf, load_board(board))
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        super().write(data)

    def ask_raw(self, wire: bytes) -> Frame:
        """Put bytes on the wire as somebody else; gives the frame that comes back."""
        super().write(wire)
        (frame,) = Receiver().feed(super().read(1.0))
        return frame

    def refusal(self, wire: bytes) -> tuple[int, int]:
        """The same, of what is refused: (code, detail)."""
        error = parse_error(self.ask_raw(wire).body)
        return error.code, error.detail


@pytest.mark.parametrize("board", BOARDS)
def test_samples_with_tags_are_answered_as_without(board: str, generated: Path) -> None:
    device = Tap(_image(generated, board).elf, board)
    client = DeviceClient(device, key=KEY)
    assert client.hello().asks_tags
    client.reset()
    bundle = generated.parent / "bundle"
    rows, reference = load_test_set(bundle), LocaliserReference(bundle)
    for i in range(4):
        assert client.sample(*rows.sparse(i)).scores.tolist() == reference.sample(*rows.sparse(i)).scores.tolist()
    assert client.counts.retries == 0


def test_what_somebody_on_the_wire_is_refused(generated: Path) -> None:
    device = Tap(_image(generated, "stm32l4").elf, "stm32l4")
    assert device.refusal(Frame(Message.RESET, 1).encode()) == (ErrorCode.TAG, NO_SESSION)
    client = DeviceClient(device, key=KEY)
    client.hello()
    client.reset()
    scan = load_test_set(generated.parent / "bundle").sparse(0)
    first = client.sample(*scan)
    recorded = list(device.sent)
    # plain frames
    for kind, body in ((Message.RESET, b""), (Message.BAUD, struct.pack("<I", 9600)), (Message.SAMPLE_SPARSE, b"\0\0")):
        assert device.refusal(Frame(kind, 2, body).encode()) == (ErrorCode.TAG, NEEDED)
    # all that was recorded, once more
    refused = [device.refusal(wire) for wire in recorded if Receiver().feed(wire.lstrip(b"\0"))[0].tag]
    assert refused == [(ErrorCode.TAG, REPLAYED)] * 2
    # any bit of a good frame: type, seq, body, counter, tag
    whole = Receiver().feed(recorded[-1].lstrip(b"\0"))[0]
    good = struct.pack("<BH", whole.type, whole.seq) + whole.body + whole.tag
    for bit in random.Random(1).sample(range(8 * len(good)), 60):
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        kind, seq = struct.unpack_from("<BH", content)
        forged = Frame(kind, seq, bytes(content[3:-8]), bytes(content[-8:]))
        assert device.refusal(forged.encode()) == (ErrorCode.TAG, WRONG)
    # a session of somebody without the key does not end ours
    assert device.ask_raw(Frame(Message.SESSION, 9, os.urandom(16)).encode()).type == Message.SESSION_REPLY
    assert client.sample(*scan).scores.tolist() == first.scores.tolist()
    assert client.counts.retries == 0


def test_a_session_ends_with_a_restart_and_nothing_of_it_is_taken_later(generated: Path) -> None:
    device = Tap(_image(generated, "stm32l4").elf, "stm32l4")
    client = DeviceClient(device, key=KEY)
    client.hello()
    client.reset()
    scan = load_test_set(generated.parent / "bundle").sparse(0)
    client.sample(*scan)
    recorded = [wire for wire in device.sent if Receiver().feed(wire.lstrip(b"\0"))[0].tag]
    opening = [wire for wire in device.sent if Receiver().feed(wire.lstrip(b"\0"))[0].type == Message.SESSION]
    device.machine.power_on()
    with pytest.raises(DeviceRestarted, match="forgot the session"):
        client.sample(*scan)
    client.reset()  # begins a new one
    client.sample(*scan)
    device.machine.power_on()
    assert device.refusal(recorded[0]) == (ErrorCode.TAG, NO_SESSION)
    # the whole opening replayed: the device draws another nonce
    assert device.ask_raw(opening[0]).type == Message.SESSION_REPLY
    assert [device.refusal(wire) for wire in recorded] == [(ErrorCode.TAG, WRONG)] * len(recorded)


def test_the_wrong_key_and_no_key_are_said(generated: Path, tmp_path: Path) -> None:
    device = Tap(_image(generated, "stm32l4").elf, "stm32l4")
    client = DeviceClient(device, key=OTHER)
    client.hello()
    with pytest.raises(LinkKeyError, match="another"):
        client.reset()
    with pytest.raises(DeviceRefused, match="--link-key"):
        DeviceClient(device).reset()
    build_firmware(generated, load_board("stm32l4"), tmp_path / "plain")
    plain = DeviceClient(Tap(tmp_path / "plain" / "firmware.elf", "stm32l4"), key=KEY)
    assert not plain.hello().asks_tags
    with pytest.raises(LinkKeyError, match="asks for no tags"):
        plain.reset()


def test_answers_without_a_tag_or_of_another_request_are_not_believed(generated: Path) -> None:
    class Forger(Tap):
        """Puts a made-up answer before the true one."""

        forged = b""

        def read(self, timeout: float) -> bytes:
            data = super().read(timeout)
            return self.forged + data if data else data

    device = Forger(_image(generated, "stm32l4").elf, "stm32l4")
    client = DeviceClient(device, key=KEY)
    client.hello()
    client.reset()
    scan = load_test_set(generated.parent / "bundle").sparse(0)
    true = client.sample(*scan)
    body = struct.pack("<hBHiIHH", 0, 0, 1, 0, 0, 0, len(true.scores)) + bytes(len(true.scores))
    for seq in range(64):
        device.forged += Frame(Message.RESULT, seq, body).encode() + Frame(Message.RESULT, seq, body, bytes(8)).encode()
        device.forged += Frame(Message.ERROR, seq, struct.pack("<BI", ErrorCode.LENGTH, 0)).encode()
    assert client.sample(*scan).scores.tolist() == true.scores.tolist()


def test_a_part_without_a_random_generator_is_refused(generated: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="random generator"):
        build_firmware(generated, load_board("cortex-m4"), tmp_path / "out", link_key=KEY)


def test_a_recipe_that_asks_for_a_key_builds_no_image_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from tinyloc.bundle.schema import read_bundle, write_bundle
    from tinyloc.main import app

    run = tmp_path / "runs" / "hall"
    bundle = small_bundle(run / "bundle", recurrent=False)
    asked = read_bundle(bundle)
    write_bundle(asked.model_copy(update={"build": asked.build.model_copy(update={"link_key": True})}), bundle)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["codegen", "hall"]).exit_code == 0
    monkeypatch.delenv("TINYLOC_LINK_KEY", raising=False)
    refused = CliRunner().invoke(app, ["build", "hall", "--board", "stm32l4"])
    assert refused.exit_code != 0 and "TINYLOC_LINK_KEY" in str(refused.exception)
    key = bytes(range(200, 232))
    (tmp_path / "link.key").write_bytes(key)
    monkeypatch.setenv("TINYLOC_LINK_KEY", "link.key")
    built = CliRunner().invoke(app, ["build", "hall", "--board", "stm32l4"])
    assert built.exit_code == 0, built.output
    kept = [path for path in run.rglob("*") if path.is_file() and path.suffix not in (".elf", ".bin")]
    assert kept and not any(key in path.read_bytes() or key.hex().encode() in path.read_bytes() for path in kept)
    assert key.hex() not in built.output and key in next(run.rglob("firmware.bin")).read_bytes()
