"""Structured pruning: hidden units that add least are taken out, and the matrices get smaller.

Letters: N samples, P access points, H units of a layer.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tinyloc.training.models.build import build_model
from tinyloc.training.models.mlp import MlpLocaliser


@torch.no_grad()
def importance(model: MlpLocaliser, x: Tensor) -> list[Tensor]:
    """Rate hidden units by what they add to the next layer: mean activation times the norm of the outgoing weights.

    Args:
        model: the MLP.
        x: model input (N, P) to average activations over.

    Returns:
        (H,) for each hidden layer.
    """
    layers = [*model.hidden, model.head]
    scores: list[Tensor] = []
    x = model.standardise(x)
    for layer, following in itertools.pairwise(layers):
        x = torch.relu(layer(x))
        scores.append(x.mean(0) * following.get_parameter("weight").norm(dim=0))
    return scores


@torch.no_grad()
def pruned(model: MlpLocaliser, sizes: Sequence[int], x: Tensor) -> MlpLocaliser:
    """Build a model of smaller hidden sizes from the most important units on x (N, P), in their order."""
    smaller = build_model(model.settings.model_copy(update={"hidden": list(sizes)}), model.inputs, model.classes)
    assert isinstance(smaller, MlpLocaliser)
    kept = [score.topk(size).indices.sort().values for score, size in zip(importance(model, x), sizes, strict=True)]
    columns = torch.arange(model.inputs)
    for old, new, rows in zip(model.hidden, smaller.hidden, kept, strict=True):
        _copy(old, new, rows, columns)
        columns = rows
    _copy(model.head, smaller.head, torch.arange(model.classes), columns)
    return smaller


def _copy(old: nn.Module, new: nn.Module, rows: Tensor, columns: Tensor) -> None:
    new.get_parameter("weight").copy_(old.get_parameter("weight")[rows][:, columns])
    new.get_parameter("bias").copy_(old.get_parameter("bias")[rows])
