"""What training does to readings, and the batches it draws.

Letters: B chunks a batch, T samples a chunk, P access points, K readings kept a sample (K = P, or the most that any
scan hears when scans are stored sparsely).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.between import Between, mixed
from tinyloc.training.data.dataset import Recording
from tinyloc.training.preprocess import forward_fill
from tinyloc.training.recipe import ROUNDS, Augmentation

MOST_DROPPED = 0.95
LEAST_DBM = -128.0
SPARSE_BELOW = 0.25
"""Scans are stored sparsely when the fullest hears less than this share of the access points."""


@dataclass(frozen=True)
class Batch:
    """x (B, T, P) model input, label (B, T), position_m (B, T, 3)."""

    x: Tensor
    label: Tensor
    position_m: Tensor


def augment(
    dbm: Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    weakest_dbm: float = LEAST_DBM,
    strongest_dbm: float = 0.0,
) -> Tensor:
    """Shift readings and thin them out.

    Args:
        dbm: readings (B, T, K) in dBm, NaN where not heard.
        settings: [augmentation] of the recipe.
        generator: of random numbers.
        weakest_dbm: weakest of all training readings; deafness counts from it.
        strongest_dbm: strongest of them; moved access points have any level between.

    Returns:
        Readings of the same shape.
    """
    batch, _, kept = dbm.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    if settings.gain_db:
        dbm = dbm + settings.gain_db * normal(batch, 1, 1)
    if settings.access_point_db:
        dbm = dbm + settings.access_point_db * normal(batch, 1, kept)
    if settings.noise_db:
        dbm = dbm + settings.noise_db * normal(*dbm.shape)
    if settings.crowd_db:
        level = settings.crowd_db * torch.rand((batch, 1, 1), generator=generator)
        dbm = dbm - 2 * level * torch.rand(dbm.shape, generator=generator)
    if settings.move:
        moved = torch.rand((batch, 1, kept), generator=generator) < settings.move
        anywhere = weakest_dbm + (strongest_dbm - weakest_dbm) * torch.rand((batch, 1, kept), generator=generator)
        dbm = torch.where(moved & ~dbm.isnan(), anywhere.expand_as(dbm), dbm)
    if settings.deafness_db:
        heard_from = weakest_dbm + settings.deafness_db * torch.rand((batch, 1, 1), generator=generator)
        dbm = dbm.masked_fill(dbm < heard_from, torch.nan)
    if settings.access_point_dropout:
        silent = torch.rand((batch, 1, kept), generator=generator) < settings.access_point_dropout
        dbm = dbm.masked_fill(silent, torch.nan)
    if settings.reading_dropout:
        rate: Tensor | float = settings.reading_dropout
        if settings.vary_dropout:
            rate = (2 * rate * torch.rand((batch, 1, 1), generator=generator)).clamp(max=MOST_DROPPED)
        dbm = dbm.masked_fill(torch.rand(dbm.shape, generator=generator) < rate, torch.nan)
    return dbm


def appear(x: Tensor, mean: float, generator: torch.Generator, exponent: float) -> Tensor:
    """Let random access points be heard, at one level for a whole chunk, whatever the survey says.

    Args:
        x: model input (B, T, P).
        mean: number of them a chunk, on average (Poisson).
        generator: of random numbers.
        exponent: of the scaling: levels are uniform in dBm over the range of the scaling.
    """
    batch, samples, points = x.shape
    count = torch.poisson(torch.full((batch,), mean), generator).long()
    most = int(count.max())
    index = torch.randint(points, (batch, most), generator=generator)
    level = torch.rand((batch, most), generator=generator).pow(exponent)
    index = index.masked_fill(torch.arange(most) >= count[:, None], points)  # the last column takes the rest
    wide = torch.cat([x, x.new_zeros(batch, samples, 1)], dim=2)
    each = (batch, samples, most)
    return wide.scatter(2, index[:, None].expand(each), level[:, None].expand(each))[..., :-1]


def scale(dbm: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Scale readings to model input, as `Preprocessing.scale` does, differentiably.

    Args:
        dbm: readings in dBm, any shape, NaN where not heard.
        preprocessing: floor, ceiling and exponent.

    Returns:
        Values 0..1 of the same shape; 0 where not heard.
    """
    span = preprocessing.ceiling_dbm - preprocessing.floor_dbm
    return ((dbm - preprocessing.floor_dbm) / span).clamp(0.0, 1.0).pow(preprocessing.exponent).nan_to_num(nan=0.0)


