"""What training asks for: see training/compress/integer_tuner.py.

The export and its tools are imported when a recipe asks for them, so that other trainings need none.
"""

from collections.abc import Mapping

import torch

from tinyloc.bundle.schema import Arithmetic
from tinyloc.training.compress.integer_tuner import Array, Twin
from tinyloc.training.models.localiser import Localiser


class Tuner:
    """Twins by the export's quantiser."""

    def twin(
        self, model: Localiser, calibration: Array, apart: bool, arithmetic: Arithmetic, mixed: Mapping[str, str]
    ) -> Twin:
        """A twin of `model` in the integers that the export will give it."""
        from tinyloc.export.integer_file import widths_of
        from tinyloc.integer_training.twin import IntegerTwin

        return IntegerTwin(model, calibration, apart, widths_of(arithmetic, mixed))

    def round_adaptively(self, twin: Twin, windows: Array, generator: torch.Generator) -> None:
        """Round the weights of the twin's model in place."""
        from tinyloc.integer_training.rounding import round_adaptively
        from tinyloc.integer_training.twin import IntegerTwin

        assert isinstance(twin, IntegerTwin)
        round_adaptively(twin, torch.from_numpy(windows), generator)


INTEGERS = Tuner()
