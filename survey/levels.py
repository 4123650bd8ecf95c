"""What is heard now: for each id its level, rate and life."""

from collections.abc import Collection
from dataclasses import dataclass

from tinyloc.survey.addresses import Life, may_be_private, passing
from tinyloc.survey.aliases import Aliases

SMOOTHING = 0.2
"""Weight of a new reading in the level that the bars show."""
MOST_IDS = 2000
"""Ids that are followed; readings of further ones are recorded all the same."""
RATE_S = 5.0
VANISHED_S = 15.0
STEADY = 30
"""Readings after which an id counts as a beacon that can vanish."""


@dataclass
class Level:
    """One id."""

    level_dbm: float
    strongest_dbm: int
    first_s: float
    last_s: float
    source: str
    count: int = 1
    rate_hz: float = 0.0
    other_source: str = ""
    """Another source that hears the same id."""


class Levels:
    """All ids that were heard since the page was started."""

    def __init__(self) -> None:
        self.ids: dict[str, Level] = {}
        self.beyond = 0
        """Readings of ids beyond MOST_IDS."""

    def add(self, time_s: float, name: str, dbm: int, source: str) -> None:
        """Take a reading."""
        known = self.ids.get(name)
        if known is None:
            if len(self.ids) >= MOST_IDS:
                self.beyond += 1
            else:
                self.ids[name] = Level(float(dbm), dbm, time_s, time_s, source)
            return
        known.level_dbm += SMOOTHING * (dbm - known.level_dbm)
        known.strongest_dbm = max(known.strongest_dbm, dbm)
        step = max(1e-3, time_s - known.last_s)
        known.rate_hz += min(1.0, step / RATE_S) * (1.0 / step - known.rate_hz)
        known.last_s = max(known.last_s, time_s)
        known.count += 1
        if source != known.source:
            known.other_source = source

    def passing(self, ids: Aliases, known: Collection[str] = ()) -> list[str]:
        """Ids that are likely phones passing by and are not ignored yet; an id with a name or a place is a beacon."""
        lives = {
            name: Life(one.first_s, one.last_s)
            for name, one in self.ids.items()
            if ids.resolve(name) and name not in ids.names and name not in known
        }
        return passing(lives)

    def may_be_private(self, but: Collection[str]) -> list[str]:
        """Ids whose bits are those of a private address, but for some; these are beacons all the same."""
        return sorted(name for name in self.ids if may_be_private(name) and name not in but)

    def vanished(self, ids: Aliases) -> list[str]:
        """Beacons that were heard steadily and are silent while others go on."""
        now = self.newest_s
        return sorted(
            name
            for name, one in self.ids.items()
            if ids.resolve(name) == name
            and one.count >= STEADY
            and now - one.last_s > max(VANISHED_S, 20 * (one.last_s - one.first_s) / one.count)
        )

    def shared(self, ids: Aliases) -> list[str]:
        """Ids that two sources hear: one model cannot tell whose reading it gets."""
        return sorted(name for name, one in self.ids.items() if one.other_source and ids.resolve(name))

    @property
    def newest_s(self) -> float:
        return max((one.last_s for one in self.ids.values()), default=0.0)
