"""The `[compression]` table of a recipe. Needs no torch."""

from typing import Literal

from pydantic import Field

from tinyloc.strict import Strict
from tinyloc.training.models.settings import ModelSettings, Size

PRUNED = ("mlp", "lstm", "gru")
"""Architectures whose hidden units can be taken out."""


class QuantisationAware(Strict):
    """[compression.quantisation_aware]: More epochs with the rounding of the exported integers in each pass: those of
    export.default, by its widths."""

    epochs: int = Field(default=10, ge=1, le=1_000_000)
    """Epochs after training and pruning."""
    learning_rate: float = Field(default=0.001, gt=0, le=1000)
    """Peak of the one-cycle schedule."""


class Compression(Strict):
    """[compression]: Make the trained model smaller. The steps run in the order of the keys."""

    access_points: int | None = Field(default=None, ge=1, le=65_535)
    """Keep at most so many access points: those that a first model needs most on the validation split."""
    hidden: Size | list[Size] | None = None
    """Prune the hidden layers of an MLP, or the recurrent layers of an LSTM or GRU, to these sizes, then continue
    training. `model.hidden` is the size before."""
    fine_tune_epochs: int = Field(default=20, ge=1, le=1_000_000)
    """Epochs after pruning."""
    quantisation_aware: QuantisationAware | None = None
    adaptive_rounding: bool = False
    """Round each integer weight up or down to keep the layer's output close (AdaRound), not to the nearest."""
    forms: list[Literal["dynamic", "static"]] = Field(default_factory=list)
    """Also score the trained model in two PyTorch forms: "dynamic" (torch's dynamic int8), "static" (LLM.int8())."""

    def problems(self, model: ModelSettings) -> list[str]:
        """What does not fit together with the model, one sentence each."""
        found = []
        kept, sizes = self.hidden_sizes, model.hidden_sizes
        if self.hidden is not None and model.architecture not in PRUNED:
            found.append(f"compression.hidden works with {', '.join(PRUNED)} models only")
        elif kept and (len(kept) != len(sizes) or any(not 1 <= k <= n for k, n in zip(kept, sizes, strict=False))):
            found.append(f"compression.hidden = {kept} must be from 1 to model.hidden = {sizes}, layer by layer")
        if self.tuned and model.architecture == "mdcsa" and model.attention == "window":
            found.append(
                "compression with integers needs model.attention = 'streaming': the window form is not exported"
            )
        if self.quantisation_aware is not None and self.adaptive_rounding:
            found.append("compression.quantisation_aware leaves nothing to round; remove compression.adaptive_rounding")
        return found

    @property
    def tuned(self) -> bool:
        """Whether weights are trained or rounded for the integers of the export."""
        return self.quantisation_aware is not None or self.adaptive_rounding

    @property
    def hidden_sizes(self) -> list[int]:
        """`hidden` as a list, empty when nothing is pruned."""
        if self.hidden is None:
            return []
        return self.hidden if isinstance(self.hidden, list) else [self.hidden]
