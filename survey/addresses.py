"""Random Bluetooth addresses: phones change theirs about every 15 minutes, so a radio map of them is worthless.

Source: Bluetooth Core 5.4, volume 6, part B, 1.3.2: the two top bits of a random address are 11 (static), 01
(resolvable private) or 00 (non-resolvable private). Addresses that a company owns may have the same bits, and a line
does not say which kind it is. So the bits alone are no proof: an id is called passing when it also vanished, or is new,
while other beacons went on.
"""

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
LONGEST_LIFE_S = 20 * 60.0
"""The specification recommends a new address every 15 minutes."""
SILENT_S = 60.0
"""A beacon that was heard often and is silent for so long has vanished, or changed its address."""
FEW = 5
"""So many short-lived ids that look private are phones passing by, and not beacons that are moved."""


def is_address(name: str) -> bool:
    """Whether an id is written as a Bluetooth address."""
    return _ADDRESS.fullmatch(name) is not None


def may_be_private(name: str) -> bool:
    """Whether an id is an address whose top bits are those of a private one, 00 or 01."""
    return is_address(name) and int(name[:2], 16) >> 6 in (0, 1)


@dataclass(frozen=True)
class Life:
    """When an id was heard, in seconds of the session's clock."""

    first_s: float
    last_s: float


def passing(lives: dict[str, Life], now_s: float) -> list[str]:
    """Ids that are likely phones' private addresses, sorted.

    Args:
        lives: All ids that were heard.
        now_s: Present time.

    Returns:
        Ids with private bits that lived for less than LONGEST_LIFE_S and went silent, when there are FEW of them.
    """
    gone = [
        name
        for name, life in lives.items()
        if may_be_private(name) and life.last_s - life.first_s < LONGEST_LIFE_S and now_s - life.last_s > SILENT_S
    ]
    return sorted(gone) if len(gone) >= FEW else []
