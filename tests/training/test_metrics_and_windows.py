"""Decisions due, labels of windows, and the figures made from them."""

import numpy as np
import pytest

from tinyloc.bundle.schema import Outputs, Preprocessing, TestSet, Window
from tinyloc.training import metrics, preprocess
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import DataError
from tinyloc.training.windows import due, mode_labels, modes, windows

NAN = float("nan")


def recording(rows: list[list[float]], name: str = "walk") -> Recording:
    rssi = np.array(rows, np.float32)
    count = len(rssi)
    return Recording(name, rssi, np.zeros((count, 3), np.float32), np.zeros(count, np.int32), np.arange(count) / 5)


@pytest.mark.parametrize(
    ("samples", "steps", "hop", "expected"),
    [(5, 1, 1, [0, 1, 2, 3, 4]), (20, 20, 10, [19]), (19, 20, 10, []), (45, 20, 10, [19, 29, 39]), (0, 1, 1, [])],
)
def test_decisions_are_due_once_a_window_is_full_and_then_every_hop(
    samples: int, steps: int, hop: int, expected: list[int]
) -> None:
    assert due(samples, steps, hop).tolist() == expected


def test_due_is_the_rule_of_the_bundle() -> None:
    for steps, hop in ((1, 1), (4, 2), (5, 5), (7, 3)):
        rule = [t for t in range(40) if t >= steps - 1 and (t - steps + 1) % hop == 0]
        assert due(40, steps, hop).tolist() == rule


def test_a_window_ends_at_its_decision() -> None:
    assert windows(np.arange(7), 3, 2).tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]


def test_mode_takes_the_smallest_of_equals_and_knows_unseen_labels() -> None:
    assert modes(np.array([[2, 1, 1, 2], [3, 3, 0, 1], [-1, -1, 0, 1]])).tolist() == [1, 3, -1]
    assert mode_labels(np.array([0, 0, 1, 1, 1], np.int32), 3, 1).tolist() == [0, 1, 1]


def test_macro_f1_by_hand() -> None:
    label, decision = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    # F1: class 0 2*1/(2+2), class 1 2*2/(2+3), class 2 0
    assert metrics.macro_f1(label, decision) == pytest.approx((0.5 + 0.8 + 0.0) / 3)


def test_an_unseen_label_is_an_error_and_a_class_of_its_own() -> None:
    scores = metrics.score(np.array([0, 1, -1]), np.array([0, 1, 1]))
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.macro_f1 == pytest.approx((1.0 + 2 / 3 + 0.0) / 3)
    assert scores.unseen == 1
    assert metrics.confusion(np.array([0, 1, -1]), np.array([0, 1, 1]), 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_position_errors_are_distances_and_skip_unknown_positions() -> None:
    decided = np.array([[0, 0, 0], [0, 0, 0], [9, 9, 9]], np.float32)
    true = np.array([[3, 4, 0], [0, 0, 1], [NAN, NAN, NAN]], np.float32)
    errors = metrics.position_errors(decided, true)
    assert errors is not None
    assert errors["mean"] == pytest.approx(3.0)
    assert errors["max"] == pytest.approx(5.0)
    assert metrics.position_errors(decided[2:], true[2:]) is None


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(ValueError, match="shorter than one window"):
        metrics.score(np.zeros(0, int), np.zeros(0, int))


def test_a_test_set_is_scored_recording_by_recording() -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 1], np.int32)  # two recordings, of 3 and 4 samples
    decision = np.array([-1, 0, 0, -1, 1, 0, 1], np.int32)
    test_set = TestSet(
        rssi_dbm=np.zeros((7, 1), np.int8),
        recording=np.array([0, 0, 0, 1, 1, 1, 1], np.int32),
        label=label,
        position_m=np.arange(21, dtype=np.float32).reshape(7, 3),
        float_scores=np.zeros((7, 2), np.float32),
        float_class=decision,
    )
    window = Window(steps=2, hop=1, rate_hz=5.0)
    truth = metrics.due_decisions(test_set, window)
    assert truth.sample.tolist() == [1, 2, 4, 5, 6]
    assert truth.position_m[0].tolist() == [1.5, 2.5, 3.5]
    scores = metrics.score_test_set(test_set, decision, window, Outputs(classes=["a", "b"]))
    assert scores.accuracy == pytest.approx(4 / 5)
    assert scores.decisions == 5


def test_forward_fill_holds_so_many_samples_and_no_more() -> None:
    filled = preprocess.forward_fill(np.array([[NAN], [-60], [NAN], [NAN], [NAN], [-70]], np.float32), 2)
    assert np.array_equal(filled[:, 0], [NAN, -60, -60, -60, NAN, -70], equal_nan=True)


def test_scaling_is_fitted_on_what_is_heard_in_training_only() -> None:
    fitted = preprocess.fit([recording([[-90, NAN], [-50, -70]])], ["a", "b"], exponent=2.0, hold_samples=5)
    assert (fitted.floor_dbm, fitted.ceiling_dbm) == (-91.0, -50.0)
    x = fitted.scale(np.array([[-50, NAN], [-91, -20]], np.float32))
    assert x.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    weakest = fitted.scale(np.array([-90], np.float32))[0]
    assert weakest > 0  # told from one that is not heard


def test_silent_training_data_is_refused() -> None:
    with pytest.raises(DataError, match="no access point is heard"):
        preprocess.fit([recording([[NAN]])], ["a"])


def test_raw_readings_are_int8_with_127_for_missing() -> None:
    raw = preprocess.raw_readings(np.array([[NAN, -60.0, -128.0]], np.float32))
    assert raw.dtype == np.int8
    assert raw.tolist() == [[127, -60, -128]]


def test_raw_readings_scale_to_the_same_input_as_dbm() -> None:
    rssi = np.array([[-60, NAN, -101]], np.float32)
    raw = preprocess.raw_readings(rssi).astype(np.float32)
    raw[raw == 127] = NAN
    fitted = Preprocessing(access_points=["a", "b", "c"], floor_dbm=-105, ceiling_dbm=0, exponent=1.7)
    assert np.array_equal(fitted.scale(raw), fitted.scale(rssi))
