"""Models written so that each matrix of the exported step is one matrix of theirs, scaled or reordered at most.

What the export folds into a matrix (the weights of a norm before it, a linear layer behind it) moves there for good.
What is left in its place (ones, zeros, an identity) is no longer trained. The model computes the same.
"""

import torch
from torch import nn

from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.mamba import MambaLocaliser
from tinyloc.training.models.mdcsa import GatedResidual, MdcsaLocaliser


@torch.no_grad()
def absorb(model: Localiser) -> Localiser:
    """Rewrite the parameters of a model in place, and return it."""
    if isinstance(model, MambaLocaliser):
        for norm, block in model.layers():
            block.in_proj.weight.mul_(norm.weight)
            norm.weight.fill_(1.0)
            norm.weight.requires_grad_(False)
    if isinstance(model, MdcsaLocaliser):
        for attention in model.dcsa_blocks():
            _absorb_gate(attention.residual)
        _absorb_norm(model.norm, model.head)
    return model


def _absorb_gate(residual: GatedResidual) -> None:
    """`mix` becomes gate @ mix in its first rows, `gate` takes those rows."""
    gate, mix = residual.gate, residual.mix
    rows = gate.weight.shape[0]
    bias = gate.weight @ mix.bias + gate.bias
    product = gate.weight @ mix.weight
    for parameter, first in ((mix.weight, product), (mix.bias, bias)):
        parameter.zero_()
        parameter[:rows] = first
    gate.weight.copy_(torch.eye(*gate.weight.shape))
    gate.bias.zero_()
    gate.requires_grad_(False)


def _absorb_norm(norm: nn.LayerNorm, head: nn.Linear) -> None:
    head.bias.add_(head.weight @ norm.bias)
    head.weight.mul_(norm.weight)
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    norm.requires_grad_(False)


def all_trained(model: Localiser) -> None:
    """Let every parameter be trained again."""
    model.requires_grad_(True)
