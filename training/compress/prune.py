"""Structured pruning: hidden units that add least are taken out, and the matrices get smaller.

Letters: N samples, B windows, T samples of a window, P access points, H units of a layer.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tinyloc.training.models.build import build_model
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.recurrent import RecurrentLocaliser


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


@torch.no_grad()
def recurrent_importance(model: RecurrentLocaliser, x: Tensor) -> list[Tensor]:
    """Rate the units of each recurrent layer: mean size of h times the norm of all that it feeds, itself included.

    Args:
        model: LSTM or GRU.
        x: windows of model input (B, T, P) to average over, each from a zero state.

    Returns:
        (H,) for each layer.
    """
    layers, each = model.settings.layers, len(model.cell_states)
    sizes = [torch.zeros(model.hidden) for _ in range(layers)]
    state = model.initial_state(len(x))
    for sample in x.unbind(1):
        _, state = model.step(sample, state)
        for layer in range(layers):
            sizes[layer] += state[layer * each].abs().mean(0)
    following = [model.weights(layer)[0] for layer in range(1, layers)]
    following.append((model.head if model.dense is None else model.dense).weight)
    fed = [torch.cat([after, model.weights(layer)[1]]).norm(dim=0) for layer, after in enumerate(following)]
    return [size * norm for size, norm in zip(sizes, fed, strict=True)]


@torch.no_grad()
def pruned_recurrent(model: RecurrentLocaliser, size: int, x: Tensor) -> RecurrentLocaliser:
    """Build a model with `size` units a recurrent layer from the most important ones on x (B, T, P), in their order.

    The dense layer keeps its size.
    """
    dense = 0 if model.dense is None else model.dense.out_features
    settings = model.settings.model_copy(update={"hidden": size, "dense": dense})
    smaller = build_model(settings, model.inputs, model.classes)
    assert isinstance(smaller, RecurrentLocaliser)
    columns = torch.arange(model.inputs)
    for layer, score in enumerate(recurrent_importance(model, x)):
        kept = score.topk(size).indices.sort().values
        gates = len(model.weights(layer)[2]) // model.hidden
        rows = torch.cat([gate * model.hidden + kept for gate in range(gates)])
        old, new = model.weights(layer), smaller.weights(layer)
        new[0].copy_(old[0][rows][:, columns])
        new[1].copy_(old[1][rows][:, kept])
        for before, after in zip(old[2:], new[2:], strict=True):
            after.copy_(before[rows])
        columns = kept
    if model.dense is not None and smaller.dense is not None:
        _copy(model.dense, smaller.dense, torch.arange(dense), columns)
        columns = torch.arange(dense)
    _copy(model.head, smaller.head, torch.arange(model.classes), columns)
    for name, value in model.named_parameters():  # what has no units, such as the CRF's
        if not name.startswith(("recurrent.", "dense.", "head.")):
            smaller.get_parameter(name).copy_(value)
    return smaller
