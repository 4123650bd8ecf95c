"""What a student can learn from a teacher, as pure functions. Every loss is a mean, a scalar.

Letters: B chunks, T samples a chunk, W windows, S samples a window, C classes, H hidden units, M samples.
"""

import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.training.models.crf import CRF

MOST_RELATED = 256
"""Samples whose pairwise distances are compared; a longer batch is thinned out evenly."""
_SMALL = 1e-12


def softened(scores: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Compute T^2 * KL(teacher / T, student / T), mean per sample.

    Args:
        scores: of the student (..., C).
        taught: scores of the teacher (..., C).
        temperature: T.

    Source: Hinton, Vinyals, Dean 2015.
    """
    target = functional.softmax(taught / temperature, dim=-1).flatten(0, -2)
    learnt = functional.log_softmax(scores / temperature, dim=-1).flatten(0, -2)
    return temperature**2 * functional.kl_div(learnt, target, reduction="batchmean")


def decided(emissions: Tensor, taught: Tensor) -> Tensor:
    """Compute the cross-entropy of emissions (W, S, C) to a teacher's classes (W, S).

    Source: CRF-aware distillation, arXiv 2412.09289.
    """
    return functional.cross_entropy(emissions.flatten(0, 1), taught.flatten())


def log_marginals(crf: CRF, emissions: Tensor) -> Tensor:
    """Compute the logarithm of each sample's class probabilities given its window, by forward-backward.

    Args:
        crf: of the model.
        emissions: scores (W, S, C).

    Returns:
        (W, S, C), differentiable in emissions and in the CRF.
    """
    steps = emissions.shape[1]
    before = [crf.start + emissions[:, 0]]  # (W, C): paths that end here
    for t in range(1, steps):
        before.append(torch.logsumexp(before[-1][:, :, None] + crf.transitions, dim=1) + emissions[:, t])
    after = [crf.end.expand_as(before[0])]  # (W, C): paths that begin behind here
    for t in range(steps - 1, 0, -1):
        after.append(torch.logsumexp(crf.transitions + (emissions[:, t] + after[-1])[:, None, :], dim=2))
    together = torch.stack(before, dim=1) + torch.stack(after[::-1], dim=1)
    return functional.log_softmax(together, dim=-1)


def marginal(crf: CRF, emissions: Tensor, taught: Tensor) -> Tensor:
    """Compute the cross-entropy of the student's marginals to the teacher's, mean per sample.

    Args:
        crf: of the student.
        emissions: scores of the student (W, S, C).
        taught: probabilities of the teacher (W, S, C).
    """
    return -(taught * log_marginals(crf, emissions)).sum(-1).mean()


def hidden_distance(learnt: Tensor, taught: Tensor) -> Tensor:
    """Compute the mean squared distance of (..., H) in units of the teacher's variance: the weight has no unit."""
    return functional.mse_loss(learnt, taught) / taught.var(correction=0).clamp(min=_SMALL)


def relations(learnt: Tensor, taught: Tensor) -> Tensor:
    """Compute smooth L1 between pairwise distances in student (M, H) and teacher (M, H'), each over its mean.

    Source: relational knowledge distillation, distance-wise (Park, Kim, Lu, Cho 2019).
    """
    stride = -(-len(learnt) // MOST_RELATED)
    return functional.smooth_l1_loss(_distances(learnt[::stride]), _distances(taught[::stride]))


def _distances(samples: Tensor) -> Tensor:
    """(M, H) -> (M, M) Euclidean distances over their mean."""
    squared = (samples[:, None, :] - samples[None, :, :]).square().sum(-1)
    distance = squared.clamp(min=_SMALL).sqrt()  # the root has no gradient at 0, where the diagonal is
    return distance / distance.mean().clamp(min=_SMALL)
