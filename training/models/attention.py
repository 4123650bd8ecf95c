"""Scaled dot-product attention over a whole window, and over the last T samples of a stream.

Letters: B batch, N samples of a stream, T samples that one query sees (the context), H hidden size, J rows a sample
brings (more than one where several blocks are interleaved).

    a_qs = softmax over s of (q . k_s / sqrt(H) + bias_s),  out_q = sum over s of a_qs v_s
    (Vaswani et al., arXiv 1706.03762, equation 1; the bias by distance as in Raffel et al., arXiv 1910.10683)

In a stream, the rows of sample n see the rows of samples n - T + 1 .. n. Before its first sample lie rows of zeros, as
in front of a causal convolution: their key and value are zero, so they take weight and bring nothing. A row never
changes once it is computed, which is what lets a device keep the last T of them and compute one a sample.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attend from every query to every key.

    Args:
        q: queries (B, Q, H).
        k, v: keys and values (B, S, H).
        bias: (S,) added to the scores.

    Returns:
        (B, Q, H).
    """
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])  # (B, Q, S)
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, dim=-1) @ v


def attend_last(q: Tensor, k: Tensor, v: Tensor, context: int, bias: Tensor | None = None) -> Tensor:
    """Attend from each sample to the last `context` samples, itself included; the fast form over a whole stream.

    Args:
        q, k, v: (B, N, J, H): batch, samples, rows per sample, hidden units.
        context: T, samples that are seen; rows of zeros stand before the first one.
        bias: (T,) added to the scores, oldest first; for J = 1 only.

    Returns:
        (B, N, J, H).
    """
    rows = q.shape[2]
    keys, values = _last(k, context), _last(v, context)  # (B, N, T * J, H)
    scores = q @ keys.transpose(2, 3) / math.sqrt(q.shape[-1])  # (B, N, J, T * J)
    if bias is not None:
        assert rows == 1, "a bias by distance is defined for one row a sample"
        scores = scores + bias
    return torch.softmax(scores, dim=-1) @ values


def _last(rows: Tensor, context: int) -> Tensor:
    """(B, N, J, H) -> (B, N, T * J, H): what each sample sees, oldest first, zeros before the first sample."""
    padded = functional.pad(rows, (0, 0, 0, 0, context - 1, 0))  # (B, T - 1 + N, J, H)
    seen = padded.unfold(1, context, 1).movedim(-1, 2)  # (B, N, T, J, H)
    return seen.flatten(2, 3)


def attend_last_reference(q: Tensor, k: Tensor, v: Tensor, context: int, bias: Tensor | None = None) -> Tensor:
    """Compute `attend_last` slowly and plainly: sample by sample, from the rows that it sees. Shapes as there."""
    batch, samples, rows, hidden = q.shape
    zero = q.new_zeros(batch, rows, hidden)
    out = []
    for n in range(samples):
        seen = range(n - context + 1, n + 1)
        keys = torch.cat([k[:, s] if s >= 0 else zero for s in seen], dim=1)
        values = torch.cat([v[:, s] if s >= 0 else zero for s in seen], dim=1)
        out.append(attend(q[:, n], keys, values, bias))
    return torch.stack(out, dim=1)
