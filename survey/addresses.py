"""Private Bluetooth addresses: phones change theirs about every 15 minutes, so a radio map of them is worthless.

Source: Bluetooth Core 5.4, volume 6, part B, 1.3.2: the two top bits of a random address are 11 (static), 01
(resolvable private) or 00 (non-resolvable private). A static one is kept until the power is switched off, and many
beacons have one: it is no phone's here. Addresses that a company owns may have the same bits, and a line
does not say which kind it is. So the bits alone are no proof. Beacons of one batch share the three bytes of their
maker, random addresses share them with nobody; and no phone keeps its address for long.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_MAKER = 8
"""Characters of the three bytes that are a maker's."""
LONGEST_LIFE_S = 20 * 60.0
"""The specification recommends a new address every 15 minutes."""
FEW = 3
"""So many ids that look private are phones; one or two may be beacons of other makers."""


def is_address(name: str) -> bool:
    """Whether an id is written as a Bluetooth address."""
    return _ADDRESS.fullmatch(name) is not None


@lru_cache(maxsize=10_000)
def may_be_private(name: str) -> bool:
    """Whether an id is an address whose top bits are those of a private one, 00 or 01."""
    return is_address(name) and int(name[:2], 16) >> 6 in (0, 1)


@dataclass(frozen=True)
class Life:
    """When an id was heard, in seconds of the session's clock."""

    first_s: float
    last_s: float


def passing(lives: dict[str, Life]) -> list[str]:
    """Ids that are likely phones' private addresses, sorted; known from their first reading on.

    Args:
        lives: All ids that were heard.

    Returns:
        Ids with private bits that share their first three bytes with no other id and lived for less than
        LONGEST_LIFE_S, when there are FEW of them.
    """
    makers = Counter(_maker(name) for name in lives if is_address(name))
    found = [
        name
        for name, life in lives.items()
        if may_be_private(name) and makers[_maker(name)] == 1 and life.last_s - life.first_s < LONGEST_LIFE_S
    ]
    return sorted(found) if len(found) >= FEW else []


def _maker(name: str) -> str:
    return name[:_MAKER].lower().replace("-", ":")
