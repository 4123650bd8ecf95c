"""Choose between a recipe and its candidates by the validation split, before any training on validation scans.

Held-out places or laps are of the survey's own days and devices: they say little about the phone of next year, for
which the recipe as written is made. So a candidate must be clearly better, by the interval of the paired bootstrap.
"""

from dataclasses import replace

from tinyloc.training.data.dataset import DataSet
from tinyloc.training.decide import decide_all
from tinyloc.training.inputs import fitted
from tinyloc.training.places import mean_position
from tinyloc.training.protocol.baselines import decisions_of, truth_of
from tinyloc.training.protocol.bootstrap import differences
from tinyloc.training.protocol.figures import Decisions
from tinyloc.training.recipe import Recipe
from tinyloc.training.stages import Stages, Tried, new_model
from tinyloc.training.train import Fit

PLAIN = "as written"
"""Name of the recipe without changes."""
METRES, CLASSES = "error_mean_m", "macro_f1"


def choose(recipe: Recipe, data_set: DataSet, stages: Stages) -> tuple[Recipe, list[Tried]]:
    """Train the recipe and each of its candidates on the training split alone; take the best that is clearly better.

    Teachers and compression come later, for the chosen one only; all access points count here.

    Args:
        recipe: with candidates.
        data_set: whose validation split no candidate trains on.
        stages: keeps finished candidates of an interrupted training.

    Returns:
        The chosen recipe, without candidates, and what each reached.
    """
    judged = replace(data_set, test=data_set.validation)
    plain = _decided(stages, recipe.candidate(None), PLAIN, judged)
    metric = METRES if recipe.output.position == "mean" else CLASSES
    unit = truth_of(judged, recipe.window.decisions(data_set.rate_hz)).unit
    gains: dict[str, float] = {}
    tried = []
    for name in recipe.candidates:
        found = differences(_decided(stages, recipe.candidate(name), name, judged), plain, unit)[metric]
        gain = -found.mean if metric == METRES else found.mean
        tried.append(Tried(name, metric, found.mean, found.low, found.high, chosen=False))
        if found.clear and gain > 0:
            gains[name] = gain
    best = max(gains, key=lambda name: gains[name]) if gains else None
    return recipe.candidate(best), [replace(one, chosen=one.name == best) for one in tried]


def _decided(stages: Stages, recipe: Recipe, name: str, data_set: DataSet) -> Decisions:
    """Train, and decide the split that stands in for the test."""
    preprocessing = fitted(recipe.input, data_set)
    model = new_model(recipe.model, data_set, recipe.seed)
    stages.run(Fit(f"candidate {name}", model, data_set, preprocessing, recipe))
    window = recipe.window.decisions(data_set.rate_hz)
    truth = truth_of(data_set, window)
    scores, decision = decide_all(model, data_set.test, preprocessing, window)
    places = data_set.class_position_m if recipe.output.position == "mean" else None
    decided_m = None if places is None else mean_position(scores[truth.sample], places)
    return decisions_of(data_set, truth, decision[truth.sample], decided_m)
