"""What a cell takes: memory while it trains, and hours before it is begun."""

import time
from collections.abc import Iterable
from pathlib import Path

from tinyloc.study.spec import DEPLOYED, Cell
from tinyloc.study.tasks import Needs
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe

BASE_BYTES = 900 << 20
"""A worker with PyTorch, the data and the export's tools."""
FLOAT_BYTES = 4
KEPT = {"mamba": 420, "mdcsa": 200, "lstm": 40, "gru": 30, "mlp": 10}
"""Floats that a step of training takes, per sample, hidden unit and layer: peak memory of eight shapes, rounded up."""
OWN_CLASS_BYTES = 512 * 2**20
"""Of a class of the user's, whose layers are not known: a guess on the safe side."""
SCORE_SECONDS, IMAGE_SECONDS, EXPORT_SECONDS = 4.0, 8.0, 8.0
"""Of one form, one image with its emulation, one export: medians on one core of this machine, for estimates."""
TIMED_BATCHES = 2


def needs_of(recipe: Recipe) -> Needs:
    """Memory of the largest model that the recipe trains, with its gradients and the optimiser's moments."""
    models = [recipe.model]
    if recipe.distillation is not None:
        models += [teacher.model for teacher in recipe.distillation.teachers if teacher.model is not None]
    return Needs(memory_bytes=BASE_BYTES + max(_training_bytes(model, recipe) for model in models))


def _training_bytes(model: ModelSettings, recipe: Recipe) -> int:
    if model.own:
        return OWN_CLASS_BYTES
    sizes = model.hidden_sizes
    samples = recipe.training.batch * recipe.training.chunk
    activations = samples * sum(sizes) * model.layers * KEPT[model.architecture]
    weights = 4 * 40 * max(sizes) ** 2 * model.layers if model.architecture != "mlp" else 4 * 1000 * sum(sizes)
    return FLOAT_BYTES * (activations + weights)


def estimated_seconds(cells: Iterable[Cell]) -> dict[str, float]:
    """Cell id -> seconds on one core of this machine, all epochs counted: early stopping makes it less.

    Times some batches of each shape of model and data, so it takes a second or two for each.
    """
    from tinyloc.training.data import catalogue
    from tinyloc.training.inputs import without_silent

    data_sets, shapes, found = {}, {}, {}
    for cell in cells:
        recipe = cell.recipe
        if recipe is None:
            continue
        source = recipe.data.model_dump_json()
        if source not in data_sets:
            data_set = catalogue.load(
                recipe.data.name, recipe.data.options, Path(recipe.data.path) if recipe.data.path else None
            )
            data_sets[source] = without_silent(data_set) if recipe.input.drop_silent else data_set
        shape = source, recipe.model.model_dump_json(), recipe.training.batch, recipe.training.chunk
        if shape not in shapes:
            shapes[shape] = _batch_seconds(recipe, data_sets[source])
        batches = _batches(recipe, sum(map(len, data_sets[source].train)))
        forms = sum(form in DEPLOYED for form in cell.forms)
        measuring = forms * (SCORE_SECONDS + IMAGE_SECONDS * len(cell.boards)) + (EXPORT_SECONDS if forms else 0)
        found[cell.id] = shapes[shape] * batches * recipe.training.epochs_of(batches) + measuring
    return found


def _batches(recipe: Recipe, samples: int) -> int:
    chunks = recipe.training.chunks_per_epoch or -(-samples // recipe.training.chunk)
    return -(-chunks // recipe.training.batch)


def _batch_seconds(recipe: Recipe, data_set: object) -> float:
    """One step of the optimiser on random readings; the first is not counted."""
    import torch

    from tinyloc.training.data.dataset import DataSet
    from tinyloc.training.models.build import build_model
    from tinyloc.training.train import deterministic

    assert isinstance(data_set, DataSet)
    settings, steps = recipe.training, recipe.window.steps
    with deterministic(1):
        model = build_model(recipe.model, len(data_set.access_points), len(data_set.classes))
        optimiser = torch.optim.AdamW(model.parameters())
        x = torch.rand(settings.batch, settings.chunk, len(data_set.access_points))
        label = torch.zeros(settings.batch * settings.chunk // steps, steps, dtype=torch.long)
        seconds = []
        for _ in range(1 + TIMED_BATCHES):
            began = time.perf_counter()
            scores = model.network(x)
            loss = model.loss(
                scores.reshape(-1, steps, scores.shape[-1]), label, torch.ones_like(label, dtype=torch.bool)
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
