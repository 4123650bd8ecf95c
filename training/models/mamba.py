"""Mamba localiser: Linear -> L x [RMSNorm -> Mamba block -> residual add] -> Linear, then a CRF over the window.

Glossary, in the letters of the paper (Gu and Dao, arXiv 2312.00752) where it has one:

    B   batch                         T   samples (the paper's L, sequence length)
    P   access points                 C   classes
    H   hidden size (d_model, D)      E   inner channels = expand * H (d_inner, ED)
    N   states a channel (d_state)    K   conv_width (d_conv)
    R   rank of dt = ceil(H / 16) (dt_rank)
    u   input of the scan             dt  step size (delta)
    A, B, C, D  of the state space model; B and C depend on the sample, which is what "selective" means

Sizes and parameter counts follow Suwannaphong et al., arXiv 2412.09289. Departures from the official code: RMSNorm and
residual are in plain float32, `A_log`, `D` and the bias of dt are ordinary parameters, and there is a `step` with
explicit state.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.scan import scan_step, selective_scan
from tinyloc.training.models.settings import ModelSettings

NORM_EPSILON = 1e-6
SMALLEST_DT, LARGEST_DT = 0.001, 0.1
"""Range of the step size at the start of training, as in the paper's section 3.6."""


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + epsilon) * weight over the last dimension (Zhang and Sennrich, arXiv 1910.07467)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., H) -> (..., H)."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + NORM_EPSILON) * self.weight


class MambaBlock(nn.Module):
    """One block of figure 3 of the paper, in window form and as one step.

    Initial values as in section 3.6: A_n = -n (S4D-real), the bias of dt such that softplus(bias) is log-uniform.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        hidden = settings.hidden_sizes[0]
        self.hidden = hidden
        self.inner = settings.expand * hidden  # E
        self.states = settings.state_size  # N
        self.width = settings.conv_width  # K
        self.rank = math.ceil(hidden / 16)  # R
        self.in_proj = nn.Linear(hidden, 2 * self.inner, bias=False)
        self.conv = nn.Conv1d(self.inner, self.inner, self.width, groups=self.inner)
        self.x_proj = nn.Linear(self.inner, self.rank + 2 * self.states, bias=False)
        self.dt_proj = nn.Linear(self.rank, self.inner)
        self.a_log = nn.Parameter(torch.arange(1.0, self.states + 1).repeat(self.inner, 1).log())  # (E, N)
        self.d = nn.Parameter(torch.ones(self.inner))
        self.out_proj = nn.Linear(self.inner, hidden, bias=False)
        with torch.no_grad():
            span = math.log(LARGEST_DT) - math.log(SMALLEST_DT)
            dt = torch.exp(torch.rand(self.inner) * span + math.log(SMALLEST_DT))
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # inverse of softplus
            nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Window form: (B, T, H) -> (B, T, H)."""
        u, z = self.in_proj(x).chunk(2, dim=-1)  # (B, T, E) each
        padded = functional.pad(u.transpose(1, 2), (self.width - 1, 0))  # (B, E, K - 1 + T)
        u = functional.silu(self.conv(padded)).transpose(1, 2)
        dt, b, c = self._select(u)
        y = selective_scan(u, dt, -self.a_log.exp(), b, c, self.d)
        return cast(Tensor, self.out_proj(y * functional.silu(z)))

    def step(self, x: Tensor, conv: Tensor, scan: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One sample: x (B, H) -> y (B, H) and the next states.

        conv (B, K - 1, E): the last inputs of the convolution, oldest first; scan (B, E, N).
        """
        u, z = self.in_proj(x).chunk(2, dim=-1)  # (B, E) each
        window = torch.cat([conv, u[:, None]], dim=1)  # (B, K, E), oldest first
        taps = self.conv.weight[:, 0].T  # (K, E)
        u = functional.silu((window * taps).sum(1) + cast(Tensor, self.conv.bias))
        dt, b, c = self._select(u)
        y, scan = scan_step(u, dt, -self.a_log.exp(), b, c, self.d, scan)
        return self.out_proj(y * functional.silu(z)), window[:, 1:], scan

    def _select(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """u (..., E) -> dt (..., E) positive, B (..., N), C (..., N): section 3.2, the selection mechanism."""
        low, b, c = self.x_proj(u).split([self.rank, self.states, self.states], dim=-1)
        return functional.softplus(self.dt_proj(low)), b, c


class MambaLocaliser(Localiser):
    """Embedding, Mamba blocks behind RMSNorm, linear head (arXiv 2412.09289).

    State: for each block the convolution's last K - 1 inputs and the scan state.
    """

    def __init__(self, settings: ModelSettings, inputs: int, classes: int) -> None:
        super().__init__(settings, inputs, classes)
        hidden = settings.hidden_sizes[0]
        self.embed = nn.Linear(inputs, hidden)
        self.norms = nn.ModuleList(RMSNorm(hidden) for _ in range(settings.layers))
        self.blocks = nn.ModuleList(MambaBlock(settings) for _ in range(settings.layers))
        self.dropout = nn.Dropout(settings.dropout_rates[0])
        self.head = nn.Linear(hidden, classes, bias=False)
        names = []
        for layer in range(settings.layers):
            names += [f"conv_{layer}", f"scan_{layer}"]
        self.state_names = tuple(names)

    def layers(self) -> list[tuple[RMSNorm, MambaBlock]]:
        """The L pairs of norm and block, in order."""
        pairs = zip(self.norms, self.blocks, strict=True)
        return [(cast(RMSNorm, norm), cast(MambaBlock, block)) for norm, block in pairs]

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C)."""
        x = self.embed(x)
        for norm, block in self.layers():
            x = x + self.dropout(block(norm(x)))
        return cast(Tensor, self.head(x))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), state -> (B, C), next state."""
        x = self.embed(x)
        following: list[Tensor] = []
        for layer, (norm, block) in enumerate(self.layers()):
            y, conv, scan = block.step(norm(x), state[2 * layer], state[2 * layer + 1])
            x = x + y
            following += [conv, scan]
        return self.head(x), tuple(following)

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: (B, K - 1, E) and (B, E, N) for each block."""
        zeros: list[Tensor] = []
        for _, block in self.layers():
            like = block.d
            zeros += [
                like.new_zeros(batch, block.width - 1, block.inner),
                like.new_zeros(batch, block.inner, block.states),
            ]
        return tuple(zeros)
