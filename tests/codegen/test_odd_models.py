"""Keras models of many kinds, with a batch that is left open, as `tinyloc run --board cortex-m4` runs them."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tinyloc.boards import load_board
from tinyloc.codegen.frontend.samples import Samples
from tinyloc.device.network.run_network import answer, compiled_network

pytestmark = pytest.mark.slow
NAMES = (
    "dilated", "separable over time", "largest and mean", "causal stack", "dense blocks", "attention", "gru", "lstm",
    "both directions", "upsampling", "squeeze and excite", "prelu", "groups and transposed", "rearranged",
)  # fmt: skip


@pytest.fixture(scope="module")
def odd() -> ModuleType:
    pytest.importorskip("tensorflow", exc_type=ImportError)
    from tests.codegen import odd_models

    assert tuple(odd_models.ODD) == NAMES
    return odd_models


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
@pytest.mark.parametrize("name", NAMES)
def test_an_odd_model(name: str, arithmetic: str, odd: ModuleType, tmp_path: Path) -> None:
    if arithmetic == "int16x8" and name in odd.NOT_IN_16_BITS:
        pytest.skip(odd.NOT_IN_16_BITS[name])
    from tests.codegen.keras_models import converted

    path = tmp_path / "model.tflite"
    path.write_bytes(converted(odd.ODD[name], arithmetic))
    chance = np.random.default_rng(3)
    with compiled_network(path, load_board("cortex-m4"), aim="budget") as network:
        rows = []
        for strength in (0.3, 1.0, 4.0):
            row = []
            for a in network.manifest.inputs:
                real, limit = chance.normal(0, strength, a.shape) / (a.scale or 1.0), np.iinfo(a.element)
                row.append(np.clip(np.round(real + (a.zero_point or 0)), limit.min, limit.max).astype(a.element))
            rows.append(row)
        answers = answer(network, Samples(rows, True, False))
    assert answers.equal, [(c.reference, c.equal, c.note) for c in answers.comparisons]
    asked = {c.reference: c.samples for c in answers.comparisons}
    assert asked["NumPy"] == 3
    assert asked["LiteRT BUILTIN_REF"] == 3 or name in odd.UNKNOWN_TO_LITERT
    assert len({row.tobytes() for row in answers.outputs[0]}) > 1, "the answers do not depend on the inputs"
