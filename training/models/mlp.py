"""Multi-layer perceptron on one scan: the student that fits the smallest parts. It carries no state."""

from typing import cast

import torch
from torch import Tensor, nn

from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.models.standardise import Standardise


class MlpLocaliser(Localiser):
    """[Standardise ->] Linear -> ReLU -> dropout for each hidden size, then Linear to the classes; all with bias."""

    def __init__(self, settings: ModelSettings, inputs: int, classes: int) -> None:
        super().__init__(settings, inputs, classes)
        self.standardise = Standardise() if settings.standardise else nn.Identity()
        sizes = [inputs, *settings.hidden_sizes]
        self.hidden = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1))
        self.drops = nn.ModuleList(nn.Dropout(rate) for rate in settings.dropout_rates)
        self.head = nn.Linear(sizes[-1], classes)

    def linear_layers(self) -> list[nn.Linear]:
        """Return hidden layers and head, in order."""
        return [layer for layer in (*self.hidden, self.head) if isinstance(layer, nn.Linear)]

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C), each sample by itself."""
        x = self.standardise(x)
        for layer, drop in zip(self.hidden, self.drops, strict=True):
            x = drop(torch.relu(layer(x)))
        return cast(Tensor, self.head(x))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), () -> (B, C), ()."""
        return self.network(x), state

    def initial_state(self, batch: int = 1) -> State:
        """Nothing."""
        return ()
