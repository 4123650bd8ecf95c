"""Networks of a stranger, and readings of four made-up rooms that they can learn."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

POINTS = ("ap a", "ap b", "ap c", "ap d", "ap e", "ap f")
ROOMS = ("kitchen", "hall", "bath", "bedroom")
ENDS = {"access_points": list(POINTS), "floor_dbm": -105.0, "ceiling_dbm": -30.0}
Dbm = npt.NDArray[np.float64]


def walk(samples: int, seed: int) -> tuple[Dbm, npt.NDArray[np.int64]]:
    """Readings (N, 6) in dBm, 100 where not heard, and rooms (N,)."""
    chance, rooms = np.random.default_rng(seed), np.random.default_rng(0).uniform(-90, -40, (4, 6))
    label = np.repeat(chance.integers(0, 4, samples // 20 + 1), 20)[:samples]
    dbm = np.rint(rooms[label] + chance.normal(0, 4, (samples, 6))).clip(-100, -30)
    dbm[chance.random(dbm.shape) < 0.2] = 100
    return dbm, label


def scaled(dbm: Dbm) -> Tensor:
    return torch.from_numpy(np.where(dbm == 100, 0, ((dbm + 105) / 75).clip(0, 1)).astype(np.float32))


class Mlp(nn.Module):
    """One sample (1, P) -> (1, C)."""

    def __init__(self, hidden: int = 12) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 4), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Tcn(nn.Module):
    """A window (1, T, P) -> (1, C): causal convolutions, the last row."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv1d(6, hidden, 3)
        self.second = nn.Conv1d(hidden, hidden, 3, dilation=2)
        self.head = nn.Linear(hidden, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(nn.functional.pad(x.transpose(1, 2), (2, 0))))
        y = y + torch.relu(self.second(nn.functional.pad(y, (4, 0))))
        return self.head(y[:, :, -1])


class Centred(nn.Module):
    """A window (1, P, T) whose convolution looks ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(6, 5, 3, padding=1), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x))[:, :, -1])


class Gru(nn.Module):
    """A sample and a state -> scores and the next state."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(6, hidden), nn.Linear(hidden, 4)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.cell(x, h)
        return self.head(h), h


class KeepsItsState(Gru):
    def __init__(self) -> None:
        super().__init__()
        self.h = torch.zeros(1, 8)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        self.h = self.cell(x, self.h)
        return self.head(self.h)


class Branches(Mlp):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x * 2 if x.sum() > 0 else x)


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"odd": Bessel()})
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.parts["odd"](x))


class Picture(nn.Module):
    """The readings of one scan as an image of 2 x 3 pixels, with every kind of convolution and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.own = nn.Conv2d(1, 8, 2, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.mixed, self.head = nn.Conv2d(8, 4, 1), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.wide(x.reshape(-1, 1, 2, 3)))
        y = nn.functional.max_pool2d(torch.relu(self.own(y)), 2, stride=1)
        y = nn.functional.avg_pool2d(self.mixed(y), (2, 3))
        return self.head(y.reshape(-1, 4))


class SevenScores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


class TwoOutputs(Mlp):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return self.layers(x), x


def taught(kind: type[nn.Module], window: int = 1, steps: int = 150) -> nn.Module:
    """A network after a short training on one walk."""
    torch.manual_seed(0)
    model = kind()
    dbm, label = walk(1200, seed=1)
    x, y = scaled(dbm), torch.from_numpy(label)
    optimiser, chance = torch.optim.Adam(model.parameters(), 0.01), np.random.default_rng(2)
    for _ in range(steps):
        ends = chance.integers(window - 1, len(x), 64)
        rows = torch.stack([x[e - window + 1 : e + 1] for e in ends]) if window > 1 else x[ends]
        loss = nn.functional.nll_loss(model(rows).log(), y[ends]) if isinstance(model, Mlp) else (
            nn.functional.cross_entropy(model(rows), y[ends])
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


class _Erfinv(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.erfinv(torch.tanh(x) * 0.5)


class Inverse(nn.Module):
    """An operator that the exporter names without its `special_`."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(_Erfinv(), nn.Linear(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.parts(x)
        return scores


class TwoInputs(nn.Module):
    """A second input that is no state."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores: Tensor = self.head(x * mask)
        return scores
