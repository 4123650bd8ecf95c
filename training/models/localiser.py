"""What every localiser offers: a window form to train, and the same network as one step with explicit state."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from tinyloc.training.models.crf import CRF
from tinyloc.training.models.settings import ModelSettings

State = tuple[Tensor, ...]
SAMPLES_AT_ONCE = 4096
"""First samples of recordings that are computed together; more would take memory and save no time."""


class Localiser(nn.Module, ABC):
    """From preprocessed readings to one score a class and sample.

    Letters: B batch, T samples, P access points, C classes. `network` over T samples equals T calls of `step` that
    start from `initial_state`: training uses the first, a device runs the second.
    """

    state_names: tuple[str, ...] = ()
    """Names of the tensors that `step` carries, in their order; empty when each sample stands alone."""

    def __init__(self, settings: ModelSettings, inputs: int, classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.inputs = inputs
        self.classes = classes
        self.crf: CRF | None = CRF(classes) if settings.crf else None

    @abstractmethod
    def network(self, x: Tensor) -> Tensor:
        """Compute scores of whole windows from a zero state.

        Args:
            x: readings (B, T, P) in 0..1.

        Returns:
            (B, T, C).
        """

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute one sample.

        Args:
            x: readings (B, P) in 0..1.
            state: as `initial_state` or the last step gave it.

        Returns:
            Scores (B, C) and the next state.
        """

    @abstractmethod
    def initial_state(self, batch: int = 1) -> State:
        """Return the zero state that a recording starts from, for `batch` recordings."""

    def forward(self, x: Tensor) -> Tensor:
        """As `network`."""
        return self.network(x)

    def scores(self, x: Tensor, apart: bool = False) -> Tensor:
        """Compute the scores of one recording in the fast form of `stream`.

        Args:
            x: readings (N, P) in 0..1.
            apart: restart the state at each sample, as in N recordings of one sample.

        Returns:
            (N, C).
        """
        if apart and self.state_names:
            return torch.cat([self.first_scores(part) for part in torch.split(x, SAMPLES_AT_ONCE)])
        return self.network(x[None])[0]

    def first_scores(self, x: Tensor) -> Tensor:
        """Compute the scores of samples that are each the first of a recording: readings (N, P) -> (N, C)."""
        return self.network(x[:, None])[:, 0]

    def unbuilt(self) -> nn.Module:
        """Return the layers that arXiv 2412.09289 counts and nothing runs.

        They are on torch's meta device: sizes without values.
        """
        return nn.Module()

    def added_parameters(self) -> int:
        """Count the parameters that the model of arXiv 2412.09289 does not have."""
        return 0

    def loss(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Compute the mean loss per labelled sample, a scalar: the CRF's negative log likelihood, else cross-entropy.

        Args:
            emissions: scores (B, T, C).
            labels: class indices (B, T).
            mask: (B, T), True where the label counts; with a CRF the True samples of a window come first.
        """
        if self.crf is not None:
            return self.crf.negative_log_likelihood(emissions, labels, mask)
        return nn.functional.cross_entropy(emissions[mask], labels[mask])

    @torch.no_grad()
    def stream(self, x: Tensor) -> Tensor:
        """Compute the scores of one recording sample by sample through `step`: readings (T, P) -> (T, C)."""
        state = self.initial_state(1)
        rows = []
        for sample in x:
            scores, state = self.step(sample[None], state)
            rows.append(scores[0])
        return torch.stack(rows) if rows else x.new_zeros(0, self.classes)
