"""From a bundle to a model of the zoo. Needs the extras train and export, for the float model's answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import (
    TEST_SET,
    Arithmetic,
    Bundle,
    TestSet,
    load_bundle,
    load_test_set,
    sha256,
    write_bundle,
)
from tinyloc.device.evaluation.measure_bundle import measure
from tinyloc.device.zoo.measure import exist, figures, write_card
from tinyloc.device.zoo.models import DECISIONS, WALK, WALK_ABOUT, Card, ZooError, golden_readings
from tinyloc.files import whole_directory
from tinyloc.names import file_name
from tinyloc.paths import ZOO_DIR
from tinyloc.training.data.dataset import Recording
from tinyloc.training.preprocess import readings_dbm
from tinyloc.training.test_set import readings_digest

FAINTEST = 16.0
"""Golden scores further below the best of their scan are kept as that: positions weigh them with exp(-32)."""

Scores = npt.NDArray[np.float32]
Answer = Callable[[Recording], tuple[Scores, npt.NDArray[np.int32]]]
"""The float model: a recording -> scores (N, C) and decisions (N,), -1 where none is due."""


def pack(
    run_directory: Path, name: str, boards: Sequence[str], arithmetic: Arithmetic | None = None, folder: Path = ZOO_DIR
) -> Card:
    """Write zoo/NAME from an exported run or a bundle of an own network, with figures of each board that it fits.

    Raises:
        ZooError: it fits none of `boards`, a board answers otherwise than the host, the test set has no labels, or
            the float model is not there.
    """
    _check_name(name)
    directory = run_directory / "bundle"
    bundle, test_set = load_bundle(directory), load_test_set(directory)
    if not bundle.float_metrics or bundle.samples_from == "golden scans":
        raise ZooError(
            f"{run_directory}: the bundle has no test set with labels; a card shows macro F1 on one. Make the bundle "
            "with labelled test samples"
        )
    answer, data, options = _float_model(run_directory, bundle)
    form = arithmetic or bundle.default_arithmetic
    optimise = bundle.build.optimise
    found = measure(directory, form, exist(boards), optimise)
    decided = "positions, " if bundle.outputs.position == "mean" else ""
    card = Card(
        name=name,
        title=f"{bundle.data.title}, {decided}{bundle.architecture}, {form}",
        boards=figures(found, str(run_directory)),
        arithmetic=form,
        optimise=optimise,
        architecture=bundle.architecture,
        data=data,
        data_options=options,
        licence=bundle.data.licence,
        citation=bundle.data.citation,
        seed=bundle.provenance.seeds.get("training", 0),
        parameters=bundle.parameters,
        test_samples=len(test_set.label),
        test_sha256=readings_digest(test_set),
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
        float_macro_f1=round(bundle.float_metrics["macro_f1"], 6),
        float_accuracy=round(bundle.float_metrics["accuracy"], 6),
        errors_m=found.errors_m,
        file_bytes=found.serialised_bytes,
        constant_bytes=found.constant_bytes or 0,
    )
    with whole_directory(folder / name) as place:
        _write(place, directory, bundle, test_set, answer, card)
        for kept in (WALK, WALK_ABOUT):  # not of the model: it stays when the model is packed anew
            if (folder / name / kept).is_file():
                (place / kept).write_bytes((folder / name / kept).read_bytes())
    return card


def _check_name(name: str) -> None:
    try:
        file_name(name)
    except ValueError as error:
        raise ZooError(f"zoo pack: {error}") from error


def _float_model(run_directory: Path, bundle: Bundle) -> tuple[Answer, str, dict[str, Any]]:
    """The trained model of a run, or the float file of an own network; data in the catalogue and their options."""
    if (run_directory / "run.json").is_file():
        from tinyloc.training.decide import decide_all
        from tinyloc.training.run import load_run

        run = load_run(run_directory)
        return (
            lambda recording: decide_all(run.model, [recording], bundle.preprocessing, bundle.window),
            run.recipe.data.name,
            run.recipe.data.options,
        )
    from tinyloc.export.network.float_answers import FLOAT_FILE, float_answers

    path = run_directory / "bundle" / FLOAT_FILE
    if not path.is_file():
        raise ZooError(
            f"{run_directory} has neither a trained run nor {path}, which answers for the float model; make the bundle "
            "again with `tinyloc bundle new`, or train the recipe"
        )
    return lambda recording: float_answers(path, bundle, recording), bundle.data.name, {}


def _write(place: Path, directory: Path, bundle: Bundle, test_set: TestSet, answer: Answer, card: Card) -> None:
    kept = bundle.model(card.arithmetic)
    (place / kept.path).write_bytes((directory / kept.path).read_bytes())
    golden(bundle, test_set.apart, card.seed, answer).save(place / TEST_SET)
    np.savez_compressed(place / DECISIONS, float_class=test_set.float_class.astype(np.int16))
    settings = {"recipe": bundle.settings.get("recipe"), "zoo": card.name}
    packed = bundle.model_copy(
        update={
            "name": card.name, "models": [kept], "default_arithmetic": card.arithmetic, "settings": settings,
            "test_sha256": sha256(place / TEST_SET), "samples_from": "golden scans",
        }
    )  # fmt: skip
    write_bundle(packed, place)
    write_card(card, place)
    load_bundle(place)


def golden(bundle: Bundle, apart: bool, seed: int, answer: Answer) -> TestSet:
    """Golden scans as one recording, or apart as the test set's are, labelled with the float model's decisions."""
    raw = golden_readings(bundle, seed)
    count = len(raw)
    unknown = np.full((count, 3), np.nan, np.float32)
    nothing = np.zeros(count, np.int32)
    recording = Recording(
        "golden", readings_dbm(raw), unknown, nothing, np.arange(count, dtype=np.float64), apart=apart
    )
    scores, decisions = answer(recording)
    whose = np.arange(count, dtype=np.int32) if apart else nothing
    kept = np.maximum(scores, scores.max(axis=1, keepdims=True) - FAINTEST)  # the rest is noise that does not compress
    return TestSet(raw, whose, decisions, unknown, kept, decisions)
