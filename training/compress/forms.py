"""The study's two compressed forms of a trained model (arXiv 2412.09289), for comparison; devices run the export's.

"dynamic": torch's dynamic quantisation. Linear and recurrent layers keep int8 weights, and quantise their inputs anew
at each call.

"static": as LLM.int8() (Dettmers, Lewis, Belkada, Zettlemoyer 2022). Weights are int8 with one scale a row; an input
row gets its own scale; input columns that reach the threshold anywhere in the batch are computed in half precision.
"""

import copy
import io
import warnings
from typing import cast

import torch
from torch import Tensor, nn

from tinyloc.training.compress.weight_grid import WEIGHT_LIMIT, weight_integers, weight_scales
from tinyloc.training.models.localiser import Localiser

THRESHOLD = 6.0
"""Magnitude from which an input column is an outlier."""
OUTLIER_SHARE = 0.001
"""Of all inputs of linear layers, as LLM.int8 reports it of language models."""
SMALLEST_THRESHOLD = 1e-6
DYNAMIC = {nn.Linear, nn.LSTM, nn.GRU}


def dynamic(model: Localiser) -> Localiser:
    """Return a copy with torch's dynamic int8 layers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and what the study used
        quantised = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            copy.deepcopy(model).eval(), DYNAMIC, dtype=torch.qint8
        )
    return cast(Localiser, quantised)


class Int8Linear(nn.Module):
    """Linear(K, C) with int8 weights of one scale a row, and half precision where inputs are large."""

    def __init__(self, linear: nn.Linear, threshold: float = THRESHOLD) -> None:
        super().__init__()
        self.threshold = threshold
        self.outliers = torch.zeros(linear.in_features, dtype=torch.bool)
        """Input columns that reached the threshold in some batch."""
        self.weight: Tensor
        self.scale: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", weight_integers(linear.weight.detach()).to(torch.int8))  # (C, K)
        self.register_buffer("scale", weight_scales(linear.weight)[:, 0])  # (C,)
        bias = None if linear.bias is None else linear.bias.detach().half()
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., C)."""
        rows = x.reshape(-1, x.shape[-1])  # (M, K)
        outliers = (rows.abs() >= self.threshold).any(dim=0)  # (K,)
        self.outliers |= outliers
        inner = rows.masked_fill(outliers, 0.0)
        steps = inner.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / WEIGHT_LIMIT  # (M, 1)
        whole = (inner / steps).round()
        sums = (whole.double() @ self.weight.double().T).float()  # exact: sums of whole numbers
        y = sums * steps * self.scale
        if bool(outliers.any()):
            weight = (self.weight[:, outliers].float() * self.scale[:, None]).half()
            y = y + (rows[:, outliers].half() @ weight.T).float()
        if self.bias is not None:
            y = y + self.bias.float()
        return y.reshape(*x.shape[:-1], -1)


def static(model: Localiser, threshold: float = THRESHOLD) -> Localiser:
    """Return a copy whose linear layers are Int8Linear.

    Input columns that reach `threshold` anywhere in the batch are computed in half precision.
    """
    compressed = copy.deepcopy(model).eval()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(compressed.get_submodule(parent), own, Int8Linear(layer, threshold))
    return compressed


def static_outliers(model: Localiser, x: Tensor) -> Localiser:
    """As `static`, with the threshold at which outliers exist: that which OUTLIER_SHARE of all inputs reach.

    LLM.int8's own 6.0 was found in language models of billions of weights; small models may never reach it.

    Args:
        model: float.
        x: (N, T, P) model input on which the inputs of its linear layers are measured: calibration windows.
    """
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().abs().flatten()))
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    with torch.no_grad():
        model.network(x)
    for hook in hooks:
        hook.remove()
    values = torch.cat(seen).sort().values
    return static(model, max(float(values[int((1 - OUTLIER_SHARE) * (len(values) - 1))]), SMALLEST_THRESHOLD))


def outlier_columns(model: nn.Module) -> tuple[float, int, int] | None:
    """Threshold, input columns that reached it so far, and all of them; None without Int8Linear."""
    layers = [layer for layer in model.modules() if isinstance(layer, Int8Linear)]
    if not layers:
        return None
    reached = sum(int(layer.outliers.sum()) for layer in layers)
    return layers[0].threshold, reached, sum(len(layer.outliers) for layer in layers)


FORMS = {"dynamic": dynamic, "static": static}


def serialised_bytes(model: nn.Module) -> int:
    """Return the bytes of the file that torch writes for the model's state, as arXiv 2412.09289 measures size."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getbuffer().nbytes
