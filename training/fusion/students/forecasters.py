"""Teachers by one interface: windows of ten positions in, the next position out.

`teacher = { kind = "convolutional" }`, `{ kind = "language", path = "model.gguf" }`, `{ kind = "fracast" }` or
`{ kind = "constant-velocity" }`, which learns nothing and stands for what each must beat.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.settings import HISTORY
from tinyloc.training.fusion.students.spoken import Answers, Spoken, ask_all, file_hash, lazily, shots
from tinyloc.training.fusion.students.windows import Windows

Floats = npt.NDArray[np.float64]
LOG_VARIANCE = (-8.0, 4.0)


class Convolutional(BaseModel):
    """Causal convolutions over the ten positions, trained on the training windows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["convolutional"] = "convolutional"
    hidden: int = Field(default=64, ge=4)
    steps: int = Field(default=1500, ge=1)


class Language(BaseModel):
    """A language model of `transformers` in the published form; it answers a stated subset of the windows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["language"] = "language"
    path: str
    shots: int = Field(default=4, ge=0, le=16)
    windows: int = Field(default=150, ge=1, description="how many windows of each set it answers")
    answers: str = Field(default="answers.jsonl", description="file that keeps the answers")
    minutes: float | None = Field(default=None, ge=0, description="ask no more after so long; another run goes on")
    students: bool = Field(default=True, description="also answer training windows, and train students of them")


class Fracast(BaseModel):
    """The pretrained forecaster of the package `fracast` (85,001 parameters, Apache-2.0), x and y apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["fracast"] = "fracast"
    windows: int = Field(default=200, ge=20, description="how many windows of each set it forecasts")
    students: bool = Field(default=True, description="also forecast training windows, and train students of them")


class ConstantVelocity(BaseModel):
    """The last move once more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["constant-velocity"] = "constant-velocity"


TeacherSettings = Annotated[Convolutional | Language | Fracast | ConstantVelocity, Field(discriminator="kind")]


@dataclass(frozen=True)
class Said:
    """What a teacher says of n windows."""

    next_m: Floats  # (n, 2), NaN where it gave no answer that can be used
    deviation_m: Floats  # (n,) each axis; its own, or the root mean square error on its training windows
    outcomes: dict[str, int]


class WindowNet(nn.Module):
    """(n, HISTORY, 2) relative to the last position -> (n, 3): displacement x, y, logarithm of the variance."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(2 if n == 0 else hidden, hidden, 3, dilation=2**n) for n in range(3)])
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2)
        for number, layer in enumerate(self.layers):
            grown = torch.relu(layer(nn.functional.pad(rows, (2 * 2**number, 0))))
            rows = grown if number == 0 else rows + grown
        out: Tensor = self.head(rows[:, :, -1])
        return out


