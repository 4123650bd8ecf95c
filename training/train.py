"""The training loop: one-cycle AdamW, validation macro F1 after each epoch, early stopping, resumable at each epoch."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.bundle.schema import Preprocessing, Window
from tinyloc.training.augment import Batch, Chunks
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.decide import decide_all
from tinyloc.training.distil.guide import Guide
from tinyloc.training.errors import TrainingError
from tinyloc.training.metrics import Scores, position_errors, score
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.places import mean_position
from tinyloc.training.recipe import Recipe
from tinyloc.training.spread_labels import SpreadLabels
from tinyloc.training.windows import due, true_labels

THREADS = 1
"""These models are small: a second thread costs more in waiting than it computes."""
WARM_UP = 0.25
"""Share of the steps in which the learning rate rises."""
LEAST_PROBABILITY = 1e-30
LEAST_SQUARED_M = 1e-4
"""Keeps the gradient of a distance finite at zero."""


def one_cycle(
    optimiser: torch.optim.Optimizer, learning_rate: float, steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    """Make the schedule of the learning rate over `steps` steps of the optimiser.

    PyTorch divides by zero when the rate rises in exactly one step; the schedule is one step longer then.
    """
    total = steps + 1 if steps * WARM_UP == 1 else steps
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=total, pct_start=WARM_UP)


@dataclass(frozen=True)
class EpochDone:
    """What the loop tells after each epoch."""

    stage: str
    """"model", or "teacher 1" and so on before it."""
    epoch: int
    """From 1."""
    epochs: int
    loss: float
    macro_f1: float
    """On the validation split, as accuracy."""
    accuracy: float
    best_epoch: int
    seconds: float
    """Since this stage began, in this process."""
    error_m: float | None = None
    """Mean position error on the validation split, where that chooses the best epoch."""


Progress = Callable[[EpochDone], None]


def silent(_: EpochDone) -> None:
    """A Progress that shows nothing."""


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Seed torch, make it choose reproducible kernels and THREADS threads; put everything back afterwards."""
    threads, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was)
            torch.set_num_threads(threads)


