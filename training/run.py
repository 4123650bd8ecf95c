"""A run: from a recipe to a directory that holds everything export needs, and back.

runs/<name>/
  recipe.toml       as used
  run.json          RunRecord: seed, versions, settings, data, preprocessing, figures
  checkpoint.pt     the best weights by validation macro F1
  metrics.json      validation and test figures, confusion matrix, history of the epochs
  calibration.npz   x (W, T, P) float32: preprocessed training samples in a row, label (W, T) int32
  test.npz          TestSet, with the float model's scores and decisions
  resume.pt         only while training: everything needed to go on after an interruption
"""

import json
import logging
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tomli_w
import torch
from pydantic import BaseModel, ConfigDict, model_validator

from tinyloc.bundle.comparison import Comparison
from tinyloc.bundle.provenance import Step, step
from tinyloc.bundle.schema import Outputs, Preprocessing, TestSet, Unknown, Window, load_test_set
from tinyloc.bundle.site import Site
from tinyloc.bundle.version1 import site_of
from tinyloc.files import whole_directory
from tinyloc.training import metrics, resume, unknown
from tinyloc.training.calibration import calibration_windows
from tinyloc.training.candidates import choose
from tinyloc.training.compress.footprint import check_fits
from tinyloc.training.compress.forms import FORMS, serialised_bytes
from tinyloc.training.compress.integer_tuner import IntegerTuner
from tinyloc.training.data import catalogue
from tinyloc.training.data.dataset import DataSet, lone_classes
from tinyloc.training.data.digest import digest
from tinyloc.training.decide import decide_all, stream
from tinyloc.training.errors import TrainingError, one_line
from tinyloc.training.finished_teachers import Known
from tinyloc.training.independent_samples import unrelated_problems
from tinyloc.training.inputs import fitted, narrowed, without_silent
from tinyloc.training.models.build import build_model
from tinyloc.training.models.count import live_parameters, published_parameters
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.places import mean_position
from tinyloc.training.preprocess import forward_fill
from tinyloc.training.protocol.baselines import compare, decisions_of, truth_of
from tinyloc.training.protocol.bootstrap import intervals
from tinyloc.training.protocol.figures import figures as figures_of
from tinyloc.training.recipe import Recipe, parse_recipe
from tinyloc.training.refit import with_validation, without_validation
from tinyloc.training.stages import Outcome, Stages, Tried, fit_model
from tinyloc.training.test_set import as_test_set
from tinyloc.training.train import Fit, Progress, deterministic, silent, validate

LOGGER = logging.getLogger(__name__)
VERSIONS = ("tinyloc", "torch", "pytorch-crf", "numpy", "scikit-learn")


class RunRecord(BaseModel):
    """run.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "tinyloc-run"
    name: str
    seed: int
    data: str
    data_title: str
    licence: str
    citation: str
    data_sha256: str | None = None
    """Of all that training, validation and test read."""
    comparison: Comparison | None = None
    """Simple methods on the same test split; None in runs of tinyloc 0.1.0."""
    made_by: list[Step] = []
    """Commands; None in runs of tinyloc 0.1.0."""
    samples: dict[str, int]
    """Of each split."""
    preprocessing: Preprocessing
    window: Window
    outputs: Outputs
    site: Site = Site()
    parameters: int
    parameters_published: int
    epochs: int
    best_epoch: int
    seconds: float
    """Of training in this process, for information."""
    validation: dict[str, float]
    """With `trained_on` = 1 where the recipe refits: these figures then say nothing about other data."""
    test: dict[str, float]
    versions: dict[str, str]
    settings: dict[str, Any]
    """The recipe."""

    @model_validator(mode="before")
    @classmethod
    def _with_site(cls, content: Any) -> Any:
        """Runs of tinyloc 0.1.0 have the floor plan among the outputs."""
        outputs = content.get("outputs") if isinstance(content, dict) else None
        if not isinstance(outputs, dict) or "floor_plan" not in outputs:
            return content
        kept = {key: value for key, value in outputs.items() if key != "floor_plan"}
        return {**content, "outputs": kept, "site": site_of(outputs["floor_plan"])}


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, the model on the CPU in evaluation mode."""

    directory: Path
    recipe: Recipe
    record: RunRecord
    model: Localiser
    test_set: TestSet
    calibration: npt.NDArray[np.float32]  # (W, T, P)
    metrics: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def seed(self) -> int:
        return self.record.seed

    @property
    def preprocessing(self) -> Preprocessing:
        return self.record.preprocessing

    @property
    def window(self) -> Window:
        return self.record.window

    @property
    def outputs(self) -> Outputs:
        return self.record.outputs

    @property
    def versions(self) -> dict[str, str]:
        return self.record.versions


