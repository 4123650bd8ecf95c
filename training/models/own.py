"""A network of the user's as a localiser: trained, distilled, quantised and deployed like those of tinyloc.

The class takes `inputs`, `classes` and the arguments of the recipe. Its forward takes readings (B, T, P) in 0..1 and
returns scores (B, T, C), causal: those of sample t depend on samples t - context + 1 to t, where `context` is an
attribute of the module, 1 without it. Before the first sample of a recording there is silence: zeros. On a device it
runs as a step over a moving window of `context` samples, computed row by row where codegen/passes/roll_windows.py can.

A class with states of its own has `state_names`, `initial_state(batch)` and `step(x, state)` beside forward, as
`Localiser` describes them, and no `context`. Training runs forward, the device runs step; the export compares both.
"""

from typing import cast

import torch
from torch import Tensor, nn

from tinyloc.training.errors import TrainingError
from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.own_class import build_own
from tinyloc.training.models.settings import ModelSettings

LONGEST = 4096
TOLERANCE = 1e-4
"""Of the scores' size: a change that rounding makes in single precision."""


class OwnLocaliser(Localiser):
    """Wraps a module whose forward is causal."""

    def __init__(self, settings: ModelSettings, inner: nn.Module, inputs: int, classes: int) -> None:
        super().__init__(settings, inputs, classes)
        self.inner = inner
        self.stepped = callable(getattr(inner, "step", None))
        self.context = 1 if self.stepped else int(getattr(inner, "context", 1))
        windowed = ("window",) if self.context > 1 else ()
        self.state_names = tuple(inner.state_names) if self.stepped else windowed  # type: ignore[arg-type]

    @property
    def head(self) -> nn.Module:
        """The module's own `head`, whose operand the position loss sees; without one, nothing does."""
        found = getattr(self.inner, "head", None)
        return found if isinstance(found, nn.Module) else nn.Identity()

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C), after silence."""
        silence = x.new_zeros(x.shape[0], self.context - 1, x.shape[2])
        scores: Tensor = self.inner(torch.cat([silence, x], dim=1))
        return scores[:, self.context - 1 :]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), the samples before it (B, (context - 1) P) -> (B, C), those before the next one."""
        if self.stepped:
            return cast(tuple[Tensor, State], self.inner.step(x, state))  # type: ignore[operator]
        if self.context == 1:
            return cast(Tensor, self.inner(x[:, None]))[:, -1], state
        window = torch.cat([state[0], x], dim=1)
        scores: Tensor = self.inner(window.reshape(len(x), self.context, self.inputs))
        return scores[:, -1], (window[:, self.inputs :],)

    def initial_state(self, batch: int = 1) -> State:
        """Silence, or the zero state of the class."""
        if self.stepped:
            return cast(State, self.inner.initial_state(batch))  # type: ignore[operator]
        if self.context == 1:
            return ()
        return (next(self.parameters()).new_zeros(batch, (self.context - 1) * self.inputs),)


def own_localiser(settings: ModelSettings, inputs: int, classes: int) -> Localiser:
    """Build and check a class of the user's.

    Raises:
        OwnClassError: no such class, or arguments that it does not take.
        TrainingError: it is no module, has no parameters, or gives scores of another shape.
    """
    name = settings.architecture
    inner = build_own(name, {"inputs": inputs, "classes": classes, **settings.arguments})
    if not isinstance(inner, nn.Module):
        raise TrainingError(f"{name} makes a {type(inner).__name__}, not a torch.nn.Module")
    if not any(True for _ in inner.parameters()):
        raise TrainingError(f"{name} has no parameters to train")
    if callable(getattr(inner, "step", None)):
        if lacking := [part for part in ("state_names", "initial_state") if not hasattr(inner, part)]:
            raise TrainingError(f"{name} has a step, but no {' and no '.join(lacking)}")
        return OwnLocaliser(settings, inner, inputs, classes)
    context = getattr(inner, "context", 1)
    if isinstance(context, bool) or not isinstance(context, int) or not 1 <= context <= LONGEST:
        raise TrainingError(f"{name}.context is {context!r}; it must be a number of samples from 1 to {LONGEST}")
    return OwnLocaliser(settings, inner, inputs, classes)


@torch.no_grad()
def check_causal(model: Localiser) -> None:
    """Run a network of the user's once: shapes, and what the scores of a sample depend on.

    Raises:
        TrainingError: scores of another shape, that depend on later samples, or on more than `context` samples.
    """
    if not isinstance(model, OwnLocaliser) or model.stepped:
        return  # the export compares a step with its forward
    name, inner, context = model.settings.architecture, model.inner, model.context
    training = inner.training
    inner.eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 2 * context + 3, model.inputs, generator=generator)
    try:
        plain = inner(x)
    except Exception as error:  # a stranger's forward
        raise TrainingError(
            f"{name} does not take readings {list(x.shape)}: {type(error).__name__}: {error}"
        ) from error
    expected = (1, x.shape[1], model.classes)
    if not isinstance(plain, Tensor) or tuple(plain.shape) != expected:
        shape = list(plain.shape) if isinstance(plain, Tensor) else type(plain).__name__
        raise TrainingError(
            f"{name} makes {shape} of readings {list(x.shape)}; scores {list(expected)} are needed, one row per sample"
        )
    at = context + 1
    size = float(plain.abs().max()) or 1.0
    later, earlier = x.clone(), x.clone()
    later[:, at + 1 :] = torch.rand(later[:, at + 1 :].shape, generator=generator)
    earlier[:, : at - context + 1] = torch.rand(earlier[:, : at - context + 1].shape, generator=generator)
    wrong = []
    if float((inner(later)[:, at] - plain[:, at]).abs().max()) > TOLERANCE * size:
        wrong.append("the scores of a sample depend on later samples: pad before the first sample only")
    if float((inner(earlier)[:, at] - plain[:, at]).abs().max()) > TOLERANCE * size:
        wrong.append(
            f"the scores depend on more than context = {context} samples: set self.context to the samples that the "
            "layers see"
        )
    inner.train(training)
    if wrong:
        raise TrainingError(f"{name}: {'; '.join(wrong)}")