class _PositionHead(nn.Module):
    """Position in units of the training positions' spread, from what the localiser's head sees. Training only."""

    def __init__(self, localiser: Localiser, position_m: Tensor) -> None:
        super().__init__()
        head = localiser.head
        assert isinstance(head, nn.Linear)
        self.linear = nn.Linear(head.in_features, 3)
        self.mean = position_m.mean(0)
        self.spread = position_m.std(0).mean().clamp(min=1e-6)
        self.seen = torch.zeros(0)
        head.register_forward_pre_hook(self._see)

    def _see(self, _: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.seen = arguments[0]

    def loss(self, position_m: Tensor) -> Tensor:
        """Mean squared error of the batch that went through the localiser last; position_m (B, T, 3)."""
        return functional.mse_loss(self.linear(self.seen), (position_m - self.mean) / self.spread)


def _groups(data_set: DataSet) -> Tensor:
    """(C,) number of the group of each class."""
    if not data_set.class_group:
        raise TrainingError(f"classes of {data_set.name} have no groups: remove training.group_loss from the recipe")
    names = sorted(set(data_set.class_group))
    return torch.tensor([names.index(name) for name in data_set.class_group])


def group_loss(scores: Tensor, label: Tensor, groups: Tensor) -> Tensor:
    """Compute the cross-entropy of groups, a scalar.

    A group's probability is held above LEAST_PROBABILITY: below, the classes' own loss pulls.

    Args:
        scores: (B, T, C).
        label: class indices (B, T).
        groups: group of each class (C,).
    """
    members = functional.one_hot(groups).to(scores)  # (C, G)
    share = functional.softmax(scores.flatten(0, 1), dim=-1) @ members  # (M, G)
    return functional.nll_loss(share.clamp(min=LEAST_PROBABILITY).log(), groups[label.flatten()])


def _unit_m(position_m: Tensor) -> float:
    """Spread of the known training positions in metres."""
    known = position_m[~position_m.isnan().any(dim=-1)]
    return max(1.0, float((known - known.mean(0)).square().sum(-1).mean().sqrt()))


class Fit:
    """The training of one model: all that changes from epoch to epoch is in `state_dict`."""

    def __init__(
        self,
        stage: str,
        model: Localiser,
        data_set: DataSet,
        preprocessing: Preprocessing,
        recipe: Recipe,
        epochs: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
        guide: Guide | None = None,
    ) -> None:
        """Epochs, learning rate and seed (of batches and their augmentation) are the recipe's where not given."""
        settings = recipe.training
        self.stage, self.model, self.recipe, self.guide = stage, model, recipe, guide
        self.learning_rate = settings.learning_rate if learning_rate is None else learning_rate
        self.preprocessing = preprocessing
        self.window = recipe.window.decisions(data_set.rate_hz)
        self.validation = data_set.validation
        self.chunks = Chunks(
            data_set.train,
            preprocessing,
            recipe.augmentation,
            settings.chunk,
            settings.batch,
            settings.chunks_per_epoch,
            settings.steps,
            settings.balance,
            group=_groups(data_set) if data_set.class_group else None,
        )
        self.epochs = settings.epochs_of(self.chunks.batches) if epochs is None else epochs
        self.generator = torch.Generator().manual_seed(recipe.seed if seed is None else seed)
        self.position = _PositionHead(model, self.chunks.position_m) if settings.position_loss else None
        spread_m = recipe.output.spread_m
        self.spread = SpreadLabels(data_set, spread_m) if spread_m else None
        self.sharpness = 2.0 / recipe.output.power
        """Scores times this are logarithms of probabilities; the device squares those of the scores."""
        self.places = data_set.class_position_m if recipe.output.position == "mean" else None
        self.groups = _groups(data_set) if settings.group_loss else None
        learnt = [model, *(part for part in (self.position, guide) if part is not None)]
        parameters = [parameter for part in learnt for parameter in part.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=settings.weight_decay)
        self.schedule = one_cycle(self.optimiser, self.learning_rate, self.epochs * self.chunks.batches)
        self.places_m = torch.from_numpy(self.places) if self.places is not None and settings.mean_loss else None
        self.unit_m = _unit_m(self.chunks.position_m) if self.places_m is not None else 1.0
        self.averaged = copy.deepcopy(model.state_dict()) if settings.average else None
        self.epoch = 0
        self.best_epoch = 0
        self.best_merit = -math.inf
        """Validation macro F1, or the negative mean error where decisions are positions."""
        self.best = copy.deepcopy(model.state_dict())
        self.history: list[dict[str, float]] = []

    @property
    def finished(self) -> bool:
        """All epochs done, or no better validation macro F1 for `patience` epochs."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.epochs or waited >= self.recipe.training.patience

    def run(self, progress: Progress, save: Callable[[], None]) -> None:
        """Train to the end and leave the model with the best weights; `save` is called after every epoch."""
        began = time.monotonic()
        while not self.finished:
            loss = self._train_epoch()
            scores = self._validate()
            self.history.append({"loss": loss, "macro_f1": scores.macro_f1, "accuracy": scores.accuracy})
            save()
            progress(
                EpochDone(
                    self.stage, self.epoch, self.epochs, loss, scores.macro_f1, scores.accuracy, self.best_epoch,
                    time.monotonic() - began, scores.errors_m["mean"] if scores.errors_m else None,
                )
            )  # fmt: skip
        self.model.load_state_dict(self.best)
        self.model.eval()

    def _train_epoch(self) -> float:
        self.model.train()
        total = 0.0
        for number, batch in enumerate(self.chunks.epoch(self.generator), start=1):
            loss = self._loss(batch)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"{self.stage}: the loss became {loss.item()} in epoch {self.epoch + 1}, batch {number}; "
                    f"lower the learning rate (now {self.learning_rate:g})"
                )
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.training.clip_norm)
            self.optimiser.step()
            self._bound()
            self.schedule.step()
            self._average()
            total += loss.item()
        self.epoch += 1
        return total / self.chunks.batches

    def _loss(self, batch: Batch) -> Tensor:
        """A scalar. CRF windows are cut from the chunk, so that training sees the windows that decisions see."""
        settings, steps = self.recipe.training, self.recipe.window.steps
        raw = self.model.network(batch.x)  # (B, T, C)
        scores = raw * self.sharpness
        emissions = scores.reshape(-1, steps, scores.shape[-1])
        label = batch.label.reshape(-1, steps)
        if self.spread is not None:
            near = self.spread(batch.position_m.flatten(0, 1), batch.label.flatten())
            loss = functional.cross_entropy(emissions.flatten(0, 1), near)
        elif self.model.crf is None and settings.label_smoothing:
            loss = functional.cross_entropy(
                emissions.flatten(0, 1), label.flatten(), label_smoothing=settings.label_smoothing
            )
        else:
            loss = self.model.loss(emissions, label, torch.ones_like(label, dtype=torch.bool))
        if self.groups is not None:
            loss = loss + settings.group_loss * group_loss(scores, batch.label, self.groups)
        if settings.score_penalty:
            loss = loss + settings.score_penalty * raw.square().mean()
        if self.places_m is not None:
            loss = loss + settings.mean_loss * self._distance(raw, batch.position_m) / self.unit_m
        if self.guide is not None:
            loss = self.guide.loss(batch.x, scores, loss)
        if self.position is not None:
            loss = loss + settings.position_loss * self.position.loss(batch.position_m)
        return loss

    def _distance(self, scores: Tensor, position_m: Tensor) -> Tensor:
        """Mean distance in metres of the decided positions, as `mean_position` has them, from the known ones."""
        assert self.places_m is not None
        decided = functional.softmax(2.0 * scores, dim=-1) @ self.places_m
        known = ~position_m.isnan().any(dim=-1)
        squared = (decided - position_m)[known].square().sum(dim=-1)
        return (squared + LEAST_SQUARED_M).sqrt().sum() / known.sum().clamp(min=1)

    @torch.no_grad()
    def _bound(self) -> None:
        """Shrink the weights of access points in the first layer that are above the bound."""
        bound = self.recipe.training.input_bound
        if bound is not None and isinstance(self.model, MlpLocaliser):
            weight = self.model.hidden[0].weight
            assert isinstance(weight, Tensor)
            weight.mul_((bound / weight.norm(dim=0).clamp(min=1e-12)).clamp(max=1.0))

    def _average(self) -> None:
        if self.averaged is None:
            return
        # a young average follows closely, so that the initial weights are soon forgotten
        decay = min(self.recipe.training.average, self.schedule.last_epoch / (self.schedule.last_epoch + 10))
        for name, value in self.model.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def _validate(self) -> Scores:
        current = self.model.state_dict()
        weights = copy.deepcopy(self.averaged if self.averaged is not None else current)
        own = copy.deepcopy(current)
        self.model.load_state_dict(weights)
        self.model.eval()
        try:
            scores = validate(self.model, self.validation, self.preprocessing, self.window, self.places)
        except TrainingError as error:
            raise TrainingError(f"{self.stage}, epoch {self.epoch}: {error} (now {self.learning_rate:g})") from error
        self.model.load_state_dict(own)
        merit = scores.macro_f1 if scores.errors_m is None else -scores.errors_m["mean"]
        if merit >= self.best_merit or self.recipe.training.refit:  # of equals the later, which was trained longer
            self.best_merit, self.best_epoch, self.best = merit, self.epoch, weights
        return scores

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is needed to continue as if never interrupted."""
        return {
            "model": self.model.state_dict(),
            "position": self.position.state_dict() if self.position else None,
            "guide": self.guide.state_dict() if self.guide else None,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "averaged": self.averaged,
            "best": self.best,
            "progress": [self.epoch, self.best_epoch, self.best_merit],
            "history": self.history,
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        if self.position is not None:
            self.position.load_state_dict(state["position"])
        if self.guide is not None:
            self.guide.load_state_dict(state["guide"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.averaged, self.best, self.history = state["averaged"], state["best"], state["history"]
        self.epoch, self.best_epoch, self.best_merit = state["progress"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])

    def result(self) -> dict[str, Any]:
        """Return what is kept of a finished training."""
        progress = [self.epoch, self.best_epoch, self.best_merit]
        return {"best": self.best, "progress": progress, "history": self.history}

    def take_result(self, kept: dict[str, Any]) -> None:
        """Restore the state after the training that `result` was taken of."""
        self.best, self.history = kept["best"], kept["history"]
        self.epoch, self.best_epoch, self.best_merit = kept["progress"]
        self.model.load_state_dict(self.best)
        self.model.eval()


def validate(
    model: Localiser,
    recordings: Sequence[Recording],
    preprocessing: Preprocessing,
    window: Window,
    places: npt.NDArray[np.float32] | None = None,
) -> Scores:
    """Compute macro F1 and accuracy of the decisions that are due, the state carried through each recording.

    Args:
        model: to validate.
        recordings: of the validation split.
        preprocessing: scaling of readings in dBm.
        window: when decisions are due.
        places: (C, 3) positions of the classes in metres, for models whose decisions are means of places: adds errors.
    """
    scores, decisions = decide_all(model, recordings, preprocessing, window)
    labels = [true_labels(recording.label, window) for recording in recordings]
    offsets = np.cumsum([0, *(len(recording) for recording in recordings)])
    at = [offset + due(len(r), window.steps, window.hop) for offset, r in zip(offsets, recordings, strict=False)]
    found = score(np.concatenate(labels), decisions[np.concatenate(at)])
    if places is None:
        return found
    true = np.concatenate([recording.position_m for recording in recordings])
    return replace(found, errors_m=position_errors(mean_position(scores, places), true))
