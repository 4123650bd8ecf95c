"""Linear-chain CRF over a window: pytorch-crf for the likelihood, and the decoding that devices repeat in integers."""

from typing import cast

import torch
import torchcrf
from torch import Tensor, nn

from tinyloc.bundle.schema import Crf


class CRF(nn.Module):
    """Transitions (C, C) from row to column, start (C) and end (C) scores: C*C + 2*C parameters.

    The score of a path is start[y_1] + sum of emissions + sum of transitions + end[y_T]
    (Lafferty, McCallum, Pereira 2001).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.chain = torchcrf.CRF(classes, batch_first=True)

    @property
    def transitions(self) -> Tensor:
        """(C, C), from class i (row) to class j (column)."""
        return cast(Tensor, self.chain.transitions)

    @property
    def start(self) -> Tensor:
        """(C), added to the first sample's scores."""
        return cast(Tensor, self.chain.start_transitions)

    @property
    def end(self) -> Tensor:
        """(C), added to the last sample's scores."""
        return cast(Tensor, self.chain.end_transitions)

    def negative_log_likelihood(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Compute the mean negative log likelihood per labelled sample, a scalar.

        Windows without a labelled sample do not count.

        Args:
            emissions: scores (B, T, C).
            labels: class indices (B, T).
            mask: (B, T), True where the label counts; the True samples of a window come first.

        Raises:
            ValueError: no window has a labelled sample.
        """
        kept = mask.any(dim=1)
        if not bool(kept.any()):
            raise ValueError("no window of this batch has a labelled sample; leave such batches out")
        emissions, labels, mask = emissions[kept], labels[kept], mask[kept]
        likelihood = self.chain(emissions, labels.where(mask, 0), mask=mask, reduction="sum")
        return cast(Tensor, -likelihood / mask.sum())

    @torch.no_grad()
    def decode(self, emissions: Tensor) -> Tensor:
        """Find the most likely class of every sample by Viterbi.

        Among equally good paths the smallest class index wins, from the last sample backwards, as on the device.

        Args:
            emissions: scores (B, T, C).

        Returns:
            (B, T) int64.
        """
        score = self.start + emissions[:, 0]  # (B, C)
        back = []
        for t in range(1, emissions.shape[1]):
            through = score[:, :, None] + self.transitions  # (B, from, to)
            best = first_maximum(through, dim=1)  # (B, to)
            score = through.gather(1, best[:, None, :])[:, 0] + emissions[:, t]
            back.append(best)
        path = [first_maximum(score + self.end, dim=1)]  # (B,)
        for best in reversed(back):
            path.append(best.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], dim=1)

    @torch.no_grad()
    def decode_online(self, emissions: Tensor, lag: int) -> Tensor:
        """Find the class of sample t - lag on the best path through samples 0 to t, for each t.

        The recording goes on, so no path is charged for its end. Paths are compared with each other only: their scores
        are kept small by subtracting the largest from all. The smallest class wins a tie, as in `decode`.

        Args:
            emissions: scores of one recording (N, C).
            lag: samples.

        Returns:
            (N,), -1 for t < lag.
        """
        score = self.start + emissions[0]  # (C,)
        back, last = [torch.zeros(len(score), dtype=torch.int64)], [first_maximum(score, dim=0)]
        for row in emissions[1:]:
            through = (score - score.max())[:, None] + self.transitions  # (from, to)
            best = first_maximum(through, dim=0)  # (to,)
            score = through.gather(0, best[None])[0] + row
            back.append(best)
            last.append(first_maximum(score, dim=0))
        pointers, path = torch.stack(back), torch.stack(last)  # (N, C), (N,)
        at = torch.arange(lag, len(pointers))
        classes = path[lag:]
        for step in range(lag):
            classes = pointers[at - step, classes]
        return torch.cat([path.new_full((min(lag, len(path)),), -1), classes])


def first_maximum(values: Tensor, dim: int) -> Tensor:
    """Find the index of the first maximum along `dim`; torch.argmax promises no order among equal values."""
    is_maximum = values == values.amax(dim=dim, keepdim=True)
    return is_maximum.to(torch.uint8).cumsum(dim).eq(0).sum(dim)


def fixed_crf(numbers: Crf) -> CRF:
    """The CRF of a bundle, to decode with."""
    made = CRF(len(numbers.start))
    with torch.no_grad():
        made.transitions.copy_(torch.tensor(numbers.transitions))
        made.start.copy_(torch.tensor(numbers.start))
        made.end.copy_(torch.tensor(numbers.end))
    return made
