"""A localiser as one time step, written so that it converts well: few operators, constants folded, integers in mind.

The graph of a Mamba block, in the letters of training/models/mamba.py; the names are those of the layers below and
appear in the exported files:

    norm        w = x * RSQRT(FC(|x|)); v = w * RSQRT(FC(w * w))    means are FC with equal weights: no SUM, no MEAN
    u_proj, z_proj      u, z = FC(v), FC(v)         in_proj in two, each with its own scale; the norm's weight folded in
    conv        u = CONV(window of states and u)    depthwise, over the K samples
    conv_silu   u = u * sigmoid(u)
    low_proj, dt_proj   a = FC(FC(u))               both signs of -dt sit in these weights
    step_size   l = log(sigmoid(a))                 = -dt, as softplus(a) = -log(sigmoid(-a)): no SELECT, no ABS
    b_proj, c_proj      B, C = FC(u), FC(u)         x_proj in three, each with its own scale; B negated to meet l = -dt
    scan        h = exp(l * exp(A_log)) * h + (l * u) * B;  y = BATCH_MATMUL(C, h) + D * u
    gate        y = y * (z * sigmoid(z))
    out_proj    x = x + FC(y)

Kernels that are wrong or missing (SUM, SELECT, DIV and NEG in int16) are not needed. State tensors are of rank 2,
(1, n), and so is everything but the operands of CONV and BATCH_MATMUL: converters permute what has a higher rank. C.h
stays of rank 3, else it would become an FC with variable weights. h is (N, E) here: the channels come last, as in u.
LSTM and GRU are in step_recurrent.py, MDCSA in step_attention.py.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.export.step_attention import FoldedMdcsa, FoldedWindow
from tinyloc.export.step_parts import Linear, NormScale, standardiser
from tinyloc.export.step_recurrent import FoldedGru, FoldedLstm
from tinyloc.training.models.gru import GruLocaliser
from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.lstm import LstmLocaliser
from tinyloc.training.models.mamba import MambaBlock, MambaLocaliser, RMSNorm
from tinyloc.training.models.mdcsa import MdcsaLocaliser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.own import OwnLocaliser


class Silu(nn.Module):
    """x * sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """(1, E) -> (1, E)."""
        return x * torch.sigmoid(x)


class DepthwiseConv(nn.Module):
    """A convolution of an image (1, E, K, 1), each channel on its own."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", conv.weight[..., None].clone())  # (E, 1, K, 1)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.clone())

    def forward(self, image: Tensor) -> Tensor:
        """(1, E, K, 1) -> (1, E, 1, 1)."""
        return functional.conv2d(image, self.weight, self.bias, groups=len(self.weight))


class WindowConv(nn.Module):
    """The causal depthwise convolution at the newest sample."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.conv, self.channels = DepthwiseConv(conv), conv.in_channels

    def forward(self, window: Tensor) -> Tensor:
        """(1, K * E), oldest sample first -> (1, E)."""
        image = window.reshape(1, -1, 1, self.channels).permute(0, 3, 1, 2)  # (1, E, K, 1), channels first
        return cast(Tensor, self.conv(image)).reshape(1, self.channels)


class StepSize(nn.Module):
    """log(sigmoid(a)) = -softplus(-a)."""

    def forward(self, a: Tensor) -> Tensor:
        """(1, E) -> (1, E)."""
        return torch.log(torch.sigmoid(a))


