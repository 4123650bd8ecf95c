"""Intervals and paired comparisons: against scikit-learn, against known distributions, and what they refuse."""

import numpy as np
import pytest

from tinyloc.study.statistics import Answers, difference, interval, verdict
from tinyloc.training.metrics import macro_f1
from tinyloc.training.packed import pack, unpack
from tinyloc.training.protocol.figures import Decisions


def answers(seed: int, right: float, decisions: int = 400, classes: int = 4, recordings: int = 20) -> Answers:
    """Decisions of which a share is right; the truth is the same for every seed."""
    label = np.random.default_rng(99).integers(0, classes, decisions).astype(np.int16)
    generator = np.random.default_rng(seed)
    wrong = (label + generator.integers(1, classes, decisions)) % classes
    decision = np.where(generator.random(decisions) < right, label, wrong).astype(np.int16)
    return answered(label, decision, np.arange(decisions) * recordings // decisions)


def answered(label: np.ndarray, decision: np.ndarray, unit: np.ndarray) -> Answers:
    return Answers(Decisions(label, decision), unit)


def test_the_figures_are_those_of_the_metrics() -> None:
    one = answers(1, 0.7).found
    assert interval([answers(1, 0.7)]).value == pytest.approx(macro_f1(one.label, one.decision))
    assert interval([answers(1, 0.7)], "accuracy").value == pytest.approx((one.label == one.decision).mean())


def test_an_interval_is_as_wide_as_theory_says() -> None:
    found = interval([answers(1, 0.8, decisions=2000, recordings=2000)], "accuracy")
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 2000), rel=0.15)


def test_recordings_that_are_right_or_wrong_as_a_whole_widen_it() -> None:
    label = np.zeros(400, np.int16)
    wrong = np.repeat(np.random.default_rng(1).random(20) > 0.8, 20).astype(np.int16)
    wide = interval([answered(label, wrong, np.repeat(np.arange(20), 20))], "accuracy")
    narrow = interval([answered(label, wrong, np.arange(400))], "accuracy")
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_seeds_that_differ_widen_it() -> None:
    alike = interval([answers(1, 0.8), answers(1, 0.8), answers(1, 0.8)])
    apart = interval([answers(1, 0.6), answers(2, 0.8), answers(3, 0.95)])
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_a_comparison_says_which_or_no_difference() -> None:
    good = [answers(seed, 0.9) for seed in (1, 2, 3)]
    poor = [answers(seed, 0.6) for seed in (4, 5, 6)]
    same = [answers(seed, 0.9) for seed in (7, 8, 9)]
    assert verdict(difference(good, poor)) == "first" and verdict(difference(poor, good)) == "second"
    assert verdict(difference(good, same)) == "no difference"
    zero = difference(good, good)
    assert (zero.value, zero.low, zero.high) == (0, 0, 0)


def test_pairs_are_narrower_than_two_intervals() -> None:
    one = answers(1, 0.8)
    better = np.where(np.arange(400) % 40 == 0, one.found.label, one.found.decision).astype(np.int16)
    found = difference([answered(one.found.label, better, one.unit)], [one])
    alone = interval([one])
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_what_does_not_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="same seeds"):
        difference([answers(1, 0.8)], [answers(1, 0.8), answers(2, 0.8)])
    with pytest.raises(ValueError, match="same test set"):
        difference([answers(1, 0.8)], [answers(1, 0.8, recordings=10)])


def test_packed_integers_come_back() -> None:
    values = np.array([-1, 0, 58, 32767], np.int16)
    assert unpack(pack(values)).tolist() == values.tolist()
    assert unpack(pack(np.zeros(0, np.int16))).tolist() == []
    with pytest.raises(ValueError, match="not packed"):
        unpack("AAAA")
