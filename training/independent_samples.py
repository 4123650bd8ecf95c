"""Recipes for samples that do not follow one another, as in UJIIndoorLoc: nothing may reach from one to the next."""

from tinyloc.training.data.dataset import DataSet
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe


def unrelated_problems(recipe: Recipe, data_set: DataSet) -> list[str]:
    """One sentence with all that the recipe would carry from a sample to an unrelated one; none where samples follow.

    A model that carries state is trained on chunks of one sample there, and starts anew at each wherever it runs.
    """
    if data_set.sequential:
        return []
    must = []
    if recipe.window.steps > 1:
        must.append("window.steps must be 1")
    if recipe.input.hold_s:
        must.append("input.hold_s must be 0")
    stateful = [model.architecture for model in _models(recipe) if model.architecture != "mlp"]
    if recipe.training.chunk > 1 and stateful:
        named = ", ".join(dict.fromkeys(stateful))
        must.append(f"training.chunk must be 1, not {recipe.training.chunk}, for models that carry state ({named})")
    return [f"samples of {data_set.name} are independent: {', '.join(must)}"] if must else []


def _models(recipe: Recipe) -> list[ModelSettings]:
    """All that are trained: the model, its teachers and their assistant."""
    taught_by = recipe.distillation
    above = [*taught_by.teachers, *([taught_by.assistant] if taught_by.assistant else [])] if taught_by else []
    return [recipe.model, *(each.model for each in above if each.model is not None)]
