"""Training with the exported integers in the loop, as training sees it; integer_training/ does it, with the export."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from tinyloc.bundle.schema import Arithmetic
from tinyloc.training.models.localiser import Localiser

Array = npt.NDArray[np.float32]


class Twin(Localiser):
    """A localiser that computes what the integer file of a model will, and trains that model's parameters."""

    @abstractmethod
    def finished(self) -> Localiser:
        """Return the model, every weight on its integer grid."""


class IntegerTuner(Protocol):
    """Makes twins, and rounds weights."""

    def twin(
        self, model: Localiser, calibration: Array, apart: bool, arithmetic: Arithmetic, mixed: Mapping[str, str]
    ) -> Twin:
        """Wrap a model.

        Args:
            model: to train.
            calibration: (T, P) the stream of model input that the export measures ranges on.
            apart: devices start anew at every sample.
            arithmetic: that the export will use.
            mixed: layer pattern -> width, of the arithmetic "mixed".
        """
        ...

    def round_adaptively(self, twin: Twin, windows: Array, generator: torch.Generator) -> None:
        """Round the weights of the twin's model up or down, as layers' outputs on windows (B, T, P) need, in place."""
        ...
