"""From a finished run to a model of the zoo. Needs torch, for the float model's answers to the golden scans."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyloc.bundle.schema import TEST_SET, Arithmetic, Bundle, TestSet, load_bundle, sha256, write_bundle
from tinyloc.device.evaluation.measure_bundle import measure
from tinyloc.device.zoo.measure import exist, figures, write_card
from tinyloc.device.zoo.models import DECISIONS, WALK, WALK_ABOUT, Card, ZooError, golden_readings
from tinyloc.files import whole_directory
from tinyloc.names import file_name
from tinyloc.paths import ZOO_DIR
from tinyloc.training.data.dataset import Recording
from tinyloc.training.preprocess import readings_dbm
from tinyloc.training.test_set import readings_digest

if TYPE_CHECKING:
    from tinyloc.training.run import TrainedRun

FAINTEST = 16.0
"""Golden scores further below the best of their scan are kept as that: positions weigh them with exp(-32)."""


def pack(
    run_directory: Path, name: str, boards: Sequence[str], arithmetic: Arithmetic | None = None, folder: Path = ZOO_DIR
) -> Card:
    """Write zoo/NAME from an exported run, with figures of each board whose budget it fits.

    ZooError when it fits none of `boards`, or when a board answers otherwise than the host.
    """
    from tinyloc.training.run import load_run

    _check_name(name)
    run, bundle = load_run(run_directory), load_bundle(run_directory / "bundle")
    form = arithmetic or bundle.default_arithmetic
    optimise = run.recipe.build.optimise
    found = measure(run_directory / "bundle", form, exist(boards), optimise)
    decided = "positions, " if bundle.outputs.position == "mean" else ""
    card = Card(
        name=name,
        title=f"{run.record.data_title}, {decided}{run.model.settings.kind}, {form}",
        boards=figures(found, str(run_directory)),
        arithmetic=form,
        optimise=optimise,
        architecture=run.model.settings.kind,
        data=run.recipe.data.name,
        data_options=run.recipe.data.options,
        licence=run.record.licence,
        citation=run.record.citation,
        seed=run.seed,
        parameters=run.record.parameters,
        test_samples=len(run.test_set.label),
        test_sha256=readings_digest(run.test_set),
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
        float_macro_f1=round(run.record.test["macro_f1"], 6),
        float_accuracy=round(run.record.test["accuracy"], 6),
        errors_m=found.errors_m,
        file_bytes=found.serialised_bytes,
        constant_bytes=found.constant_bytes or 0,
    )
    with whole_directory(folder / name) as place:
        _write(place, run, bundle, form, card)
        for kept in (WALK, WALK_ABOUT):  # not of the model: it stays when the model is packed anew
            if (folder / name / kept).is_file():
                (place / kept).write_bytes((folder / name / kept).read_bytes())
    return card


def _check_name(name: str) -> None:
    try:
        file_name(name)
    except ValueError as error:
        raise ZooError(f"zoo pack: {error}") from error


def _write(place: Path, run: "TrainedRun", bundle: Bundle, form: Arithmetic, card: Card) -> None:
    kept = bundle.model(form)
    (place / kept.path).write_bytes((run.directory / "bundle" / kept.path).read_bytes())
    golden(run, bundle).save(place / TEST_SET)
    np.savez_compressed(place / DECISIONS, float_class=run.test_set.float_class.astype(np.int16))
    settings = {"recipe": bundle.settings.get("recipe"), "zoo": card.name}
    packed = bundle.model_copy(
        update={
            "name": card.name, "models": [kept], "default_arithmetic": form, "settings": settings,
            "test_sha256": sha256(place / TEST_SET), "samples_from": "golden scans",
        }
    )  # fmt: skip
    write_bundle(packed, place)
    write_card(card, place)
    load_bundle(place)


def golden(run: "TrainedRun", bundle: Bundle) -> TestSet:
    """Golden scans as one recording, or apart as the test set's are, labelled with the float model's decisions."""
    from tinyloc.training.decide import decide_all

    raw = golden_readings(bundle, run.seed)
    count = len(raw)
    unknown = np.full((count, 3), np.nan, np.float32)
    nothing = np.zeros(count, np.int32)
    time_s, apart = np.arange(count, dtype=np.float64), run.test_set.apart
    recording = Recording("golden", readings_dbm(raw), unknown, nothing, time_s, apart=apart)
    scores, decisions = decide_all(run.model, [recording], bundle.preprocessing, bundle.window)
    whose = np.arange(count, dtype=np.int32) if apart else nothing
    kept = np.maximum(scores, scores.max(axis=1, keepdims=True) - FAINTEST)  # the rest is noise that does not compress
    return TestSet(raw, whose, decisions, unknown, kept, decisions)
