"""The selective scan of Mamba (Gu and Dao, arXiv 2312.00752, equation 2a and section 3.3) in plain PyTorch.

Letters: B batch, T samples, E inner channels, N states a channel.

    h_t = exp(dt_t * A) * h_(t-1) + dt_t * B_t * u_t        h: (E, N), A: (E, N), B_t: (N), dt_t and u_t: (E)
    y_t = sum over n of C_t * h_t + D * u_t                 C_t: (N), D: (E)

Three forms that agree: `selective_scan_reference`, the equations in a plain loop, kept as the specification;
`selective_scan`, the same with all products over time at once and a hand-written gradient; mamba-ssm's kernel on CUDA.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor


def selective_scan_reference(
    u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the selective scan slowly and plainly, sample by sample.

    Args:
        u, dt: input and step size (B, T, E).
        a: (E, N), negative.
        b, c: (B, T, N).
        d: (E,).

    Returns:
        y (B, T, E) and the last state (B, E, N).

    Source: Gu and Dao, arXiv 2312.00752.
    """
    h = u.new_zeros(u.shape[0], *a.shape)  # (B, E, N)
    outputs = []
    for t in range(u.shape[1]):
        y, h = scan_step(u[:, t], dt[:, t], a, b[:, t], c[:, t], d, h)
        outputs.append(y)
    return torch.stack(outputs, dim=1), h


def scan_step(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Compute one sample of the selective scan.

    Args:
        u, dt: (B, E).
        a: (E, N), negative.
        b, c: (B, N).
        d: (E,).
        h: state (B, E, N).

    Returns:
        y (B, E) and the next state.
    """
    decay = torch.exp(dt[:, :, None] * a)  # (B, E, N)
    h = decay * h + (dt * u)[:, :, None] * b[:, None, :]
    y = (h * c[:, None, :]).sum(-1) + d * u
    return y, h


def selective_scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Compute the selective scan in its fast form. Arguments as in `selective_scan_reference`; returns y (B, T, E)."""
    fused = _mamba_ssm_kernel()
    if fused is not None and u.is_cuda:
        channels_first = [x.transpose(1, 2).contiguous() for x in (u, dt, b, c)]  # (B, E or N, T)
        y = fused(channels_first[0], channels_first[1], a, channels_first[2], channels_first[3], d)
        return cast(Tensor, y.transpose(1, 2))
    time_first = [x.transpose(0, 1) for x in (u, dt, b, c)]  # (T, B, E or N)
    u_t, dt_t, b_t, c_t = time_first
    decay = torch.exp(dt_t[..., None] * a)  # (T, B, E, N)
    drive = (dt_t * u_t)[..., None] * b_t[:, :, None, :]
    h = cast(Tensor, _LinearRecurrence.apply(decay, drive))  # type: ignore[no-untyped-call]
    y = torch.matmul(h, c_t[..., None])[..., 0] + d * u_t  # (T, B, E)
    return y.transpose(0, 1)


class _LinearRecurrence(torch.autograd.Function):
    """h_t = decay_t * h_(t-1) + drive_t along dimension 0, from h = 0.

    Autograd through a loop would record every step; the gradient is the same recurrence run backwards:
    g_t = dL/dh_t + decay_(t+1) * g_(t+1), dL/ddrive_t = g_t, dL/ddecay_t = g_t * h_(t-1).
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor) -> Tensor:
        h = drive.clone()
        for t in range(1, h.shape[0]):
            h[t].addcmul_(decay[t], h[t - 1])
        ctx.save_for_backward(decay, h)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        decay, h = ctx.saved_tensors
        g = gradients[0].clone()
        for t in range(g.shape[0] - 2, -1, -1):
            g[t].addcmul_(decay[t + 1], g[t + 1])
        grad_decay = torch.zeros_like(decay)
        torch.mul(g[1:], h[:-1], out=grad_decay[1:])
        return grad_decay, g


@functools.cache
def _mamba_ssm_kernel() -> Callable[..., Any] | None:
    """mamba-ssm's fused scan where CUDA and the package are there; it has no wheel, so it is an accelerator only."""
    if not torch.cuda.is_available():
        return None
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None
    return cast(Callable[..., Any], selective_scan_fn)
