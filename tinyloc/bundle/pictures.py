"""Pictures of floors: their kind and size from the first bytes, before anything decodes them."""

import struct

from tinyloc.errors import UserError

MOST_BYTES = 20_000_000
MOST_PIXELS = 40_000_000
_JPEG_SIZES = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})


class PictureError(UserError):
    """A file that is no picture of a floor; the message says what to do."""


def picture_size(data: bytes) -> tuple[str, int, int]:
    """Give ("png" or "jpg", width, height in pixels).

    Raises:
        PictureError: the file is of another kind or too large.
    """
    if len(data) > MOST_BYTES:
        raise PictureError(f"the picture has {len(data):,} bytes; at most {MOST_BYTES:,}. Save it smaller")
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        kind, (width, height) = "png", struct.unpack(">II", data[16:24])
    elif data.startswith(b"\xff\xd8"):
        kind, (width, height) = "jpg", _jpeg_size(data)
    else:
        drawing = b"<svg" in data[:1000].lower()
        why = " but an SVG, which may hold scripts" if drawing else ""
        raise PictureError(f"the file is neither a PNG nor a JPEG{why}; save the plan as one of them")
    if not 0 < width * height <= MOST_PIXELS:
        raise PictureError(
            f"the picture has {width:,} x {height:,} pixels; at most {MOST_PIXELS // 10**6} million. Save it smaller"
        )
    return kind, width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + length
    raise PictureError("the JPEG says no size; save the plan again")
