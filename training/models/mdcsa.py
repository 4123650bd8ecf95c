"""MDCSA localiser (Jovan et al., KDD 2023) for one modality, in the published window form and as a stream.

    H   hidden size       T   samples that attention sees (`context`)     L   blocks, 1 or 3
    P   access points     C   classes                                     k   kernel size of a block: 1; or 1, 4, 7

    embed   e = sqrt(H) (W x + b)                                   + sinusoidal position, in the window form
    block   K, Q = tanh(causal Conv1d(e; H, H, k))
            u = LayerNorm(attention(Q, K, V = e) + e)
            y = LayerNorm(GLU(W3 W2 ELU(W1 u)) + u)                 W1 (4H, H), W2 (4H, 4H), W3 (2H, 4H), all with bias
    mix     z = the blocks' y interleaved in time: sample 0 of each block, sample 1 of each block, ...
    attend  a = attention(z, z, z)
    join    o = Conv1d(a; H, H, 3, stride L)
    head    scores = W LayerNorm(o) + b, then a CRF

Two settings of `attention`:

"window", as published: every sample of a window of T sees every other, and positions count from the window's start.
Nothing but W x + b can be kept from one window to the next, so as a stream it costs T rows a sample: `step` runs the
window that ends at the new sample and gives its last row.

"streaming", which devices run: a sample sees itself and the T - 1 before it, at both attentions; before the first
sample lie zeros. Position enters the scores as a bias by distance, one learned number for each of the T distances a
block. It starts as p_0 . p_d / sqrt(H), with p the sinusoids: the one term of the published product (e_t + p_t) .
(e_s + p_s) that depends on the distance d = t - s alone. The join is causal: with L = 1 it sees the last three samples,
with L = 3 the sample's three rows. So each row is computed once, when its sample arrives: `step` costs one row of
everything and T products of attention, and `network` over any number of samples equals that many steps.

The published counts include a second modality's branch, which nothing runs: `unbuilt` describes it for counting only.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.models.attention import attend, attend_last
from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.settings import ModelSettings

KERNELS = {1: (1,), 3: (1, 4, 7)}
"""Kernel sizes by number of blocks."""
JOIN_WIDTH = 3


def sinusoids(samples: int, hidden: int) -> Tensor:
    """Return positions (T, H): sin(t w_i) in even columns, cos(t w_i) in odd ones, w_i = 10000^(-2i / H).

    Source: Vaswani et al. 2017, section 3.5.
    """
    angle = torch.arange(samples)[:, None] * 10000.0 ** (-torch.arange(0, hidden, 2) / hidden)  # (T, ceil(H / 2))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :hidden]


class GatedResidual(nn.Module):
    """LayerNorm(GLU(W3 W2 ELU(W1 u)) + u): the gated residual network of Lim et al., arXiv 1912.09363, section 4.1."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(hidden, 4 * hidden)
        self.mix = nn.Linear(4 * hidden, 4 * hidden)
        self.gate = nn.Linear(4 * hidden, 2 * hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, u: Tensor) -> Tensor:
        """(..., H) -> (..., H)."""
        gated = functional.glu(self.gate(self.mix(functional.elu(self.widen(u)))), dim=-1)
        return cast(Tensor, self.norm(self.dropout(gated) + u))


