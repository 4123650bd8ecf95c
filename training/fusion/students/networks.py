"""Networks that forecast the next position: students of a few kilobytes and the teacher."""

import torch
from torch import Tensor, nn

from tinyloc.training.fusion.filters.rules import CHANNELS
from tinyloc.training.fusion.filters.settings import HISTORY
from tinyloc.training.fusion.students.scaling import INPUTS, OUTPUTS
from tinyloc.training.models.mamba import MambaLocaliser
from tinyloc.training.models.settings import ModelSettings


class MlpStudent(nn.Module):
    """(B, INPUTS) -> (B, OUTPUTS) through two hidden layers with ReLU."""

    def __init__(self, hidden: tuple[int, int] = (40, 28)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(INPUTS, hidden[0]), nn.Linear(hidden[0], hidden[1]), nn.Linear(hidden[1], OUTPUTS)]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out


class GruStudent(nn.Module):
    """(B, INPUTS) -> (B, OUTPUTS) by a GRU over the rows of the history, the absolute position beside each."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.gru = nn.GRU(CHANNELS + 2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.gru(_rows(x))
        out: Tensor = self.head(hidden[:, -1])
        return out


class MambaStudent(nn.Module):
    """(B, INPUTS) -> (B, OUTPUTS) by a Mamba block over the rows of the history, the absolute position beside each."""

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.mamba = MambaLocaliser(ModelSettings(architecture="mamba", hidden=hidden), CHANNELS + 2, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.mamba.network(_rows(x))[:, -1]


def _rows(x: Tensor) -> Tensor:
    """(B, INPUTS) -> (B, HISTORY, CHANNELS + 2), oldest epoch first."""
    rows = x[:, : HISTORY * CHANNELS].reshape(-1, HISTORY, CHANNELS)
    place = x[:, None, HISTORY * CHANNELS :].expand(-1, HISTORY, 2)
    return torch.cat([rows, place], dim=2)


def make_student(kind: str, hidden: tuple[int, int]) -> nn.Module:
    """A student by name; `hidden` is of the MLP."""
    if kind == "mlp":
        return MlpStudent(hidden)
    return GruStudent() if kind == "gru" else MambaStudent()


class Teacher(nn.Module):
    """Reads a whole walk: (B, N, INPUTS) -> (B, N, OUTPUTS), causal convolutions of width 3 over the epochs.

    Dilations 1 to 32 see the last 127 epochs, where a student sees HISTORY; each layer adds to its input.
    """

    DILATIONS = (1, 2, 4, 8, 16, 32)

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.inward = nn.Linear(INPUTS, hidden)
        self.layers = nn.ModuleList([nn.Conv1d(hidden, hidden, 3, dilation=d) for d in self.DILATIONS])
        self.mixers = nn.ModuleList([nn.Conv1d(hidden, hidden, 1) for _ in self.DILATIONS])
        self.head = nn.Linear(hidden, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.relu(self.inward(x)).transpose(1, 2)  # (B, hidden, N)
        for layer, mixer, dilation in zip(self.layers, self.mixers, self.DILATIONS, strict=True):
            rows = rows + mixer(torch.relu(layer(nn.functional.pad(rows, (2 * dilation, 0)))))
        out: Tensor = self.head(torch.relu(rows.transpose(1, 2)))
        return out


def parameters(network: nn.Module) -> int:
    """How many numbers the network has; one byte each in int8, biases apart."""
    return sum(p.numel() for p in network.parameters())
