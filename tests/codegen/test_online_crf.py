"""The CRF with a fixed lag: as it grows, from scratch, in float and in generated firmware, all the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.online_bundle import online_bundle
from tests.small_bundle import small_bundle
from tinyloc.bundle.schema import Bundle, load_bundle, load_test_set
from tinyloc.codegen.arithmetic.crf import IntegerCrf, Ints
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference, OnlineViterbi, viterbi
from tinyloc.training.models.crf import CRF


def random_crf(chance: np.random.Generator, classes: int, reach: int) -> IntegerCrf:
    draw = lambda *shape: chance.integers(-reach, reach + 1, shape).astype(np.int64)  # noqa: E731
    return IntegerCrf(draw(classes, classes), draw(classes), draw(classes))


def from_scratch(scores: Ints, crf: IntegerCrf, lag: int) -> list[int]:
    """Each decision by Viterbi over everything so far; -1 while there are not enough samples."""
    endless = IntegerCrf(crf.transitions, crf.start, np.zeros_like(crf.end))
    return [-1 if t < lag else viterbi(scores[: t + 1], endless)[t - lag] for t in range(len(scores))]


@pytest.mark.parametrize("reach", [2, 30000])  # 2: most paths tie
@pytest.mark.parametrize("lag", [1, 2, 7])
def test_growing_paths_give_what_viterbi_from_scratch_gives(reach: int, lag: int) -> None:
    chance = np.random.default_rng(lag)
    crf = random_crf(chance, 5, reach)
    scores = chance.integers(-reach, reach + 1, (40, 5)).astype(np.int64)
    online = OnlineViterbi(crf, lag)
    found = []
    for t, row in enumerate(scores):
        online.add(row)
        found.append(online.decide() if t >= lag else -1)
    expected = from_scratch(scores, crf, lag)
    assert found == expected
    chain = CRF(5)
    with torch.no_grad():
        chain.transitions.copy_(torch.from_numpy(crf.transitions))
        chain.start.copy_(torch.from_numpy(crf.start))
    chain.double()
    assert chain.decode_online(torch.from_numpy(scores).double(), lag).tolist() == expected


def test_a_recording_shorter_than_the_lag_has_no_decision() -> None:
    assert CRF(3).decode_online(torch.randn(4, 3), lag=4).tolist() == [-1] * 4
    assert (CRF(3).decode_online(torch.randn(5, 3), lag=4) >= 0).tolist() == [False] * 4 + [True]


def test_path_scores_stay_small_however_long_the_recording() -> None:
    """Int32 on the device: scores at the limit of int16 for a day at 5 Hz would reach 1.4e10."""
    crf = random_crf(np.random.default_rng(0), 3, 5000)
    online = OnlineViterbi(crf, 2)
    for t in range(3000):
        online.add(np.array([32767, 32000 if t % 7 else 32767, -32768]))
        assert online.best is not None and np.abs(online.best).max() < 2**18


@pytest.mark.parametrize(("lag", "hop"), [(1, 1), (4, 1), (9, 3)])
def test_the_firmware_decides_as_the_reference(tmp_path: Path, lag: int, hop: int) -> None:
    """Three recordings: the paths start anew in each."""
    bundle = online_bundle(tmp_path / "bundle", lag, hop)
    manifest = compile_bundle(bundle, tmp_path / "generated")
    reference, host = LocaliserReference(bundle), HostLocaliser(tmp_path / "generated")
    assert any(line.startswith(f"decisions lag {lag} sample") for line in manifest.decisions)
    assert "#define TL_ONLINE 1" in (tmp_path / "generated" / "model.h").read_text()
    tests = load_test_set(bundle)
    decided: list[int] = []
    for recording in tests.recordings():
        reference.reset()
        host.reset()
        rows, classes = [], []
        for i in range(recording.start, recording.stop):
            wanted, got = reference.sample(*tests.sparse(i)), host.sample(*tests.sparse(i))
            assert got.class_index == wanted.class_index, i
            rows.append(wanted.scores.astype(np.int64))
            classes.append(wanted.class_index)
        assert reference.crf is not None
        expected = np.array(from_scratch(np.array(rows), reference.crf, lag))
        expected[[t for t in range(len(rows)) if t < lag or (t - lag) % hop]] = -1
        assert classes == expected.tolist()
        decided += [c for c in classes if c >= 0]
    assert len(set(decided)) > 1


def test_an_online_window_without_a_path_is_refused(tmp_path: Path) -> None:
    content = load_bundle(small_bundle(tmp_path / "bundle")).model_dump()
    content["window"] = {"steps": 5, "hop": 1, "rate_hz": 5.0, "online": True}
    with pytest.raises(ValueError, match="needs a CRF"):
        Bundle.model_validate(content)
