"""The one clock of readings and marks: it runs in real time, or with a replay, and never back."""

from collections.abc import Callable


class Timeline:
    """Seconds since the recorder began. `clock` counts real seconds from any zero."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen = clock()
        self._at = 0.0

    def now(self, replaying: bool) -> float:
        """Read the clock.

        Args:
            replaying: A replay is the only source since the last look; the clock then stands between its readings. Look
                once before this changes.

        Returns:
            Seconds, never fewer than before.
        """
        seen = self._clock()
        if not replaying:
            self._at += max(0.0, seen - self._seen)
        self._seen = seen
        return self._at

    def reach(self, at: float) -> None:
        """A reading or a place of a replay is at `at`: it is not earlier than that now."""
        self._at = max(self._at, at)
