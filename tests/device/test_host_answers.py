"""The host's answers are computed once for all boards, in parts beside each other, and never taken for another's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinyloc.bundle.schema import TEST_SET, load_test_set, sha256
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.evaluation import host_answers, host_cache
from tinyloc.device.evaluation.host_answers import BackgroundHost, HostAnswers, shares
from tinyloc.paths import ZOO_DIR


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(ZOO_DIR / "house-a", tmp_path / "bundle"))


def in_recordings(bundle: Path, starts: list[int]) -> None:
    """Cut the scans of a zoo model, one recording, into several."""
    with np.load(bundle / TEST_SET) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["recording"] = np.searchsorted(starts, np.arange(len(content["label"])), side="right").astype(np.int32)
    np.savez(bundle / TEST_SET, **content)
    described = json.loads((bundle / "bundle.json").read_text())
    described["test_sha256"] = sha256(bundle / TEST_SET)
    (bundle / "bundle.json").write_text(json.dumps(described))


def found(bundle: Path) -> HostAnswers:
    with BackgroundHost(bundle, "int8") as host:
        return host.answers()


def test_a_second_board_takes_the_answers_of_the_first(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(bundle)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)
        again = found(bundle)
    assert np.array_equal(first.scores, again.scores)
    assert np.array_equal(first.class_index, again.class_index)


def test_parts_beside_each_other_equal_one_after_the_other(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_recordings(bundle, [20, 45])
    test_set = load_test_set(bundle)
    assert len(list(test_set.recordings())) == 3
    monkeypatch.setattr(host_answers, "SHARE", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    parts = found(bundle)
    whole = host_answers.host_answers(LocaliserReference(bundle, "int8"), test_set)
    assert np.array_equal(parts.scores, whole.scores)
    assert np.array_equal(parts.class_index, whole.class_index)


def test_another_bundle_has_another_key(bundle: Path) -> None:
    before = host_cache.key(bundle, "int8", "native", "litert")
    in_recordings(bundle, [20])
    assert host_cache.key(bundle, "int8", "native", "litert") != before


def test_other_kernels_and_another_tinyloc_have_other_keys(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {host_cache.key(bundle, "int8", *each) for each in (("native", "litert"), ("cmsis_nn", "litert"),
                                                               ("native", "tinyloc"))}  # fmt: skip
    monkeypatch.setattr(host_cache, "_sources", lambda: b"another version")
    keys.add(host_cache.key(bundle, "int8", "native", "litert"))
    assert len(keys) == 4


def test_a_damaged_file_of_the_cache_counts_as_missing(bundle: Path) -> None:
    first = found(bundle)
    (kept,) = host_cache.directory().glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    again = found(bundle)
    assert np.array_equal(first.scores, again.scores)


def test_the_cache_keeps_the_newest(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_cache, "KEPT", 2)
    for name in "abc":
        host_cache.keep(name, {"scores": np.zeros(1, np.int32)})
    assert host_cache.find("c", {"scores"}) is not None
    assert len(list(host_cache.directory().glob("*.npz"))) == 2


def test_a_cache_that_cannot_be_written_does_not_matter(bundle: Path) -> None:
    (bundle.parent / "cache").write_text("a file where the folder should be")
    assert len(found(bundle).class_index) == len(load_test_set(bundle).label)


def test_shares_end_with_recordings_and_none_is_small() -> None:
    recordings = [slice(0, 4500), slice(4500, 9000)]
    assert shares(recordings, 2) == recordings
    assert shares(recordings, 1) == [slice(0, 9000)]
    assert shares([slice(0, 600), slice(600, 1200), slice(1200, 2500)], 8) == [slice(0, 1200), slice(1200, 2500)]
    assert shares([slice(0, 1500), slice(1500, 1600)], 8) == [slice(0, 1600)]
