"""Hidden states of a localiser, layer by layer, without the model knowing that it is watched."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tinyloc.training.models.localiser import Localiser

STACKS = {"mlp": "drops", "mamba": "blocks", "lstm": "recurrent", "gru": "recurrent"}
"""The layers between input and head by architecture: a list of which the last feeds the head, or one layer before a
dense one. Others are watched at their head only."""


class Watch:
    """Keeps the outputs (B, T, H) of a localiser's hidden layers in its last forward pass, the first layer first.

    What feeds the head is always the last; before it come the outputs of `layers`.
    """

    def __init__(self, model: Localiser, layers: Sequence[nn.Module]) -> None:
        self._seen: list[Tensor] = [torch.zeros(0)] * (len(layers) + 1)
        for number, layer in enumerate(layers):
            layer.register_forward_hook(lambda _m, _i, output, at=number: self._keep(at, output))
        head = model.get_submodule("head")
        head.register_forward_pre_hook(lambda _m, inputs: self._keep(-1, inputs[0]))

    def _keep(self, at: int, output: Tensor | tuple[Tensor, ...]) -> None:
        self._seen[at] = output if isinstance(output, Tensor) else output[0]

    @property
    def states(self) -> list[Tensor]:
        """Of the last forward pass."""
        return list(self._seen)


def watch(model: Localiser) -> Watch:
    """Watch a localiser before its head, and behind each layer of an MLP, each Mamba block or the recurrent layers."""
    name = STACKS.get(model.settings.architecture)
    if name is None:
        return Watch(model, [])
    stack = model.get_submodule(name)
    if isinstance(stack, nn.ModuleList):
        return Watch(model, list(stack)[:-1])
    return Watch(model, [stack] if getattr(model, "dense", None) is not None else [])


def pairs(student: int, teacher: int) -> list[int]:
    """Match each of a student's layers with a layer of the teacher: the last with the last, evenly before."""
    return [max(1, round((layer + 1) * teacher / student)) - 1 for layer in range(student)]
