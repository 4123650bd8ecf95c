"""GRU localiser (Cho et al., arXiv 1406.1078, in the form of torch: the reset gate acts behind the recurrent product).

For each sample t, sigma the logistic function, * element by element:

    r = sigma(W_r x + b_r + U_r h + d_r)        reset gate
    z = sigma(W_z x + b_z + U_z h + d_z)        update gate
    n = tanh (W_n x + b_n + r * (U_n h + d_n))  candidate
    h' = (1 - z) * n + z * h

The three lie one below the other in torch's weights, in this order. `network` runs torch.nn.GRU; `step` computes the
equations as they stand here and is the reference.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.models.localiser import State
from tinyloc.training.models.recurrent import RecurrentLocaliser


class GruLocaliser(RecurrentLocaliser):
    """State h, (B, H), a layer."""

    cell_states = ("h",)

    def make_layers(self, inputs: int, hidden: int, layers: int) -> nn.RNNBase:
        """(B, T, P) -> (B, T, H)."""
        return nn.GRU(inputs, hidden, layers, batch_first=True)

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """x (B, P or H), (h,) -> (h',)."""
        w, u, b, d = self.weights(layer)
        (h,) = state
        x_r, x_z, x_n = functional.linear(x, w, b).chunk(3, dim=-1)  # (B, H) each
        h_r, h_z, h_n = functional.linear(h, u, d).chunk(3, dim=-1)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
        return ((1 - z) * n + z * h,)
