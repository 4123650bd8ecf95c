"""LSTM and GRU localisers as one step; shapes as in step_form.py: (1, n) throughout.

    input_<l>, recurrent_<l>    all gates of a layer in one FC each, one below the other
    cell_<l>                    gate by gate sigma(x + h), the new states: one loop over H in generated code

Both biases of a gate are one number here, but for the GRU's candidate, whose second one the reset gate multiplies.
"""

from typing import cast

import torch
from torch import Tensor, nn

from tinyloc.export.step_parts import Linear, standardiser
from tinyloc.training.models.gru import GruLocaliser
from tinyloc.training.models.lstm import LstmLocaliser
from tinyloc.training.models.recurrent import RecurrentLocaliser


class LstmCell(nn.Module):
    """training/models/lstm.py, with the sums of the gates given."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """x = W x + b, h = U h, (1, 4 H) in the order i, f, g, o; c (1, H) -> h, c."""
        x_i, x_f, x_g, x_o = x.chunk(4, dim=1)
        h_i, h_f, h_g, h_o = h.chunk(4, dim=1)
        c = torch.sigmoid(x_f + h_f) * c + torch.sigmoid(x_i + h_i) * torch.tanh(x_g + h_g)
        return torch.sigmoid(x_o + h_o) * torch.tanh(c), c


class GruCell(nn.Module):
    """training/models/gru.py, with the sums of the gates given; (1 - z) n + z h is n + z (h - n)."""

    def forward(self, x: Tensor, u: Tensor, h: Tensor) -> tuple[Tensor]:
        """x = W x + b, u = U h + d, (1, 3 H) in the order r, z, n; h (1, H) -> h."""
        x_r, x_z, x_n = x.chunk(3, dim=1)
        u_r, u_z, u_n = u.chunk(3, dim=1)
        n = torch.tanh(x_n + torch.sigmoid(x_r + u_r) * u_n)
        return (n + torch.sigmoid(x_z + u_z) * (h - n),)


class _Folded(nn.Module):
    """The parts that both have."""

    def __init__(self, model: RecurrentLocaliser, biases_apart: int) -> None:
        """biases_apart: rows, from the last, whose recurrent bias stays with the recurrent weights."""
        super().__init__()
        layers = model.settings.layers
        self.standardise = standardiser(model.inputs, model.settings.standardise)
        self.input, self.recurrent = nn.ModuleList(), nn.ModuleList()
        for layer in range(layers):
            w, u, b, d = model.weights(layer)
            apart = torch.cat([torch.zeros(len(d) - biases_apart), d[len(d) - biases_apart :]])
            self.input.append(Linear(w, b + d - apart))
            self.recurrent.append(Linear(u, apart if biases_apart else None))
        self.dense, self.head = model.dense, model.head

    def read_out(self, h: Tensor) -> Tensor:
        """(1, H) -> (1, C)."""
        if self.dense is not None:
            h = torch.relu(self.dense(h))
        return cast(Tensor, self.head(h))


class FoldedLstm(_Folded):
    """An LSTM localiser as one step; states h and c a layer."""

    def __init__(self, model: LstmLocaliser) -> None:
        super().__init__(model, biases_apart=0)
        self.cell = nn.ModuleList(LstmCell() for _ in self.input)

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """x (1, P) and (h, c) a layer -> scores (1, C) and the states that follow."""
        x = self.standardise(x)
        following: list[Tensor] = []
        for layer, cell in enumerate(self.cell):
            h, c = state[2 * layer], state[2 * layer + 1]
            x, c = cell(self.input[layer](x), self.recurrent[layer](h), c)
            following += [x, c]
        return self.read_out(x), *following


class FoldedGru(_Folded):
    """A GRU localiser as one step; state h a layer."""

    def __init__(self, model: GruLocaliser) -> None:
        super().__init__(model, biases_apart=model.hidden)
        self.cell = nn.ModuleList(GruCell() for _ in self.input)

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """x (1, P) and h a layer -> scores (1, C) and the states that follow."""
        x = self.standardise(x)
        following: list[Tensor] = []
        for layer, cell in enumerate(self.cell):
            (x,) = cell(self.input[layer](x), self.recurrent[layer](state[layer]), state[layer])
            following.append(x)
        return self.read_out(x), *following
