"""MDCSA localisers for export, in the letters of training/models/mdcsa.py: as one step of a stream, and as a window.

The graph of a streaming step; the names are those of the layers below and appear in the exported files:

    embed               e = FC(x)                                   sqrt(H) in its weights
    values              the last T rows of e, CONCAT(state, e)      state: all but the oldest
    project.k           K, Q = tanh(FC(last k rows of e))           both convolutions at the newest sample, one FC
    attention.k         softmax(BATCH_MATMUL(keys, Q / sqrt(H)) + bias), BATCH_MATMUL(weights, values)
    norm.k              LayerNorm: means are FC with equal weights, RSQRT, no SUM and no DIV
                        (in two strides behind a wide first layer: CentredInStrides)
    residual.k          ELU(a) = (a + n) + (exp(-n) - 1), n = relu(-a): the converter would compute an FC whose result
                        relu(a) shares twice; a * sigmoid(b) with a, b = FC(.)
    second_attention    the last T * L rows of the blocks' outputs; one query a block
    join, head          FC over three rows; the last LayerNorm's weights folded into the head

W3 W2 is one matrix here: nothing lies between the second and the third layer of the gated residual network, so their
product (2H, 4H) replaces 24 H^2 weights by 8 H^2.

State tensors and activations are (1, n), as in step_form.py; the operands of BATCH_MATMUL are of rank 3. The window
form computes the same layers on all rows at once, (T, n).
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.export.step_parts import Centred, Linear, Norm, behind_norm
from tinyloc.training.models.mdcsa import JOIN_WIDTH, DcsaBlock, GatedResidual, MdcsaLocaliser, sinusoids


def convolution(conv: nn.Conv1d) -> tuple[Tensor, Tensor]:
    """A convolution at one sample as FULLY_CONNECTED over its window, oldest row first: weight (O, k * I), bias (O)."""
    assert conv.bias is not None
    return conv.weight.permute(0, 2, 1).flatten(1), conv.bias


class Project(nn.Module):
    """K and Q of the newest sample."""

    def __init__(self, block: DcsaBlock) -> None:
        super().__init__()
        (key, key_bias), (query, query_bias) = convolution(block.key), convolution(block.query)
        self.both = Linear(torch.cat([key, query]), torch.cat([key_bias, query_bias]))
        self.width = block.key.out_channels
        self.scale = 1.0 / math.sqrt(self.width)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """(N, k * H) -> K, Q / sqrt(H), (N, H) each."""
        key, query = self.both(window).split(self.width, dim=1)  # sizes said: ONNX would compute those of chunk
        return torch.tanh(key), torch.tanh(query) * self.scale


class Attention(nn.Module):
    """One query over S rows."""

    def __init__(self, bias: Tensor | None = None) -> None:
        super().__init__()
        self.bias: Tensor | None
        self.register_buffer("bias", None if bias is None else bias[None].clone())

    def forward(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """query (1, H), scaled; keys, values (1, S * H) -> (1, H)."""
        hidden = query.shape[1]
        scores = torch.matmul(keys.reshape(1, -1, hidden), query.reshape(1, hidden, 1)).reshape(1, -1)  # (1, S)
        if self.bias is not None:
            scores = scores + self.bias
        weights = torch.softmax(scores, dim=1)
        return torch.matmul(weights.reshape(1, 1, -1), values.reshape(1, -1, hidden)).reshape(1, hidden)


class Residual(nn.Module):
    """The gated residual network on rows; LayerNorm included."""

    def __init__(self, residual: GatedResidual, norm: nn.Module) -> None:
        super().__init__()
        self.widen = residual.widen
        weight = residual.gate.weight @ residual.mix.weight
        bias = residual.gate.weight @ residual.mix.bias + residual.gate.bias
        (value, gate), (value_bias, gate_bias) = weight.chunk(2), bias.chunk(2)
        self.value, self.gate, self.norm = Linear(value, value_bias), Linear(gate, gate_bias), norm

    def forward(self, u: Tensor) -> Tensor:
        """(N, H) -> (N, H)."""
        a = self.widen(u)
        negative = torch.relu(a * -1.0)
        wide = (a + negative) + (torch.exp(negative * -1.0) - 1.0)
        return cast(Tensor, self.norm(self.value(wide) * torch.sigmoid(self.gate(wide)) + u))


def _without_oldest(rows: Tensor, width: int, count: int) -> Tensor:
    """(1, count * width) -> (1, (count - 1) * width). The end is said: of an open one onnx2tf sometimes makes -1."""
    return rows[:, width : count * width]


class FoldedMdcsa(nn.Module):
    """A streaming MDCSA localiser as one step."""

    def __init__(self, model: MdcsaLocaliser) -> None:
        super().__init__()
        root, blocks = math.sqrt(model.hidden), model.dcsa_blocks()
        self.hidden, self.layers, self.context = model.hidden, model.settings.layers, model.context
        self.kernels = [block.kernel for block in blocks]
        self.scale = 1.0 / root
        self.embed = Linear(model.embed.weight * root, model.embed.bias * root)
        self.project = nn.ModuleList(Project(block) for block in blocks)
        self.attention = nn.ModuleList(Attention(block.bias) for block in blocks)
        self.norm = nn.ModuleList(Norm(block.norm, model.inputs) for block in blocks)
        self.residual = nn.ModuleList(Residual(block.residual, Norm(block.residual.norm)) for block in blocks)
        self.second_attention = Attention()
        self.join = Linear(*convolution(model.join))
        self.last_norm = Centred(model.hidden, model.norm.eps)
        self.head = behind_norm(model.head, model.norm)

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """x (1, P), the states in the order of `MdcsaLocaliser.state_names` -> scores (1, C) and those that follow."""
        hidden, layers = self.hidden, self.layers
        e = self.embed(x)
        values = torch.cat([state[0], e], dim=1)  # (1, T * H)
        following = [_without_oldest(values, hidden, self.context)]
        rows = []
        for number, kernel in enumerate(self.kernels):
            window = values[:, -kernel * hidden :]  # also for one row: the converter would fold e's bias into K and Q
            key, query = self.project[number](window)
            keys = torch.cat([state[1 + number], key], dim=1)
            following.append(_without_oldest(keys, hidden, self.context))
            u = self.norm[number](self.attention[number](query, keys, values) + e)
            rows.append(self.residual[number](u))
        mixed = torch.cat([state[1 + layers], *rows], dim=1)  # (1, T * L * H)
        following.append(_without_oldest(mixed, layers * hidden, self.context))
        attended = [self.second_attention(row * self.scale, mixed, mixed) for row in rows]
        joined = torch.cat([*state[2 + layers :], *attended], dim=1)  # (1, 3 * H)
        if layers == 1:
            following.append(_without_oldest(joined, hidden, JOIN_WIDTH))
        return self.head(self.last_norm(self.join(joined))), *following


class FoldedWindow(nn.Module):
    """A published MDCSA localiser: a whole window, of which the step gives the newest sample's scores.

    `window` takes all T readings as one row and gives all T rows of scores: what a part computes at every decision when
    nothing is kept from one window to the next.
    """

    def __init__(self, model: MdcsaLocaliser) -> None:
        super().__init__()
        root, blocks = math.sqrt(model.hidden), model.dcsa_blocks()
        self.hidden, self.layers, self.inputs = model.hidden, model.settings.layers, model.inputs
        self.context, self.kernels = model.context, [block.kernel for block in blocks]
        self.scale = 1.0 / root
        self.embed = Linear(model.embed.weight * root, model.embed.bias * root)
        self.position: Tensor
        self.register_buffer("position", sinusoids(model.context, model.hidden))
        self.project = nn.ModuleList(Project(block) for block in blocks)
        self.norm = nn.ModuleList(Norm(block.norm) for block in blocks)
        self.residual = nn.ModuleList(Residual(block.residual, Norm(block.residual.norm)) for block in blocks)
        self.join = Linear(*convolution(model.join))
        self.last_norm = Centred(model.hidden, model.norm.eps)
        self.head = behind_norm(model.head, model.norm)

    def forward(self, x: Tensor, readings: Tensor) -> tuple[Tensor, ...]:
        """x (1, P), readings (1, (T - 1) * P) -> scores (1, C), readings."""
        window = torch.cat([readings, x], dim=1)
        return self.window(window)[-1:], window[:, self.inputs :]

    def window(self, x: Tensor) -> Tensor:
        """(1, T * P) -> (T, C)."""
        hidden, layers, steps = self.hidden, self.layers, self.context
        e = self.embed(x.reshape(steps, self.inputs)) + self.position
        rows = []
        for number, kernel in enumerate(self.kernels):
            key, query = self.project[number](self._windows(e, kernel))
            attended = self._attend(query, key, e)
            rows.append(self.residual[number](self.norm[number](attended + e)))
        z = rows[0] if layers == 1 else torch.cat(rows, dim=1).reshape(steps * layers, hidden)
        attended = self._attend(z * self.scale, z, z)
        if layers == 1:
            padded = functional.pad(attended, (0, 0, 1, 1))
            joined = torch.cat([padded[k : k + steps] for k in range(JOIN_WIDTH)], dim=1)  # (T, 3 H)
        else:
            joined = attended.reshape(steps, layers * hidden)
        return cast(Tensor, self.head(self.last_norm(self.join(joined))))

    def _windows(self, e: Tensor, kernel: int) -> Tensor:
        """(T, H) -> (T, k * H): what the causal convolution sees at each sample, oldest row first."""
        if kernel == 1:
            return e
        padded = functional.pad(e, (0, 0, kernel - 1, 0))
        return torch.cat([padded[k : k + self.context] for k in range(kernel)], dim=1)

    @staticmethod
    def _attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(Q, H), (S, H), (S, H) -> (Q, H)."""
        scores = torch.matmul(query[None], keys[None].transpose(1, 2))  # (1, Q, S)
        return torch.matmul(torch.softmax(scores, dim=2), values[None]).reshape(query.shape)
