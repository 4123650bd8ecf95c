"""Parameters, counted two ways: as the study publishes them, and those that a deployed model reads."""

from tinyloc.training.models.localiser import Localiser


def published_parameters(model: Localiser) -> int:
    """Every trainable parameter, as arXiv 2412.09289 counts."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def live_parameters(model: Localiser, steps: int) -> int:
    """Parameters that decisions depend on: with windows of one sample no CRF transition is ever taken."""
    dead = model.crf.transitions.numel() if model.crf is not None and steps == 1 else 0
    return published_parameters(model) - dead