def train(
    recipe: Recipe,
    directory: Path,
    progress: Progress = silent,
    data_path: Path | None = None,
    fresh: bool = False,
    tuner: IntegerTuner | None = None,
    blind: bool = False,
) -> TrainedRun:
    """Train a recipe and write `directory` whole; a finished run there is replaced at the very end.

    Args:
        recipe: what to train.
        directory: of the run.
        progress: called after every epoch.
        data_path: in place of the recipe's data.path.
        fresh: do not continue an interrupted training of the same recipe and data.
        tuner: for recipes that train with integers or round adaptively: `integer_training.tuner.INTEGERS`.
        blind: the validation recordings stand in for the test recordings, so that nothing can be chosen by the test;
            candidates are left out.

    Raises:
        DataError: missing or damaged data.
        TrainingError: the directory holds something other than a run, or an interrupted training of another recipe or
            on other data; or the loss diverges; or the recipe needs a tuner.
    """
    if recipe.compression.tuned and tuner is None:
        raise TrainingError(
            f"recipe {recipe.name} trains for the exported integers: pass tuner=tinyloc.integer_training.tuner.INTEGERS"
        )
    saved = resume.find(recipe, directory, fresh)
    data_set = _loaded(recipe, data_path, blind)
    described = resume.describe(data_set)
    if saved is not None:
        resume.check_data(saved, described, directory)
    _check_data(recipe, data_set)
    check_fits(recipe, len(data_set.access_points), len(data_set.classes))
    began = time.monotonic()
    with deterministic(recipe.seed):
        stages = Stages(recipe, described, directory / "resume.pt", saved, progress)
        # blind, the validation recordings are what is judged: they choose nothing and teach nothing
        tried: list[Tried] = []
        if recipe.candidates:
            recipe, tried = (recipe.candidate(None), []) if blind else choose(recipe, data_set, stages)
        if recipe.training.refit and not blind:
            data_set = with_validation(data_set)
        outcome = replace(fit_model(recipe, data_set, stages, _known, tuner), tried=tried)
        return _write(recipe, directory, outcome, time.monotonic() - began, compared=not blind)


def write_untrained(recipe: Recipe, directory: Path) -> TrainedRun:
    """Write a run with the recipe's final shapes and first weights, blind: enough to export, compile and measure it.

    Raises:
        DataError, TrainingError: as `train`.
    """
    data_set = _loaded(recipe, None, blind=True)
    _check_data(recipe, data_set)
    check_fits(recipe, len(data_set.access_points), len(data_set.classes))
    most = recipe.compression.access_points
    if most is not None:
        heard = sum((~np.isnan(recording.rssi_dbm)).sum(axis=0) for recording in data_set.train)
        data_set = narrowed(data_set, sorted(np.argsort(-np.asarray(heard), kind="stable")[:most].tolist()))
    with deterministic(recipe.seed):
        torch.manual_seed(recipe.seed)
        model = build_model(recipe.deployed_model, len(data_set.access_points), len(data_set.classes)).eval()
        preprocessing = fitted(recipe.input, data_set)
        fit = Fit("model", model, data_set, preprocessing, recipe)
        return _write(recipe, directory, Outcome(model, data_set, preprocessing, [fit], []), 0.0, compared=False)


