"""Classes of a stranger as `model.architecture`: right ones, and wrong ones."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Causal(nn.Module):
    """Readings (B, T, P) -> scores (B, T, C), each of the last 1 + 2 dilation samples."""

    def __init__(self, inputs: int, classes: int, hidden: int = 6, dilation: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, hidden, 3, dilation=dilation)
        self.head = nn.Linear(hidden, classes)
        self.context = 1 + 2 * dilation

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(functional.pad(x.transpose(1, 2), (self.context - 1, 0))))
        return self.head(y.transpose(1, 2))


class LooksAhead(Causal):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(functional.pad(x.transpose(1, 2), (2, 2))))
        return self.head(y.transpose(1, 2))


class ForgetsItsContext(Causal):
    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(inputs, classes)
        self.before, self.context = self.context - 1, 2

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(functional.pad(x.transpose(1, 2), (self.before, 0))))
        return self.head(y.transpose(1, 2))


class LastRowOnly(Causal):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, -1]


class Headless(Causal):
    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(inputs, classes)
        self.last, self.head = self.head, None

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv(functional.pad(x.transpose(1, 2), (self.context - 1, 0))))
        return self.last(y.transpose(1, 2))


class Stepped(nn.Module):
    """A recurrent network with a step of its own."""

    state_names = ("h",)

    def __init__(self, inputs: int, classes: int, hidden: int = 5) -> None:
        super().__init__()
        self.hidden = hidden
        self.x, self.h, self.head = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, classes)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        return (self.head.weight.new_zeros(batch, self.hidden),)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h = torch.tanh(self.x(x) + self.h(state[0]))
        return self.head(h), (h,)

    def forward(self, x: Tensor) -> Tensor:
        state, rows = self.initial_state(len(x)), []
        for sample in x.unbind(1):
            scores, state = self.step(sample, state)
            rows.append(scores)
        return torch.stack(rows, dim=1)
