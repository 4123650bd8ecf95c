"""Whether a recipe can fit its budget at all, before anything is trained."""

import torch

from tinyloc.training.errors import TrainingError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe

BIAS_BYTES = 4


def least_constant_bytes(settings: ModelSettings, inputs: int, classes: int) -> int:
    """Bytes that the weights take at least: one for each of a matrix, four for each of a bias.

    What the device needs beside them (tables, code) is not in it, nor CRF transitions.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(settings, inputs, classes)
    own = [value for name, value in model.named_parameters() if not name.startswith("crf.")]
    return sum(value.numel() * (1 if value.dim() > 1 else BIAS_BYTES) for value in own)


def check_fits(recipe: Recipe, inputs: int, classes: int) -> None:
    """TrainingError when the weights alone take more flash than the recipe's budget allows."""
    budget = recipe.budget.flash_bytes
    if budget is None:
        return
    kept = min(inputs, recipe.compression.access_points or inputs)
    least = least_constant_bytes(recipe.deployed_model, kept, classes)
    if least > budget:
        raise TrainingError(
            f"recipe {recipe.name}: its weights take at least {least} bytes of flash ({kept} access points, {classes} "
            f"classes, hidden {recipe.deployed_model.hidden}), and budget.flash_bytes is {budget}; make model.hidden "
            "smaller, keep fewer inputs (compression.access_points), or raise the budget"
        )