def _loaded(recipe: Recipe, data_path: Path | None, blind: bool) -> DataSet:
    """The data set as the recipe uses it."""
    path = data_path or (Path(recipe.data.path) if recipe.data.path else None)
    data_set = catalogue.load(recipe.data.name, recipe.data.options, path)
    for note in data_set.notes:
        LOGGER.info("%s", note)
    if recipe.input.drop_silent:
        data_set = without_silent(data_set)
    return replace(data_set, test=data_set.validation) if blind else data_set


def _known(directory: Path) -> Known:
    """A finished run as a teacher."""
    run = load_run(directory)
    return Known(str(directory), run.model, run.preprocessing, run.outputs.classes)


def _check_data(recipe: Recipe, data_set: DataSet) -> None:
    """TrainingError, with all reasons, when nothing can come of training on this."""
    needs = {"train": recipe.training.chunk, "validation": recipe.window.steps, "test": recipe.window.steps}
    problems = [] if recipe.output.spread_m else lone_classes(data_set)  # neighbours teach a place with one scan
    for split, need in needs.items():
        longest = max(len(recording) for recording in data_set.splits[split])
        if longest < need:
            problems.append(f"the longest {split} recording has {longest} samples; {need} are needed")
    problems += unrelated_problems(recipe, data_set)
    if problems:
        raise TrainingError(f"recipe {recipe.name}: {'; '.join(problems)}; change the recipe or the data options")


def _write(recipe: Recipe, directory: Path, outcome: Outcome, seconds: float, compared: bool = True) -> TrainedRun:
    """compared: with the baselines, whose tuning takes longer than a small training."""
    data_set, preprocessing, model = outcome.data_set, outcome.preprocessing, outcome.model
    window = outcome.fits[-1].window
    outputs = Outputs(
        classes=list(data_set.classes),
        positions_m=data_set.class_positions(),
        floors=data_set.class_floors(),
        position=recipe.output.position,
        unknown=_unknown(model, data_set, preprocessing) if recipe.output.unknown else None,
    )
    test_set = _test_set(model, data_set, preprocessing, window)
    places = data_set.class_position_m if outputs.position == "mean" else None
    decided_m = None if places is None else mean_position(test_set.float_scores, places)
    scores = metrics.score_test_set(test_set, test_set.float_class, window, outputs, decided_m)
    truth = metrics.due_decisions(test_set, window)
    validation = validate(model, data_set.validation, preprocessing, window, places)
    seen = validation.as_dict() | ({"trained_on": 1.0} if recipe.training.refit else {})
    decided = test_set.float_class[truth.sample]
    due = truth_of(data_set, window)
    model_decisions = decisions_of(data_set, due, decided, None if decided_m is None else decided_m[truth.sample])
    comparison = None
    if compared:
        comparison = compare(
            without_validation(data_set) if recipe.training.refit else data_set,
            preprocessing.hold_samples,
            window,
            places is not None,
            model_decisions,
        )
    figures = {
        "validation": seen,
        "test": scores.as_dict(),
        "figures": figures_of(model_decisions),
        "intervals": intervals(model_decisions, due.unit),
        "confusion": metrics.confusion(truth.label, decided, len(data_set.classes)).tolist(),
        "classes": list(data_set.classes),
        "history": [epoch for fit in outcome.fits for epoch in fit.history],
        "teachers": [asdict(teacher) for teacher in outcome.teachers],
        "candidates": [asdict(one) for one in outcome.tried],
        "forms": _forms(recipe, outcome),
    }
    record = RunRecord(
        name=recipe.name,
        seed=recipe.seed,
        data=data_set.name,
        data_title=data_set.title,
        licence=data_set.licence,
        citation=data_set.citation,
        data_sha256=digest(data_set),
        comparison=comparison,
        made_by=[step("train")],
        samples={name: sum(map(len, recordings)) for name, recordings in data_set.splits.items()},
        preprocessing=preprocessing,
        window=window,
        outputs=outputs,
        site=data_set.site(),
        parameters=live_parameters(model, window.steps),
        parameters_published=published_parameters(model),
        epochs=sum(fit.epoch for fit in outcome.fits),
        best_epoch=sum(fit.epoch for fit in outcome.fits[:-1]) + outcome.fits[-1].best_epoch,
        seconds=round(seconds, 1),
        validation=seen,
        test=scores.as_dict(),
        versions=_versions(),
        settings=recipe.model_dump(mode="json"),
    )
    x, label = calibration_windows(data_set, preprocessing, recipe.training.chunk, recipe.seed)
    with whole_directory(directory) as place:
        (place / "recipe.toml").write_text(
            tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)), encoding="utf-8", newline="\n"
        )
        torch.save(model.state_dict(), place / "checkpoint.pt")
        (place / "metrics.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8", newline="\n")
        np.savez_compressed(place / "calibration.npz", x=x, label=label)
        test_set.save(place / "test.npz")
        (place / "run.json").write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")
    return load_run(directory)


