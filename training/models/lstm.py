"""LSTM localiser, the teacher of the LSTM/MLP study (Hochreiter and Schmidhuber 1997; forget gate: Gers 2000).

For each sample t, sigma the logistic function, * element by element:

    i = sigma(W_i x + b_i + U_i h + d_i)        input gate
    f = sigma(W_f x + b_f + U_f h + d_f)        forget gate
    g = tanh (W_g x + b_g + U_g h + d_g)        candidate
    o = sigma(W_o x + b_o + U_o h + d_o)        output gate
    c' = f * c + i * g
    h' = o * tanh(c')

The four lie one below the other in torch's weights, in this order. `network` runs torch.nn.LSTM; `step` computes the
equations as they stand here and is the reference.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.models.localiser import State
from tinyloc.training.models.recurrent import RecurrentLocaliser


class LstmLocaliser(RecurrentLocaliser):
    """States h and c, (B, H) each, a layer."""

    cell_states = ("h", "c")

    def make_layers(self, inputs: int, hidden: int, layers: int) -> nn.RNNBase:
        """(B, T, P) -> (B, T, H)."""
        return nn.LSTM(inputs, hidden, layers, batch_first=True)

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """x (B, P or H), (h, c) -> (h', c')."""
        w, u, b, d = self.weights(layer)
        h, c = state
        i, f, g, o = (functional.linear(x, w, b) + functional.linear(h, u, d)).chunk(4, dim=-1)  # (B, H) each
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