class WindowStudent(nn.Module):
    """The same by an MLP of about the deployed student's size."""

    def __init__(self, hidden: tuple[int, int] = (40, 28)) -> None:
        super().__init__()
        one, two = hidden
        self.layers = nn.Sequential(
            nn.Linear(2 * HISTORY, one), nn.ReLU(), nn.Linear(one, two), nn.ReLU(), nn.Linear(two, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x.flatten(1))
        return out


def inputs(windows: Windows) -> Tensor:
    """(n, HISTORY, 2) relative to the last position, in m."""
    return torch.from_numpy((windows.seen_m - windows.seen_m[:, -1:]).astype(np.float32))


def moves(windows: Windows) -> Tensor:
    """(n, 2) from the last position to the next, in m."""
    return torch.from_numpy((windows.next_m - windows.seen_m[:, -1]).astype(np.float32))


def likelihood(out: Tensor, target: Tensor) -> Tensor:
    """Mean negative log likelihood of displacements (n, 2)."""
    log = out[:, 2].clamp(*LOG_VARIANCE)
    return (0.5 * (log + ((out[:, :2] - target) ** 2).mean(dim=1) / log.exp())).mean()


def fit(network: nn.Module, windows: Windows, loss: Any, steps: int, seed: int, rate: float = 2e-3) -> nn.Module:
    """Descend `loss(network, rows)` over random batches of 256 windows; turned at random, as no heading is special."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(windows), (256,), generator=generator)
        angle = 2 * np.pi * torch.rand(256, generator=generator)
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1)
        optimiser.zero_grad()
        loss(network, rows, turn).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()


def turned(points: Tensor, turn: Tensor) -> Tensor:
    """Points (n, ..., 2) by rotations (n, 2, 2)."""
    return torch.einsum("nij,n...j->n...i", turn, points)


class Teacher:
    """A teacher that was made ready: `forecast` answers windows."""

    def __init__(self, settings: TeacherSettings, training: Windows, seed: int) -> None:
        """Train, load or compute what the settings name. Raises FusionError."""
        self.settings, self.training = settings, training
        self.parameters, self.model = 0, ""
        if isinstance(settings, Convolutional):
            self._network = train_teacher(settings, training, seed)
            self.parameters = sum(p.numel() for p in self._network.parameters())
        elif isinstance(settings, Language):
            path = Path(settings.path)
            self.model = file_hash(path)
            self._answers = Answers(Path(settings.answers), self.model)
            self._ask = lazily(path, self._answers)
        elif isinstance(settings, Fracast):
            self._forecaster = _fracast()
            self.parameters = 85_001

    def forecast(self, windows: Windows, training: bool = False) -> Said:
        """Next positions of windows. `training`: the windows are its own training windows (nothing is left out)."""
        count = len(windows)
        answered = {"said": count, "mute": 0, "far": 0}
        if isinstance(self.settings, Convolutional):
            with torch.no_grad():
                out = self._network(inputs(windows)).double().numpy()
            deviation = np.exp(0.5 * np.clip(out[:, 2], *LOG_VARIANCE))
            return Said(windows.seen_m[:, -1] + out[:, :2], deviation, answered)
        if isinstance(self.settings, Language):
            spoken: Spoken = ask_all(
                windows,
                shots(examples(self.training, self.settings.shots)),
                self._ask,
                self._answers,
                self.settings.minutes,
            )
            self.parameters = self._answers.parameters()
            said, answered = spoken.positions_m, spoken.outcomes
        elif isinstance(self.settings, Fracast):
            said = self._forecaster(windows.seen_m)
        else:
            said = 2 * windows.seen_m[:, -1] - windows.seen_m[:, -2]
        away = said - windows.next_m
        known = np.isfinite(away).all(axis=1)
        deviation = float(np.sqrt((away[known] ** 2).mean())) if training and known.any() else np.nan
        return Said(said, np.full(count, deviation), answered)


def examples(windows: Windows, count: int) -> Windows:
    """Worked examples of a prompt, evenly from the training windows."""
    return windows.pick(np.linspace(0, len(windows) - 1, count + 2).astype(np.int64)[1:-1])


def train_teacher(settings: Convolutional, training: Windows, seed: int) -> nn.Module:
    """The convolutional teacher of the truth of the training windows."""
    torch.manual_seed(seed)
    x, target = inputs(training), moves(training)

    def loss(network: nn.Module, rows: Tensor, turn: Tensor) -> Tensor:
        return likelihood(network(turned(x[rows], turn)), turned(target[rows], turn))

    return fit(WindowNet(settings.hidden), training, loss, settings.steps, seed)


def _fracast() -> Any:
    """A function from windows (n, HISTORY, 2) to next positions (n, 2)."""
    try:
        from fracast import FracastModel
    except ImportError:
        raise FusionError(
            "the teacher fracast needs its package; run `pip install --no-deps fracast safetensors`"
        ) from None
    model = FracastModel.from_pretrained()
    middle = int(np.argmin(np.abs(np.array(model.quantiles) - 0.5)))

    def forecast(seen: Floats) -> Floats:
        result = np.zeros((len(seen), 2))
        for axis in range(2):
            for start in range(0, len(seen), 200):
                rows = seen[start : start + 200, :, axis]
                result[start : start + 200, axis] = model.forecast_batch(rows, horizon=1)[:, 0, middle]
        return result

    return forecast
