"""Lifetime of a battery cell from inference and sleep alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyloc.device.evaluation.evaluation_record import Energy

HOURS_PER_DAY = 24.0
RATES_HZ = (5.0, 1.0)


@dataclass(frozen=True)
class Cell:
    """A primary cell; nominal capacity of common makes at room temperature and low drain."""

    name: str
    milliamp_hours: float


CELLS = (Cell("CR2032 coin cell", 225.0), Cell("2 x AAA alkaline in series", 1100.0))

SHELF_YEARS = 10
"""Shelf life of such cells, which bounds their lifetime."""
DAYS_PER_YEAR = 365.25
_CAPPED = f"over {SHELF_YEARS} years"
OUTLIVED = f"{_CAPPED.capitalize()}: the cell's shelf life ends first."
LEFT_OUT = "radio reception and scanning, wake-up time, conversion losses, self-discharge and ageing"


@dataclass(frozen=True)
class Life:
    """Average current and lifetime at one sample rate."""

    rate_hz: float
    sleep_microamp: float
    inference_microamp: float
    days: list[float]  # one for each of CELLS

    @property
    def microamp(self) -> float:
        return self.sleep_microamp + self.inference_microamp


def lifetime(days: float) -> str:
    """A life as one reads it: days up to two years, then years, up to the cell's shelf life."""
    years = days / DAYS_PER_YEAR
    if years > SHELF_YEARS:
        return _CAPPED
    return f"{days:.0f} days" if years < 2 else f"{years:.1f} years"


def outlived(lives: Sequence[Life]) -> bool:
    """Whether any of these lives is longer than its cell keeps."""
    return any(lifetime(days) == _CAPPED for life in lives for days in life.days)


def battery_life(energy: Energy | None) -> list[Life]:
    """A row for each of RATES_HZ; empty when the supply voltage or the sleep current is unknown.

    Average current = sleep current + energy of an inference * rate / supply voltage (uJ * Hz / V = uA).
    """
    if energy is None or energy.volts is None or energy.sleep_microamp is None:
        return []
    rows = []
    for rate in RATES_HZ:
        inference = energy.microjoule * rate / energy.volts
        total = energy.sleep_microamp + inference
        days = [1e3 * cell.milliamp_hours / total / HOURS_PER_DAY for cell in CELLS]
        rows.append(Life(rate, energy.sleep_microamp, inference, days))
    return rows
