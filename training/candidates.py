"""Choose between a recipe and its candidates by the validation split, before any training on validation scans."""

from tinyloc.training.data.dataset import DataSet
from tinyloc.training.inputs import fitted
from tinyloc.training.recipe import Recipe
from tinyloc.training.stages import Stages, Tried, new_model
from tinyloc.training.train import Fit

PLAIN = "as written"
"""Name of the recipe without changes."""


def choose(recipe: Recipe, data_set: DataSet, stages: Stages) -> tuple[Recipe, list[Tried]]:
    """Train the recipe and each of its candidates on the training split alone; of equals the first is taken.

    Teachers and compression come later, for the chosen one only; all access points count here.

    Args:
        recipe: with candidates.
        data_set: whose validation split no candidate trains on.
        stages: keeps finished candidates of an interrupted training.

    Returns:
        The chosen recipe, without candidates, and what each reached.
    """
    merits: dict[str | None, float] = {}
    for name in (None, *recipe.candidates):
        one = recipe.candidate(name)
        model = new_model(one.model, data_set, one.seed)
        fit = Fit(f"candidate {name or PLAIN}", model, data_set, fitted(one.input, data_set), one)
        merits[name] = stages.run(fit).best_merit
    best = max(merits, key=lambda name: merits[name])
    return recipe.candidate(best), [Tried(name or PLAIN, merit, name == best) for name, merit in merits.items()]
