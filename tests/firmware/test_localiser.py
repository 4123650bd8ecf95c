"""Forward fill, input forms, windows and decisions of firmware/localise against plain Python."""

import random

import pytest

from tests.firmware.fake_model import (
    DENSE_INT16,
    MISSING,
    SPARSE_INT8,
    FakeModel,
    FakeReference,
    argmax,
    forward_fill,
    mode,
)
from tests.firmware.host_device import DENSE, RESET, SPARSE, sparse_body

VARIANTS = {
    "house": DENSE_INT16,
    "scan": SPARSE_INT8,
    "sparse with hold": FakeModel(inputs=9, sparse=True, hold=3, crf=False, window=1, hop=1, state=False, bits=8),
    "dense without hold": FakeModel(hold=0, window=3, hop=1),
    "window without CRF": FakeModel(crf=False, window=5, hop=3, classes=4),
    "CRF of one sample": FakeModel(window=1, hop=1),
    "hop longer than window": FakeModel(window=2, hop=5),
    "longest hold": FakeModel(hold=254, inputs=2, window=2),
    "online": FakeModel(online=True, window=6, hop=1, classes=4),
    "online, the shortest lag, every third sample": FakeModel(online=True, window=2, hop=3),
    "three access points and a clear lead": FakeModel(
        least_heard=3, least_margin=200, hold=0, window=1, hop=1, crf=False
    ),
    "silence decides": FakeModel(least_heard=0, hold=0),
    "one access point": FakeModel(inputs=1, classes=2, bits=8),
}


def rows(model: FakeModel, count: int, seed: int, heard: float = 0.4) -> list[list[int]]:
    """(count, P) dBm; every value of int8 comes up, and rows in which nothing is heard."""
    rng = random.Random(seed)
    return [
        [rng.randint(-128, 126) if rng.random() < heard else MISSING for _ in range(model.inputs)] for _ in range(count)
    ]


def heard(row: list[int]) -> list[tuple[int, int]]:
    return [(i, dbm) for i, dbm in enumerate(row) if dbm != MISSING]


@pytest.mark.parametrize("name", VARIANTS)
def test_device_equals_the_plain_reference(name, make_device):
    model = VARIANTS[name]
    device, reference = make_device(model), FakeReference(model)
    decisions = []
    for recording in range(3):
        begin = 100 + 30 * recording
        device.ask(RESET, begin)
        reference.reset()
        for t, row in enumerate(rows(model, 24, seed=recording)):
            dense = (t + recording) % 2 == 0  # both forms of a scan, mixed
            body = bytes(v & 0xFF for v in row) if dense else sparse_body(heard(row))
            reply = device.ask(DENSE if dense else SPARSE, begin + 1 + t, body)
            got = device.result(reply, model.bits)
            assert (got.class_index, got.scores) == reference.sample(row), (recording, t)
            assert (got.margin, got.heard) == (reference.margin, reference.heard), (recording, t)
            vague = got.heard < model.least_heard or got.margin < model.least_margin
            assert got.flags == (got.class_index >= 0 and vague)
            decisions.append(got.class_index)
    due = [c for c in decisions if c >= 0]
    assert len(set(due)) > 1 or model.inputs == 1, "the test data should not always give the same class"


def test_hold_ends_after_so_many_further_samples(make_device):
    model = FakeModel(inputs=1, classes=2, hold=2, window=1, hop=1, crf=False, state=False)
    device = make_device(model)
    device.ask(RESET, 0)
    scores = []
    for t, row in enumerate([[-50], [MISSING], [MISSING], [MISSING], [MISSING]]):
        scores.append(device.result(device.ask(DENSE, t + 1, bytes(v & 0xFF for v in row)), 16).scores)
    assert scores[0] == scores[1] == scores[2] != scores[3] == scores[4] == [0, 0]


def test_reference_forward_fill_by_hand():
    m = MISSING
    assert forward_fill([[-50, m], [m, -60], [m, m], [m, m]], hold=1) == [[-50, m], [-50, -60], [m, -60], [m, m]]


def test_ties_take_the_smallest_class():
    assert argmax([1, 5, 5]) == 1
    assert mode([2, 0, 2, 0]) == 0


@pytest.mark.parametrize("seed", range(3))
def test_viterbi_equals_brute_force_on_ties(seed, make_device):
    """Readings so weak that most scores are equal: the rule for ties decides."""
    model = FakeModel(inputs=3, classes=3, window=5, hop=1, hold=0, state=False)
    device, reference = make_device(model), FakeReference(model)
    device.ask(RESET, 0)
    rng = random.Random(seed)
    for t in range(30):
        row = [rng.choice([-105, -104, MISSING]) for _ in range(3)]
        got = device.result(device.ask(DENSE, t + 1, bytes(v & 0xFF for v in row)), 16)
        assert (got.class_index, got.scores) == reference.sample(row)


def test_all_of_520_heard_is_answered(make_device):
    model = FakeModel(inputs=520, classes=7, window=1, hop=1, hold=0, crf=False, sparse=True, state=False, bits=8)
    device, reference = make_device(model), FakeReference(model)
    device.ask(RESET, 0)
    row = [-(i % 100) - 1 for i in range(520)]
    got = device.result(device.ask(DENSE, 1, bytes(v & 0xFF for v in row)), 8)
    assert (got.class_index, got.scores) == reference.sample(row)
    longest = [(3 * i, -70) for i in range(172)]  # the longest sparse scan that is shorter than the dense form
    got = device.result(device.ask(SPARSE, 2, sparse_body(longest)), 8)
    row = [-70 if i % 3 == 0 and i < 516 else MISSING for i in range(520)]
    assert (got.class_index, got.scores) == reference.sample(row)
