"""Refitting: validation scans train, too, but for those of classes that training does not know."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.test_carrying_over import site
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.refit import known, with_validation, without_validation


@pytest.mark.parametrize(("apart", "lengths"), [(True, [77]), (False, [9, 39, 29])])
def test_unknown_classes_are_left_out_and_sequences_cut_there(apart: bool, lengths: list[int]) -> None:
    hall = site()
    splits = {name: tuple(replace(one, apart=apart) for one in split) for name, split in hall.splits.items()}
    hall = replace(hall, sequential=not apart, **splits)
    (one,) = hall.validation
    label = one.label.copy()
    label[[9, 49, 79]] = UNSEEN
    cut = replace(one, label=label)
    parts = known([cut])
    assert [len(part) for part in parts] == lengths
    assert np.array_equal(np.concatenate([part.time_s for part in parts]), np.flatnonzero(label != UNSEEN))
    assert all((part.label != UNSEEN).all() and part.apart == apart for part in parts)
    data = replace(hall, validation=(cut,))
    both = with_validation(data)
    assert both.train == data.train + both.train[1:] and len(both.train) == 1 + len(lengths)
    assert without_validation(both).train == data.train
    nothing = replace(hall, validation=(replace(one, label=np.full(len(one), UNSEEN, np.int32)),))
    assert without_validation(with_validation(nothing)).train == hall.train
