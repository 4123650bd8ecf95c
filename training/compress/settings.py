"""The `[compression]` table of a recipe. Needs no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tinyloc.training.models.settings import ModelSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QuantisationAware(_Strict):
    """[compression.quantisation_aware]: More epochs with the rounding of the exported int8 graph in each pass."""

    epochs: int = Field(default=10, ge=1)
    """Epochs after training and pruning."""
    learning_rate: float = Field(default=0.001, gt=0)
    """Peak of the one-cycle schedule."""


class Compression(_Strict):
    """[compression]: Make the trained model smaller. The steps run in the order of the keys."""

    access_points: int | None = Field(default=None, ge=1)
    """Keep at most so many access points: those that a first model needs most on the validation split."""
    hidden: int | list[int] | None = None
    """Prune the hidden layers to these sizes, then continue training. `model.hidden` is the size before."""
    fine_tune_epochs: int = Field(default=20, ge=1)
    """Epochs after pruning."""
    quantisation_aware: QuantisationAware | None = None
    adaptive_rounding: bool = False
    """Round each int8 weight up or down to keep the layer's output close (AdaRound), not to the nearest."""
    forms: list[Literal["dynamic", "static"]] = []
    """Also score the trained model in two PyTorch forms: "dynamic" (torch's dynamic int8), "static" (LLM.int8())."""

    def problems(self, model: ModelSettings) -> list[str]:
        """What does not fit together with the model, one sentence each."""
        asked = {
            "hidden": self.hidden is not None,
            "quantisation_aware": self.quantisation_aware is not None,
            "adaptive_rounding": self.adaptive_rounding,
        }
        if model.architecture != "mlp":
            return [
                f"compression.{name} is there for model.architecture = 'mlp' only"
                for name, wanted in asked.items()
                if wanted
            ]
        found = []
        kept, sizes = self.hidden_sizes, model.hidden_sizes
        if kept and (len(kept) != len(sizes) or any(not 1 <= k <= n for k, n in zip(kept, sizes, strict=False))):
            found.append(f"compression.hidden = {kept} must be from 1 to model.hidden = {sizes}, layer by layer")
        if self.quantisation_aware is not None and model.standardise:
            found.append("compression.quantisation_aware is there for model.standardise = false only")
        if self.quantisation_aware is not None and self.adaptive_rounding:
            found.append("compression.quantisation_aware leaves nothing to round: remove compression.adaptive_rounding")
        return found

    @property
    def hidden_sizes(self) -> list[int]:
        """`hidden` as a list, empty when nothing is pruned."""
        if self.hidden is None:
            return []
        return self.hidden if isinstance(self.hidden, list) else [self.hidden]