def _unknown(model: Localiser, data_set: DataSet, preprocessing: Preprocessing) -> Unknown:
    """When to answer "unknown", by the validation split."""
    scores = np.concatenate([stream(model, recording, preprocessing) for recording in data_set.validation])
    held = [forward_fill(one.rssi_dbm, preprocessing.hold_samples) for one in data_set.validation]
    label = np.concatenate([recording.label for recording in data_set.validation])
    return unknown.choose(scores, label, (~np.isnan(np.concatenate(held))).sum(axis=1))


def _test_set(model: Localiser, data_set: DataSet, preprocessing: Preprocessing, window: Window) -> TestSet:
    scores, decisions = decide_all(model, data_set.test, preprocessing, window)
    return as_test_set(data_set.test, scores, decisions, carries_state=bool(model.state_names))


def _forms(recipe: Recipe, outcome: Outcome) -> dict[str, dict[str, float]]:
    """Test figures and serialised bytes of the model in float and in the forms that the recipe asks for."""
    models: dict[str, Localiser] = {"float": outcome.model} if recipe.compression.forms else {}
    models |= {name: FORMS[name](outcome.model) for name in recipe.compression.forms}
    told = {}
    for name, model in models.items():
        scores = validate(model, outcome.data_set.test, outcome.preprocessing, outcome.fits[-1].window)
        figures = {"macro_f1": scores.macro_f1, "accuracy": scores.accuracy}
        told[name] = figures | {"serialised_bytes": float(serialised_bytes(model))}
    return told


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load_run(directory: Path) -> TrainedRun:
    """Read a finished run.

    Raises:
        TrainingError: it is not there, not finished or damaged.
    """
    path = directory / "run.json"
    if not path.is_file():
        state = "training was interrupted; run the same `tinyloc train` again to continue"
        if not (directory / "resume.pt").is_file():
            state = "make one with `tinyloc train`"
        raise TrainingError(f"{directory}: no finished run here; {state}")
    try:
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        recipe = parse_recipe((directory / "recipe.toml").read_text(encoding="utf-8"), str(directory / "recipe.toml"))
        model = build_model(recipe.deployed_model, len(record.preprocessing.access_points), len(record.outputs.classes))
        model.load_state_dict(torch.load(directory / "checkpoint.pt", weights_only=True))
        with np.load(directory / "calibration.npz") as arrays:
            calibration = arrays["x"]
        test_set = load_test_set(directory)
        figures = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    except Exception as error:  # a damaged file makes torch.load and np.load raise almost anything
        raise TrainingError(f"{directory}: the run cannot be read ({one_line(error)}); train it again") from error
    model.eval()
    return TrainedRun(directory, recipe, record, model, test_set, calibration, figures)
