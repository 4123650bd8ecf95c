"""Scans that do not follow one another, on a model with state: NumPy, C and the emulated board start anew at each."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.bundle.schema import TestSet, load_test_set, sha256
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.evaluation.collect_answers import collect
from tinyloc.device.evaluation.host_answers import host_answers
from tinyloc.device.evaluation.sleep_cycle import run_duty
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient
from tinyloc.study.measure_cell import recordings_of

INPUTS, SCANS = 80, 24
"""Enough inputs for the kernel that walks the heard ones."""
ORDER = np.random.default_rng(4).permutation(SCANS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent model whose test set has a recording for each scan."""
    place = small_bundle(tmp_path_factory.mktemp("scans") / "bundle", inputs=INPUTS, samples=SCANS)
    changed(load_test_set(place), recording=np.arange(SCANS, dtype=np.int32)).save(place / "test.npz")
    content = json.loads((place / "bundle.json").read_text())
    content["test_sha256"] = sha256(place / "test.npz")
    (place / "bundle.json").write_text(json.dumps(content))
    return place


@pytest.fixture(scope="module")
def generated(bundle: Path) -> Path:
    manifest = compile_bundle(bundle, bundle.parent / "generated")
    assert manifest.sparse
    return bundle.parent / "generated"


def changed(test_set: TestSet, **changes: object) -> TestSet:
    return TestSet(**{field.name: changes.get(field.name, getattr(test_set, field.name)) for field in fields(TestSet)})


def shuffled(test_set: TestSet) -> TestSet:
    return changed(test_set, rssi_dbm=test_set.rssi_dbm[ORDER])


@pytest.mark.parametrize("kind", [LocaliserReference, HostLocaliser])
def test_an_answer_does_not_depend_on_the_scan_before(kind: type, bundle: Path, generated: Path) -> None:
    localiser = kind(bundle if kind is LocaliserReference else generated)
    test_set = load_test_set(bundle)
    assert test_set.apart
    found, again = (host_answers(localiser, each).scores for each in (test_set, shuffled(test_set)))
    assert np.array_equal(again, found[ORDER])
    carried = host_answers(localiser, changed(test_set, recording=np.zeros(SCANS, np.int32))).scores
    assert (carried != found).any(axis=1).sum() > SCANS // 2


def test_the_board_starts_anew_at_every_scan(bundle: Path, generated: Path, tmp_path: Path) -> None:
    board = load_board("stm32l4")
    image = build_firmware(generated, board, tmp_path)
    test_set, found = load_test_set(bundle), []
    for each in (test_set, shuffled(test_set)):
        client = DeviceClient(EmulatedDevice(image.elf, board))
        found.append(collect(client, each, client.hello().classes, independent=False).scores)
    assert np.array_equal(found[1], found[0][ORDER])
    assert np.array_equal(found[0], host_answers(LocaliserReference(bundle), test_set).scores)


def test_the_wearable_s_own_loop_starts_anew_too(bundle: Path, generated: Path) -> None:
    found = run_duty(bundle, generated, load_board("stm32l4"), 5.0, 10)
    assert found.samples == 10 and found.mismatches == 0


def test_studies_score_such_a_test_set_as_one_batch(bundle: Path) -> None:
    (recording,) = recordings_of(load_test_set(bundle))
    assert recording.apart and len(recording) == SCANS
    three = changed(load_test_set(bundle), recording=(np.arange(SCANS) * 3 // SCANS).astype(np.int32))
    assert [len(each) for each in recordings_of(three)] == [8, 8, 8]
