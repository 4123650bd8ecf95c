"""What a model was compared with on its test set, by which version of the rules (docs/concepts/evaluation.md)."""

from typing import Annotated

from pydantic import Field

from tinyloc.bundle.quantities import Count, Figure
from tinyloc.names import Line
from tinyloc.strict import Strict

EVALUATION = 1
"""Version of the evaluation protocol: figures, intervals, baselines (training/protocol)."""
SPLITS = 2
"""Version of the rules by which data sets are split. 1: UJIIndoorLoc validated random scans. 2: whole recorders."""
SIMULATOR = 1
"""Version of the simulated houses."""


Interval = Annotated[tuple[Figure, Figure], Field(strict=False)]
"""Lower and upper end of a 95 % interval."""


class Protocol(Strict):
    """Versions of the rules that figures were made by. Figures of other versions are not comparable."""

    evaluation: int = EVALUATION
    """Of figures, intervals and baselines."""
    splits: int = SPLITS
    """Of the rules that split data sets."""
    simulator: int | None = None
    """Of the simulated houses; null for other data."""


class Difference(Strict):
    """The float model's figure minus the baseline's, on the same decisions."""

    mean: Figure
    """On the test set."""
    low: Figure
    """Lower end of the 95 % interval of the paired bootstrap."""
    high: Figure
    """Upper end of it."""

    @property
    def clear(self) -> bool:
        """The interval excludes zero."""
        return self.low > 0 or self.high < 0


class Baseline(Strict):
    """A simple method on the same split: tuned on validation, fitted on training and validation."""

    name: Line
    """Name of the method."""
    settings: Line
    """What the tuning chose."""
    data_bytes: Count
    """Estimate of what a device would store for it: data without code."""
    figures: dict[Line, Figure]
    """On the test set, by the names of training/protocol/figures.py."""
    intervals: dict[Line, Interval]
    """95 % intervals of the bootstrap, of the same names."""
    differences: dict[Line, Difference] = Field(default_factory=dict)
    """The float model's figures minus these."""


class Comparison(Strict):
    """The baselines of a test set."""

    protocol: Protocol = Protocol()
    unit: Line
    """What the bootstrap draws: recorder, recording, stretch, place or sample."""
    units: Count
    """How many the test set has."""
    positions: bool = False
    """True: a decision is a position, so errors in metres count; false: classes do."""
    baselines: list[Baseline]