class Chunks:
    """Random chunks of recordings, T samples in a row; T = 1 draws every scan once an epoch."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        preprocessing: Preprocessing,
        settings: Augmentation,
        chunk: int,
        batch: int,
        per_epoch: int | None = None,
        steps: int | None = None,
        balance: float = 0.0,
        group: Tensor | None = None,
    ) -> None:
        """An epoch has `per_epoch` chunks, or all samples once; with `steps`, a ROUNDS-th of them if that is more.

        group: floor of each class (C,); nothing lies between two floors.
        """
        filled = np.concatenate([forward_fill(r.rssi_dbm, preprocessing.hold_samples) for r in recordings])
        lengths = np.array([len(recording) for recording in recordings])
        self.starts = torch.from_numpy(_chunk_starts(lengths, chunk))
        self.inputs = filled.shape[1]
        self.index, readings = _compact(filled)
        self.dbm = torch.from_numpy(readings)  # (N, K)
        self.label = torch.from_numpy(np.concatenate([r.label for r in recordings])).long()
        self.position_m = torch.from_numpy(np.concatenate([r.position_m for r in recordings]))
        self.preprocessing, self.settings, self.chunk = preprocessing, settings, chunk
        middle = self.label[self.starts + chunk // 2]
        often = torch.bincount(middle[middle >= 0], minlength=1).double()
        self.weight = often[middle.clamp(min=0)].pow(-balance) if balance else None
        self.between: Between | None = None
        if settings.between:
            of = np.zeros(len(self.label), np.int64) if group is None else group[self.label.clamp(min=0)].numpy()
            self.between = Between(self.position_m.numpy(), of, settings.between_m)
        drawn = per_epoch or max(1, int(lengths.sum()) // chunk)
        self.batch = min(batch, drawn)
        self.batches = max(drawn // self.batch, (steps or 0) // ROUNDS)

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch, augmented."""
        needed = self.batches * self.batch
        for chosen in self._drawn(needed, generator).reshape(self.batches, self.batch):
            rows = self.starts[chosen][:, None] + torch.arange(self.chunk)  # (B, T)
            scaling, position_m = self.preprocessing, self.position_m[rows]
            dbm = self.dbm[rows]
            if self.between is not None:
                dbm, position_m = self._mixed(self.between, rows, generator)
            shifted = augment(dbm, self.settings, generator, scaling.floor_dbm, scaling.ceiling_dbm)
            x = scale(shifted, scaling)
            if self.between is None:  # pseudo-scans have all access points
                x = self._spread(x, rows)
            if self.settings.appear:
                x = appear(x, self.settings.appear, generator, scaling.exponent)
            yield Batch(x, self.label[rows], position_m)

    def _mixed(self, between: Between, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Readings (B, 1, P) and places (B, 1, 3) of scans (B, 1), some of them between two places.

        At most half of a pseudo-scan is the other's, so that the own class stays the nearer one.
        """
        own = rows[:, 0]
        other = between.mates(own, generator)
        share = 0.5 * torch.rand(len(own), generator=generator)
        share = share * (torch.rand(len(own), generator=generator) < self.settings.between)
        dbm = mixed(self._whole(own), self._whole(other), share, generator)
        where, there = self.position_m[own], self.position_m[other]
        return dbm[:, None], torch.lerp(where, there, share[:, None])[:, None]

    def _whole(self, rows: Tensor) -> Tensor:
        """(B,) -> readings of all access points (B, P) in dBm, NaN where not heard."""
        if self.index is None:
            return self.dbm[rows]
        wide = torch.full((len(rows), self.inputs + 1), torch.nan)
        return wide.scatter_(1, self.index[rows], self.dbm[rows])[:, :-1]

    def _drawn(self, needed: int, generator: torch.Generator) -> Tensor:
        """(needed,) numbers of chunks: each once before any comes again, or by their weights."""
        if self.weight is not None:
            return torch.multinomial(self.weight, needed, replacement=True, generator=generator)
        order = [torch.randperm(len(self.starts), generator=generator) for _ in range(-(-needed // len(self.starts)))]
        return torch.cat(order)[:needed]

    def _spread(self, x: Tensor, rows: Tensor) -> Tensor:
        """(B, T, K) -> (B, T, P)."""
        if self.index is None:
            return x
        wide = torch.zeros(*x.shape[:2], self.inputs + 1)  # the last column takes the padding
        return wide.scatter_(2, self.index[rows], x)[..., :-1]


def _chunk_starts(lengths: npt.NDArray[np.int64], chunk: int) -> npt.NDArray[np.int64]:
    """First sample of every chunk that lies within one recording."""
    offsets = np.cumsum(lengths) - lengths
    spans = [offset + np.arange(length - chunk + 1) for offset, length in zip(offsets, lengths, strict=True)]
    return np.concatenate([span for span in spans if len(span)] or [np.zeros(0, np.int64)])


def _compact(dbm: npt.NDArray[np.float32]) -> tuple[Tensor | None, npt.NDArray[np.float32]]:
    """(N, P) -> index (N, K) of the heard access points, padded with P, and their dBm; (None, dbm) when not sparse."""
    heard = ~np.isnan(dbm)
    samples, inputs = dbm.shape
    kept = int(heard.sum(axis=1).max(initial=1))
    if kept > SPARSE_BELOW * inputs:
        return None, dbm
    index = np.full((samples, kept), inputs, np.int64)
    readings = np.full((samples, kept), np.nan, np.float32)
    rows, columns = np.nonzero(heard)
    place = np.concatenate([np.arange(count) for count in heard.sum(axis=1)])
    index[rows, place] = columns
    readings[rows, place] = dbm[rows, columns]
    return torch.from_numpy(index), readings
