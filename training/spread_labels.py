"""Soft labels to train on, where classes are places."""

import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.training.data.dataset import DataSet
from tinyloc.training.errors import TrainingError

LEAST_WEIGHT = 1e-12
"""Sum of weights below which no place is near."""


class SpreadLabels:
    """What a scan is labelled with instead of one class: the places near to where it was taken, on its floor.

    Letters: M samples, C classes.
    """

    def __init__(self, data_set: DataSet, spread_m: float) -> None:
        """spread_m: standard deviation of the Gaussian. TrainingError when classes have no positions."""
        if data_set.class_position_m is None:
            raise TrainingError(f"classes of {data_set.name} have no positions: remove output.spread_m from the recipe")
        self.place = torch.from_numpy(data_set.class_position_m)  # (C, 3)
        names = sorted(set(data_set.class_group))
        groups = [names.index(name) for name in data_set.class_group] or [0] * len(self.place)
        self.group = torch.tensor(groups)  # (C,)
        self.spread_m = spread_m

    def __call__(self, position_m: Tensor, label: Tensor) -> Tensor:
        """Scans at (M, 3) of the classes (M,) -> (M, C), sum 1: exp(-d^2 / (2 spread^2)) over the label's group.

        d counts from the scan, not from its class, so that classes which stand for several places blur nothing. A scan
        far from all (or of unknown position) has its class alone.
        """
        squared = torch.cdist(position_m, self.place, compute_mode="donot_use_mm_for_euclid_dist").square()
        weight = torch.exp(-squared / (2 * self.spread_m**2)).nan_to_num(nan=0.0)
        weight = weight.masked_fill(self.group[label][:, None] != self.group, 0.0)
        total = weight.sum(dim=1, keepdim=True)
        alone = functional.one_hot(label, len(self.place)).to(weight)
        return torch.where(total > LEAST_WEIGHT, weight / total.clamp(min=LEAST_WEIGHT), alone)
