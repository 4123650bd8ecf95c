"""Parameters, counted two ways: as the study publishes them, and those that a deployed model reads."""

from torch import nn

from tinyloc.training.models.localiser import Localiser


def _numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def published_parameters(model: Localiser) -> int:
    """Count parameters as arXiv 2412.09289 does: all trainable ones, also of branches that never run.

    Our additions do not count.
    """
    return _numbers(model) + _numbers(model.unbuilt()) - model.added_parameters()


def live_parameters(model: Localiser, steps: int) -> int:
    """Count the parameters that decisions depend on: with windows of one sample no CRF transition is ever taken."""
    dead = model.crf.transitions.numel() if model.crf is not None and steps == 1 else 0
    return _numbers(model) - dead
