"""What the LSTM and GRU localisers share: standardise -> L recurrent layers -> [Linear, ReLU] -> Linear to the classes.

After the teacher of the LSTM/MLP study: each sample is standardised over its readings, one recurrent layer of H units
follows, then Linear(H, D) and ReLU, then Linear(D, C). A window's class is read from its last sample's scores. With
`dense = 0` the middle layer is left out.

Letters: B batch, T samples, P access points, C classes, H hidden units, D units of the dense layer, L layers.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.models.standardise import Standardise


class RecurrentLocaliser(Localiser):
    """The state is `states_per_layer` vectors (B, H) a layer, named `cell_states` with the layer's number."""

    cell_states: tuple[str, ...]
    """Names of a layer's states, the hidden state h first."""

    def __init__(self, settings: ModelSettings, inputs: int, classes: int) -> None:
        super().__init__(settings, inputs, classes)
        hidden = settings.hidden_sizes[0]
        self.hidden = hidden
        self.standardise = Standardise() if settings.standardise else nn.Identity()
        self.recurrent = self.make_layers(inputs, hidden, settings.layers)
        self.dropout = nn.Dropout(settings.dropout_rates[0])
        dense = hidden if settings.dense is None else settings.dense
        self.dense = nn.Linear(hidden, dense) if dense else None
        self.head = nn.Linear(dense or hidden, classes)
        self.state_names = tuple(f"{name}_{layer}" for layer in range(settings.layers) for name in self.cell_states)

    @abstractmethod
    def make_layers(self, inputs: int, hidden: int, layers: int) -> nn.RNNBase:
        """Make torch's own recurrent layers, batch first: the fast form, (B, T, P) -> (B, T, H)."""

    @abstractmethod
    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """Compute one layer and sample: x (B, P or H) and the states (B, H) of that layer -> its next states."""

    def weights(self, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the weights of one layer: input (G * H, P or H), recurrent (G * H, H), both biases (G * H,)."""
        w, u, b, c = (getattr(self.recurrent, f"{kind}_l{layer}") for kind in
                      ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))  # fmt: skip
        return w, u, b, c

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C)."""
        return self._read_out(self.recurrent(self.standardise(x))[0])

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), state -> (B, C), next state: the equations of `cell`, layer after layer."""
        x = self.standardise(x)
        each = len(self.cell_states)
        following: list[Tensor] = []
        for layer in range(self.settings.layers):
            after = self.cell(layer, x, state[layer * each : (layer + 1) * each])
            following += after
            x = after[0]
        return self._read_out(x), tuple(following)

    def initial_state(self, batch: int = 1) -> State:
        """Zeros (B, H), one for each name."""
        return tuple(self.head.weight.new_zeros(batch, self.hidden) for _ in self.state_names)

    def _read_out(self, h: Tensor) -> Tensor:
        """(..., H) -> (..., C)."""
        h = self.dropout(h)
        if self.dense is not None:
            h = self.dropout(torch.relu(self.dense(h)))
        scores: Tensor = self.head(h)
        return scores
