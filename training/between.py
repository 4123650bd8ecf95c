"""Pseudo-scans: what would be read between two neighbouring places of a survey, on one floor.

A survey has scans at its reference points only; users stand between them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.neighbors import KDTree
from torch import Tensor

SAME_PLACE_M = 0.05
"""Scans this near to one another were taken at one place."""
MOST_NEIGHBOURS = 8
"""Places around a place that are looked at, the nearest."""


class Between:
    """Draws for a scan another one, taken at a neighbouring place of the same group.

    Letters: N scans, B drawn ones, K access points.
    """

    def __init__(
        self, position_m: npt.NDArray[np.floating[Any]], group: npt.NDArray[np.int64], radius_m: float
    ) -> None:
        """Find the neighbouring places.

        Args:
            position_m: of the scans (N, 3) in metres; scans of unknown position (NaN) have no neighbours.
            group: number of the floor of each (N,).
            radius_m: places farther away are no neighbours.
        """
        known = np.flatnonzero(~np.isnan(position_m).any(axis=1))
        keys = np.column_stack([group[known], np.rint(position_m[known] / SAME_PLACE_M)])
        _, of = np.unique(keys, axis=0, return_inverse=True)
        self.place = np.full(len(position_m), -1)
        self.place[known] = of.reshape(-1)
        count = int(self.place.max(initial=-1)) + 1
        order = known[np.argsort(self.place[known], kind="stable")]
        scans = np.bincount(self.place[known], minlength=count)
        first = order[np.cumsum(scans) - scans]  # one scan of each place
        near = np.full((count, MOST_NEIGHBOURS), -1)
        for one in np.unique(group[first]):
            members = np.flatnonzero(group[first] == one)
            where = position_m[first[members]]
            most = min(MOST_NEIGHBOURS + 1, len(members))
            for own, distances, others in zip(members, *KDTree(where).query(where, k=most), strict=True):
                kept = members[others[distances <= radius_m]]
                kept = kept[kept != own][:MOST_NEIGHBOURS]
                near[own, : len(kept)] = kept
        self.near = torch.from_numpy(near)
        self.neighbours = (self.near >= 0).sum(dim=1)
        self.order, self.scans = torch.from_numpy(order), torch.from_numpy(scans)
        self.start = torch.from_numpy(np.cumsum(scans) - scans)
        self.of = torch.from_numpy(self.place)

    def mates(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a neighbouring place of each scan (B,), then one of its scans: (B,), the scan itself where none is."""
        place = self.of[rows]
        alone = (place < 0) | (self.neighbours[place.clamp(min=0)] == 0)
        chosen = (torch.rand(len(rows), generator=generator) * self.neighbours[place]).long()
        other = self.near[place.clamp(min=0), chosen.clamp(min=0)].clamp(min=0)
        scan = (torch.rand(len(rows), generator=generator) * self.scans[other]).long()
        return torch.where(alone, rows, self.order[self.start[other] + scan])


def mixed(own: Tensor, other: Tensor, share: Tensor, generator: torch.Generator) -> Tensor:
    """Mix readings: their mean by `share` where both scans hear, else heard with the probability of the one that does.

    Args:
        own: readings (B, K) in dBm, NaN where not heard.
        other: those of the mates.
        share: (B,) of the other, 0 to 1.
        generator: of random numbers.
    """
    part = share[:, None]
    takes_other = torch.rand(own.shape, generator=generator) < part
    one_hears = torch.where(takes_other, other, own)
    return torch.where(own.isnan() | other.isnan(), one_hears, (1 - part) * own + part * other)
