"""SHA-256 and HMAC-SHA-256 of the firmware, compiled for the host: NIST's vectors, and Python's own."""

import ctypes
import hashlib
import hmac
import random
import subprocess
from collections.abc import Iterator

import pytest

from tinyloc.paths import FIRMWARE_DIR

# FIPS 180-4 examples and SHAVS (SHA256ShortMsg), message -> digest
SHA = {
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    b"a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    bytes.fromhex("d3"): "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1",
}


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ctypes.CDLL]:
    library = tmp_path_factory.mktemp("hashes") / "hashes.so"
    command = ["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-shared", "-fPIC"]
    source = FIRMWARE_DIR / "hash" / "sha256.c"
    subprocess.run([*command, f"-I{FIRMWARE_DIR}", str(source), "-o", str(library)], check=True)
    yield ctypes.CDLL(str(library))


def _digest(firmware: ctypes.CDLL, message: bytes, pieces: int = 1) -> str:
    state, digest = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32)
    firmware.tl_sha256_begin(state)
    size = -(-len(message) // pieces) or 1
    for at in range(0, len(message), size):
        firmware.tl_sha256_add(state, message[at : at + size], len(message[at : at + size]))
    firmware.tl_sha256_end(state, digest)
    return digest.raw.hex()


def _tag(firmware: ctypes.CDLL, key: bytes, message: bytes) -> str:
    state, tag = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32)
    firmware.tl_hmac_begin(state, key)
    firmware.tl_sha256_add(state, message, len(message))
    firmware.tl_hmac_end(state, key, tag)
    return tag.raw.hex()


def test_nist_vectors(firmware: ctypes.CDLL) -> None:
    for message, digest in SHA.items():
        assert _digest(firmware, message) == digest


def test_nist_example_of_a_key_of_32_bytes(firmware: ctypes.CDLL) -> None:
    # NIST CSRC, "HMAC-SHA256" examples: key 00..1f, text "Sample message for keylen<blocklen"
    tag = "a28cf43130ee696a98f14a37678b56bcfcbdd9e5cf69717fecf5480f0ebdf790"
    assert _tag(firmware, bytes(range(32)), b"Sample message for keylen<blocklen") == tag


def test_any_length_in_any_pieces(firmware: ctypes.CDLL) -> None:
    chance = random.Random(3)
    for length in (*range(0, 131), 1000, 4096):
        message = chance.randbytes(length)
        assert _digest(firmware, message, chance.randint(1, 9)) == hashlib.sha256(message).hexdigest()
        key = chance.randbytes(32)
        assert _tag(firmware, key, message) == hmac.digest(key, message, "sha256").hex()


def test_comparison_looks_at_every_byte(firmware: ctypes.CDLL) -> None:
    firmware.tl_same.restype = ctypes.c_bool
    one = bytes(range(32))
    assert firmware.tl_same(one, one, 32)
    for at in range(32):
        assert not firmware.tl_same(one, one[:at] + bytes([one[at] ^ 128]) + one[at + 1 :], 32)
    code = (FIRMWARE_DIR / "hash" / "sha256.c").read_text().split("bool tl_same")[1]
    assert "break" not in code and code.count("return") == 1  # it leaves at the end only
