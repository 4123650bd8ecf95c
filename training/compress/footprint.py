"""Whether a recipe can fit its budget at all, before anything is trained."""

import torch

from tinyloc.training.errors import TrainingError
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import ExportSettings, Recipe

BIAS_BYTES = 4


def least_weight_bits(export: ExportSettings) -> int:
    """Width of the narrowest weights of the form that is built: 4 as soon as one layer has 4, or 8."""
    narrow = export.default == "mixed" and any(width.startswith("w4") for width in export.widths.values())
    return 4 if narrow else 8


def least_constant_bytes(settings: ModelSettings, inputs: int, classes: int, bits: int = 8) -> int:
    """Count the bytes that the weights take at least: `bits` per weight of a matrix, four bytes per bias.

    Tables, code and CRF transitions are not included.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(settings, inputs, classes)
    own = [value for name, value in model.named_parameters() if not name.startswith("crf.")]
    return sum(value.numel() * bits // 8 if value.dim() > 1 else value.numel() * BIAS_BYTES for value in own)


def least_state_bytes(model: Localiser) -> int:
    """Count the bytes that the state takes at least: one per value."""
    return sum(value.numel() for value in model.initial_state(1))


def check_fits(recipe: Recipe, inputs: int, classes: int) -> None:
    """Check that weights and state fit the recipe's budget.

    Raises:
        TrainingError: the weights take more flash, or the state more RAM.
    """
    settings, budget = recipe.deployed_model, recipe.budget
    kept = min(inputs, recipe.compression.access_points or inputs)
    problems = []
    flash = least_constant_bytes(settings, kept, classes, least_weight_bits(recipe.export))
    if budget.flash_bytes is not None and flash > budget.flash_bytes:
        problems.append(
            f"the weights take at least {flash} bytes of flash ({kept} access points, {classes} classes, hidden "
            f"{settings.hidden}), and budget.flash_bytes is {budget.flash_bytes}; make model.hidden smaller, keep "
            "fewer inputs (compression.access_points), or raise the budget"
        )
    with torch.device("meta"):
        ram = least_state_bytes(build_model(settings, kept, classes))
    if budget.ram_bytes is not None and ram > budget.ram_bytes:
        problems.append(
            f"the state takes at least {ram} bytes of RAM, and budget.ram_bytes is {budget.ram_bytes}; make "
            "model.hidden or model.context smaller, or raise the budget"
        )
    if problems:
        raise TrainingError(f"recipe {recipe.name}: {'; '.join(problems)}")
