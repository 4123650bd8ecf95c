"""A key that devices and the host share: a file with 32 bytes, or 64 hexadecimal digits. Nothing else holds it."""

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from tinyloc.errors import UserError

KEY_BYTES = 32


class KeyFileError(UserError):
    """A key that cannot be read."""


@dataclass(frozen=True)
class SharedKey:
    """The secret that devices and the host share. It has no text form, so that no log or report can show it."""

    _secret: bytes = field(repr=False)

    def tag(self, message: bytes) -> bytes:
        """HMAC-SHA-256 of a message, 32 bytes."""
        return hmac.digest(self._secret, message, "sha256")

    def session(self, nonces: bytes) -> "SharedKey":
        """Key of one session of the link, by the nonces of both ends."""
        return SharedKey(self.tag(b"session\0" + nonces))

    def c_source(self, name: str) -> str:
        """The C file that puts the key into an image as `name`; it is written into a temporary directory only."""
        values = ", ".join(f"0x{byte:02X}u" for byte in self._secret)
        declared = f"const uint8_t {name}[{KEY_BYTES}]"
        return f"#include <stdint.h>\nextern {declared};\n{declared} = {{{values}}};\n"


def read_key(path: Path) -> SharedKey:
    """Read a key file.

    Raises:
        KeyFileError: there is none, or it has another length. The message never quotes the content.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be read ({error.strerror}); make a key with `head -c 32 /dev/urandom > {path}`"
        ) from error
    if len(content) != KEY_BYTES:
        try:
            content = bytes.fromhex(content.decode("ascii").strip())
        except (ValueError, UnicodeDecodeError):
            content = b""
    if len(content) != KEY_BYTES or len(set(content)) == 1:
        raise KeyFileError(
            f"{path}: a key is {KEY_BYTES} random bytes, or {2 * KEY_BYTES} hexadecimal digits; "
            f"make one with `head -c {KEY_BYTES} /dev/urandom > {path}`"
        )
    return SharedKey(content)
