"""The clock of a source on the clock of the session: an unknown zero, slow drift, jumps."""

from dataclasses import dataclass

JUMP_S = 5.0
"""A difference from what is expected that no drift or delay explains."""
FOLLOW = 0.002
"""Share of a delay that the offset follows per reading: drift of crystals is slow."""
LONGEST_STEP_S = 60.0
"""Of a replay: a longer step forward, or one backward of JUMP_S, is the beginning of another recording."""


@dataclass
class SourceClock:
    """Turns times of one source into times of the session.

    `real_time`: readings arrive when they are made, so arrival times check the source's clock. A replay has no such
    check.
    """

    real_time: bool = True
    jumps: int = 0
    _offset: float | None = None
    _last: float = 0.0

    def at(self, time_s: float | None, arrival_s: float) -> tuple[float, float]:
        """Place one reading.

        Args:
            time_s: By the source's clock; None where it has none.
            arrival_s: On the session's clock.

        Returns:
            Seconds on the session's clock, and by how many seconds the source's clock jumped (0: it did not).
        """
        if time_s is None:
            return arrival_s, 0.0
        if self._offset is None:
            self._offset = arrival_s - time_s
            self._last = arrival_s
            return arrival_s, 0.0
        return self._checked(time_s, arrival_s) if self.real_time else self._replayed(time_s)

    def restart(self) -> None:
        """Place the next reading at its arrival."""
        self._offset = None

    def _checked(self, time_s: float, arrival_s: float) -> tuple[float, float]:
        assert self._offset is not None
        late = arrival_s - (time_s + self._offset)
        if abs(late) > JUMP_S:
            self._offset = arrival_s - time_s
            self.jumps += 1
            return arrival_s, -late
        # nothing arrives before it is made: a negative delay corrects the offset at once
        self._offset += late if late < 0 else FOLLOW * late
        return time_s + self._offset, 0.0

    def _replayed(self, time_s: float) -> tuple[float, float]:
        assert self._offset is not None
        step = time_s + self._offset - self._last
        jumped = 0.0
        if not -JUMP_S <= step <= LONGEST_STEP_S:
            self._offset -= step - 1.0
            self.jumps += 1
            jumped = step
        at = time_s + self._offset
        self._last = max(self._last, at)
        return at, jumped