class DcsaBlock(nn.Module):
    """Dynamic-context self-attention with causal convolutions of width k."""

    def __init__(self, hidden: int, kernel: int, context: int, dropout: float, streaming: bool) -> None:
        super().__init__()
        self.kernel, self.context = kernel, context
        self.key = nn.Conv1d(hidden, hidden, kernel)
        self.query = nn.Conv1d(hidden, hidden, kernel)
        self.norm = nn.LayerNorm(hidden)
        self.residual = GatedResidual(hidden, dropout)
        self.bias: nn.Parameter | None = None
        if streaming:
            position = sinusoids(context, hidden)
            self.bias = nn.Parameter((position @ position[0]).flip(0) / math.sqrt(hidden))  # (T), oldest first

    def forward(self, e: Tensor) -> Tensor:
        """Streaming over N samples: (B, N, H) -> (B, N, H)."""
        key, query = self._projections(functional.pad(e, (0, 0, self.kernel - 1, 0)))
        attended = attend_last(query[:, :, None], key[:, :, None], e[:, :, None], self.context, self.bias)[:, :, 0]
        return self._finish(attended, e)

    def whole(self, e: Tensor) -> Tensor:
        """Published window: (B, T, H) -> (B, T, H)."""
        key, query = self._projections(functional.pad(e, (0, 0, self.kernel - 1, 0)))
        return self._finish(attend(query, key, e), e)

    def step(self, values: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """values (B, T, H), the newest last; keys (B, T - 1, H), those before it -> y (B, H) and the new key (B, H)."""
        key, query = self._projections(values[:, -self.kernel :])  # (B, 1, H) each
        attended = attend(query, torch.cat([keys, key], dim=1), values, self.bias)
        return self._finish(attended[:, 0], values[:, -1]), key[:, 0]

    def _projections(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """(B, k - 1 + N, H) -> K, Q (B, N, H)."""
        channels_first = e.transpose(1, 2)
        key, query = torch.tanh(self.key(channels_first)), torch.tanh(self.query(channels_first))
        return key.transpose(1, 2), query.transpose(1, 2)

    def _finish(self, attended: Tensor, e: Tensor) -> Tensor:
        return cast(Tensor, self.residual(self.norm(attended + e)))


class MdcsaLocaliser(Localiser):
    """State of "streaming": the last T - 1 embedded samples, keys of each block and mixed rows, for L = 1 also the last
    two attended rows. State of "window": the last T - 1 samples."""

    def __init__(self, settings: ModelSettings, inputs: int, classes: int) -> None:
        super().__init__(settings, inputs, classes)
        hidden = settings.hidden_sizes[0]
        self.hidden, self.context = hidden, settings.context
        self.streaming = settings.attention == "streaming"
        self.embed = nn.Linear(inputs, hidden)
        self.blocks = nn.ModuleList(
            DcsaBlock(hidden, kernel, settings.context, settings.dropout_rates[0], self.streaming)
            for kernel in KERNELS[settings.layers]
        )
        self.join = nn.Conv1d(hidden, hidden, JOIN_WIDTH, stride=settings.layers)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, classes)
        if self.streaming:
            keys = tuple(f"keys_{block}" for block in range(settings.layers))
            self.state_names = ("values", *keys, "mixed", *(("attended",) if settings.layers == 1 else ()))
        else:
            self.state_names = ("readings",)

    def dcsa_blocks(self) -> list[DcsaBlock]:
        """The L blocks, in order."""
        return [cast(DcsaBlock, block) for block in self.blocks]

    def network(self, x: Tensor) -> Tensor:
        """(B, N, P) -> (B, N, C). In "window" form the N samples are windows of T, one after the other."""
        if self.streaming:
            return self._stream(x)
        windows = [self.window(part) for part in torch.split(x, self.context, dim=1)]
        return torch.cat(windows, dim=1)

    def scores(self, x: Tensor, apart: bool = False) -> Tensor:
        """(N, P) -> (N, C). In "window" form: of each sample, as the last of the T that end at it."""
        if self.streaming or apart:
            return super().scores(x, apart)
        padded = functional.pad(x, (0, 0, self.context - 1, 0))
        return self.window(padded.unfold(0, self.context, 1).transpose(1, 2))[:, -1]

    def first_scores(self, x: Tensor) -> Tensor:
        """(N, P) -> (N, C). In "window" form zeros precede the sample, as in a stream."""
        return super().first_scores(x) if self.streaming else self.step(x, self.initial_state(len(x)))[0]

    def window(self, x: Tensor) -> Tensor:
        """The published form on one window of at most T samples: (B, T, P) -> (B, T, C)."""
        e = self._embed(x) + sinusoids(x.shape[1], self.hidden).to(x)
        z = torch.stack([block.whole(e) for block in self.dcsa_blocks()], dim=2).flatten(1, 2)  # (B, T * L, H)
        attended = attend(z, z, z)
        if self.settings.layers == 1:
            attended = functional.pad(attended, (0, 0, 1, 1))
        return self._read_out(attended)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), state -> (B, C), next state."""
        if not self.streaming:
            window = torch.cat([state[0], x[:, None]], dim=1)  # (B, T, P)
            return self.window(window)[:, -1], (window[:, 1:],)
        layers = self.settings.layers
        values = torch.cat([state[0], self._embed(x)[:, None]], dim=1)  # (B, T, H)
        outputs, keys = zip(
            *(block.step(values, k) for block, k in zip(self.dcsa_blocks(), state[1:], strict=False)), strict=True
        )
        row = torch.stack(outputs, dim=1)  # (B, L, H)
        mixed = torch.cat([state[1 + layers], row.flatten(1)[:, None]], dim=1)  # (B, T, L * H)
        z = mixed.reshape(x.shape[0], -1, self.hidden)  # (B, T * L, H)
        attended = attend(row, z, z)  # (B, L, H)
        following = [values[:, 1:], *(torch.cat([old[:, 1:], new[:, None]], dim=1)
                                      for old, new in zip(state[1:], keys, strict=False)), mixed[:, 1:]]  # fmt: skip
        if layers == 1:
            attended = torch.cat([state[-1], attended], dim=1)  # (B, 3, H)
            following.append(attended[:, 1:])
        return self._read_out(attended)[:, 0], tuple(following)

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: (B, T - 1, H) of values and of keys, (B, T - 1, L * H) mixed, (B, 2, H) attended."""
        past, hidden, layers = self.context - 1, self.hidden, self.settings.layers
        zeros = self.embed.weight.new_zeros
        if not self.streaming:
            return (zeros(batch, past, self.inputs),)
        state = [zeros(batch, past, hidden) for _ in range(1 + layers)] + [zeros(batch, past, layers * hidden)]
        if layers == 1:
            state.append(zeros(batch, JOIN_WIDTH - 1, hidden))
        return tuple(state)

    def unbuilt(self) -> nn.Module:
        """In each block, for the second modality: two convolutions, a LayerNorm and a context Linear(H, 4H)."""
        hidden = self.hidden
        with torch.device("meta"):
            return nn.ModuleList(
                nn.ModuleList([
                    nn.Conv1d(hidden, hidden, kernel), nn.Conv1d(hidden, hidden, kernel), nn.LayerNorm(hidden),
                    nn.Linear(hidden, 4 * hidden, bias=False),
                ])
                for kernel in KERNELS[self.settings.layers]
            )  # fmt: skip

    def added_parameters(self) -> int:
        """The biases by distance of the streaming form."""
        return sum(block.bias.numel() for block in self.dcsa_blocks() if block.bias is not None)

    def _embed(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.embed(x)) * math.sqrt(self.hidden)

    def _stream(self, x: Tensor) -> Tensor:
        """(B, N, P) -> (B, N, C)."""
        e = self._embed(x)
        z = torch.stack([block(e) for block in self.dcsa_blocks()], dim=2)  # (B, N, L, H)
        attended = attend_last(z, z, z, self.context).flatten(1, 2)  # (B, N * L, H)
        if self.settings.layers == 1:
            attended = functional.pad(attended, (0, 0, JOIN_WIDTH - 1, 0))
        return self._read_out(attended)

    def _read_out(self, attended: Tensor) -> Tensor:
        """(B, rows, H) -> (B, N, C)."""
        joined = self.join(attended.transpose(1, 2)).transpose(1, 2)
        return cast(Tensor, self.head(self.norm(joined)))
