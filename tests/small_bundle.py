"""A whole bundle made by hand in milliseconds: a recurrent int8 localiser, or a plain one, with a random test set."""

from pathlib import Path

import numpy as np

from tinyloc.bundle.provenance import Provenance, Source
from tinyloc.bundle.schema import (
    MISSING_DBM,
    Bundle,
    ModelFile,
    Outputs,
    Preprocessing,
    State,
    TestSet,
    Window,
    sha256,
    write_bundle,
)
from tinyloc.bundle.site import Floor, Room, Site

CLASSES = 4


def small_bundle(
    directory: Path,
    *,
    inputs: int = 9,
    hidden: int = 6,
    recurrent: bool = True,
    samples: int = 24,
    kind: str = "TANH",
    seed: int = 7,
    bits: int = 8,
) -> Path:
    """hidden = kind(W x + b + hidden before), scores = V hidden + c; without the hidden before if not `recurrent`.

    `kind` is a unary operator of int8 whose result lies within -1..1. `bits`: of the weights W.
    """
    from tests.codegen.tflite_models import TFLiteModel

    chance = np.random.default_rng(seed)
    model = TFLiteModel()
    x = model.input((1, inputs), "int8", 1 / 255, -128, name="reading")
    weights = chance.integers(-127 if bits == 8 else -8, 128 if bits == 8 else 8, (hidden, inputs))
    w = model.constant(weights, f"int{bits}", 0.02 * 2 ** (8 - bits))
    b = model.constant(chance.integers(-900, 900, hidden), "int32", 0.02 / 255)
    state = model.input((1, hidden), "int8", 1 / 128, 0, name="h_in") if recurrent else None
    value = model.unary("FULLY_CONNECTED", [x, w, b], (1, hidden), "int8", 0.03)
    if state is not None:
        value = model.unary("ADD", [value, state], (1, hidden), "int8", 0.04)
    kept = model.tensor((1, hidden), "int8", 1 / 128, 0, name="h_out")
    model.operator(kind, [value], [kept])
    v = model.constant(chance.integers(-127, 128, (CLASSES, hidden)), "int8", 0.01)
    c = model.constant(chance.integers(-300, 300, CLASSES), "int32", 0.01 / 128)
    y = model.tensor((1, CLASSES), "int8", 0.05, 3, name="scores")
    model.operator("FULLY_CONNECTED", [kept, v, c], [y])
    model.output(y, *([kept] if recurrent else []))

    directory.mkdir(parents=True)
    path = model.write(directory / "model.tflite")
    states = [State(name="h", input="h_in", output="h_out", shape=[1, hidden])] if recurrent else []
    file = ModelFile(
        arithmetic="int8", path=path.name, sha256=sha256(path), input="reading", output="scores", states=states
    )
    rssi = chance.integers(-100, -30, (samples, inputs))
    rssi[chance.random(rssi.shape) < 0.4] = MISSING_DBM
    TestSet(
        rssi_dbm=rssi.astype(np.int8),
        recording=(np.arange(samples) * 3 // samples).astype(np.int32),
        label=chance.integers(0, CLASSES, samples).astype(np.int32),
        position_m=np.zeros((samples, 3), np.float32),
        float_scores=np.zeros((samples, CLASSES), np.float32),
        float_class=chance.integers(0, CLASSES, samples).astype(np.int32),
    ).save(directory / "test.npz")
    bundle = Bundle(
        name="small", architecture="mlp",
        preprocessing=Preprocessing(
            access_points=[f"ap{i}" for i in range(inputs)], floor_dbm=-105, ceiling_dbm=0,
            hold_samples=1 if recurrent else 0,
        ),
        window=Window(steps=1, hop=1, rate_hz=5.0), outputs=Outputs(classes=[f"room {c}" for c in range(CLASSES)]),
        models=[file], test_sha256=sha256(directory / "test.npz"), default_arithmetic="int8", parameters=7,
        parameters_published=7, data=Source(name="made-up", title="made up", licence="none"),
        site=Site(floors=[Floor(name="ground")], rooms=[Room.rectangle("room 0", 0.0, 0.0, 4.0, 3.0)]),
        provenance=Provenance(seeds={"training": 1}, versions={"numpy": "1.26.4"}),
    )  # fmt: skip
    write_bundle(bundle, directory)
    return directory
