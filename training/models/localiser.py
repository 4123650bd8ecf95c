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
        """Readings (B, T, P) in 0..1 -> scores (B, T, C), from a zero state."""

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One sample: readings (B, P) and the state -> scores (B, C) and the next state."""

    @abstractmethod
    def initial_state(self, batch: int = 1) -> State:
        """The zero state that a recording starts from."""

    def forward(self, x: Tensor) -> Tensor:
        """As `network`."""
        return self.network(x)

    def scores(self, x: Tensor, apart: bool = False) -> Tensor:
        """Readings of one recording (N, P) -> scores (N, C): `stream` in its fast form.

        apart: the state starts anew at each sample, as in N recordings of one sample.
        """
        if apart and self.state_names:
            return torch.cat([self.first_scores(part) for part in torch.split(x, SAMPLES_AT_ONCE)])
        return self.network(x[None])[0]

    def first_scores(self, x: Tensor) -> Tensor:
        """Readings (N, P), each the first of a recording -> scores (N, C)."""
        return self.network(x[:, None])[:, 0]

    def unbuilt(self) -> nn.Module:
        """Layers that the study counts and nothing runs, on torch's meta device: they have a size and no values."""
        return nn.Module()

    def added_parameters(self) -> int:
        """Parameters that the study's model does not have."""
        return 0

    def loss(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Mean loss a labelled sample, a scalar.

        emissions (B, T, C); labels (B, T), class indices; mask (B, T), bool, True where the label counts. With a CRF:
        its negative log likelihood, where the True samples of a window must come first (a CRF has no gaps). Without:
        cross-entropy.
        """
        if self.crf is not None:
            return self.crf.negative_log_likelihood(emissions, labels, mask)
        return nn.functional.cross_entropy(emissions[mask], labels[mask])

    @torch.no_grad()
    def stream(self, x: Tensor) -> Tensor:
        """Readings of one recording (T, P) -> scores (T, C), sample by sample through `step`."""
        state = self.initial_state(1)
        rows = []
        for sample in x:
            scores, state = self.step(sample[None], state)
            rows.append(scores[0])
        return torch.stack(rows) if rows else x.new_zeros(0, self.classes)