class Scan(nn.Module):
    """One step of the selective scan with -dt and -B given."""

    def __init__(self, block: MambaBlock) -> None:
        super().__init__()
        self.inner, self.states = block.inner, block.states
        self.rates: Tensor
        self.skip: Tensor
        self.register_buffer("rates", block.a_log.exp().T.contiguous())  # (N, E) = -A
        self.register_buffer("skip", block.d[None].clone())  # (1, E) = D

    def forward(self, u: Tensor, l: Tensor, b: Tensor, c: Tensor, scan: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        """u, l (1, E); b, c (1, N); scan (1, N * E) -> y (1, E), scan."""
        decay = torch.exp(l * self.rates)  # (N, E)
        h = decay * scan.reshape(self.states, self.inner) + (l * u) * b.reshape(self.states, 1)
        y = torch.matmul(c.reshape(1, 1, self.states), h.reshape(1, self.states, self.inner)).reshape(1, self.inner)
        return y + self.skip * u, h.reshape(1, self.states * self.inner)


class FoldedBlock(nn.Module):
    """RMSNorm, Mamba block and residual add of one sample, from trained layers."""

    def __init__(self, norm: RMSNorm, block: MambaBlock) -> None:
        super().__init__()
        self.inner = block.inner
        in_proj = block.in_proj.weight * norm.weight
        low, b, c = torch.split(block.x_proj.weight, [block.rank, block.states, block.states])
        self.norm = NormScale(block.hidden)
        self.u_proj, self.z_proj = Linear(in_proj[: self.inner]), Linear(in_proj[self.inner :])
        self.conv, self.conv_silu = WindowConv(block.conv), Silu()
        self.low_proj, self.b_proj, self.c_proj = Linear(low), Linear(-b), Linear(c)
        self.dt_proj = Linear(-block.dt_proj.weight, -block.dt_proj.bias)
        self.step_size, self.scan, self.gate = StepSize(), Scan(block), Silu()
        self.out_proj = Linear(block.out_proj.weight)

    def forward(self, x: Tensor, conv: Tensor, scan: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (1, H), conv (1, (K - 1) * E) oldest first, scan (1, N * E) -> x, conv, scan."""
        v = self.norm(x)
        window = torch.cat([conv, self.u_proj(v)], dim=1)  # (1, K * E)
        u = self.conv_silu(self.conv(window))
        l = self.step_size(self.dt_proj(self.low_proj(u)))  # noqa: E741
        y, h = self.scan(u, l, self.b_proj(u), self.c_proj(u), scan)
        y = y * self.gate(self.z_proj(v))
        return x + self.out_proj(y), window[:, self.inner :], h


class FoldedMamba(nn.Module):
    """A Mamba localiser as one step."""

    def __init__(self, model: MambaLocaliser) -> None:
        super().__init__()
        self.embed, self.head = model.embed, model.head
        self.blocks = nn.ModuleList(FoldedBlock(norm, block) for norm, block in model.layers())

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """x (1, P) and two states a block -> scores (1, C) and the states that follow."""
        x = self.embed(x)
        following: list[Tensor] = []
        for layer, block in enumerate(self.blocks):
            x, conv, scan = cast(FoldedBlock, block)(x, state[2 * layer], state[2 * layer + 1])
            following += [conv, scan]
        return self.head(x), *following


class FoldedMlp(nn.Module):
    """An MLP as one step."""

    def __init__(self, model: MlpLocaliser) -> None:
        super().__init__()
        self.standardise = standardiser(model.inputs, model.settings.standardise)
        self.hidden, self.head = model.hidden, model.head

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """x (1, P) -> scores (1, C)."""
        x = self.standardise(x)
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return (self.head(x),)


class OwnStep(nn.Module):
    """A network of the user's: its own step, or its forward over a moving window."""

    def __init__(self, model: OwnLocaliser) -> None:
        super().__init__()
        self.model = model
        self.shapes = [tuple(value.shape) for value in model.initial_state(1)]

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """x (1, P), states (1, n) -> scores (1, C), the states that follow."""
        given = tuple(value.reshape(shape) for value, shape in zip(state, self.shapes, strict=True))
        scores, after = self.model.step(x, given)
        return scores, *(value.reshape(1, -1) for value in after)


def step_form(model: Localiser) -> nn.Module:
    """The exportable step of a trained localiser: (x, *states) -> (scores, *states), every tensor (1, n).

    Its tensors are functions of the model's parameters, so gradients reach those where gradients are computed.
    """
    if isinstance(model, MambaLocaliser):
        return FoldedMamba(model).eval()
    if isinstance(model, MlpLocaliser):
        return FoldedMlp(model).eval()
    if isinstance(model, OwnLocaliser):
        return OwnStep(model).eval()
    if isinstance(model, LstmLocaliser):
        return FoldedLstm(model).eval()
    if isinstance(model, GruLocaliser):
        return FoldedGru(model).eval()
    if isinstance(model, MdcsaLocaliser):
        return (FoldedMdcsa(model) if model.streaming else FoldedWindow(model)).eval()
    raise TypeError(f"{type(model).__name__} has no step form; add one to export/step_form.py")


def flat_state(model: Localiser, state: State) -> list[Tensor]:
    """The state of `Localiser.step` for a batch of one, as the step form takes it: each tensor (1, n)."""
    if isinstance(model, MambaLocaliser):  # the scan state is (E, N) there, (N, E) here
        return [s.transpose(1, 2).reshape(1, -1) if i % 2 else s.reshape(1, -1) for i, s in enumerate(state)]
    return [s.reshape(1, -1) for s in state]
