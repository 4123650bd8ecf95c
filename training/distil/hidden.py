"""Hidden states of a localiser, layer by layer, without the model knowing that it is watched."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tinyloc.training.compress.integer_tuner import Twin
from tinyloc.training.errors import TrainingError
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.own import OwnLocaliser

STACKS = {"mlp": "drops", "mamba": "blocks", "lstm": "recurrent", "gru": "recurrent"}
"""The layers between input and head by architecture: a list of which the last feeds the head, or one layer before a
dense one. Others are watched at their head only."""


class Watch:
    """Keeps the outputs (B, T, H) of a localiser's hidden layers in its last forward pass, the first layer first.

    What feeds the head is always the last; before it come the outputs of `layers`.
    """

    def __init__(self, model: Localiser, layers: Sequence[nn.Module]) -> None:
        self._silence = model.context - 1 if isinstance(model, OwnLocaliser) else 0
        self._seen: list[Tensor] = [torch.zeros(0)] * (len(layers) + 1)
        for number, layer in enumerate(layers):
            layer.register_forward_hook(lambda _m, _i, output, at=number: self._keep(at, output))
        head = model.get_submodule("head")
        head.register_forward_pre_hook(lambda _m, inputs: self._keep(-1, inputs[0]))

    def _keep(self, at: int, output: Tensor | tuple[Tensor, ...]) -> None:
        found = output if isinstance(output, Tensor) else output[0]
        self._seen[at] = found[:, self._silence :]

    @property
    def states(self) -> list[Tensor]:
        """Of the last forward pass."""
        return list(self._seen)


def watch(model: Localiser) -> Watch:
    """Watch a localiser before its head, and behind each layer of an MLP, each Mamba block or the recurrent layers.

    Of a twin in integers but an MLP's, what feeds the head is all that there is to see.
    """
    name = STACKS.get(model.settings.architecture)
    if name is None or (isinstance(model, Twin) and not hasattr(model, name)):
        return Watch(model, [])
    stack = model.get_submodule(name)
    if isinstance(stack, nn.ModuleList):
        return Watch(model, list(stack)[:-1])
    return Watch(model, [stack] if getattr(model, "dense", None) is not None else [])


@torch.no_grad()
def check_watched(model: Localiser, integers: bool = False) -> None:
    """Run a class of the user's once and look at its head.

    Args:
        model: with first weights.
        integers: it will be watched in training with integers, where only a matrix is found again.

    Raises:
        TrainingError: it has no head, the head does not take (B, T, H) in one call, or is no matrix.
    """
    if not isinstance(model, OwnLocaliser):
        return
    name = model.settings.architecture
    if not isinstance(getattr(model.inner, "head", None), nn.Module):
        raise TrainingError(
            f"{name}: distillation.hidden_weight and relation_weight look at what feeds the last layer; call that "
            "layer self.head"
        )
    if integers and not isinstance(model.inner.head, nn.Linear):
        raise TrainingError(
            f"{name}: distillation.hidden_weight and relation_weight with compression.quantisation_aware need "
            f"self.head to be one nn.Linear; it is {type(model.inner.head).__name__}"
        )
    calls: list[tuple[int, ...]] = []
    head = model.get_submodule("head")
    handle = head.register_forward_pre_hook(lambda _m, inputs: calls.append(tuple(inputs[0].shape)))
    training, steps = model.training, model.context + 4
    model.eval().network(torch.zeros(2, steps, model.inputs))
    model.train(training)
    handle.remove()
    rows = steps + model.context - 1
    if len(calls) != 1 or len(calls[0]) != 3 or calls[0][:2] != (2, rows):
        shapes = ", ".join(str(list(shape)) for shape in calls[:3]) or "nothing"
        raise TrainingError(
            f"{name}: distillation.hidden_weight and relation_weight need a head that takes all samples at once, "
            f"[2, {rows}, H] here; self.head takes {shapes}"
        )


def pairs(student: int, teacher: int) -> list[int]:
    """Match each of a student's layers with a layer of the teacher: the last with the last, evenly before."""
    return [max(1, round((layer + 1) * teacher / student)) - 1 for layer in range(student)]
