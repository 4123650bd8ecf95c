"""A mutation corpus: what a bad line and a hostile host put on the wire."""

import random
import struct

from tests.firmware.host_device import BAUD, DENSE, HELLO, RESET, SPARSE, frame, payload, sparse_body, wire


def garbage(rng: random.Random, count: int, inputs: int) -> bytes:
    """Good frames, damaged frames and noise, in any order."""
    out = bytearray()
    for n in range(count):
        kind = rng.choice([HELLO, RESET, BAUD, SPARSE, DENSE, DENSE, SPARSE, 0x42])
        body = {
            BAUD: struct.pack("<I", rng.randrange(1 << 24)),
            DENSE: rng.randbytes(inputs),
            SPARSE: sparse_body(sorted((rng.randrange(inputs + 1), rng.randint(-128, 127)) for _ in range(4))),
        }.get(kind, b"")
        data = bytearray(frame(kind, n & 0xFFFF, body))
        damage = rng.randrange(5)
        if damage == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif damage == 1:
            del data[rng.randrange(len(data)) :]
        elif damage == 2:
            data[rng.randrange(len(data)) : 0] = rng.randbytes(rng.randrange(40))
        elif damage == 3:
            data = bytearray(wire(payload(kind, n & 0xFFFF, rng.randbytes(rng.randrange(60)))))
        out += data
    return bytes(out)
