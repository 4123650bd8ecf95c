"""The `[compression]` table of a recipe. Needs no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tinyloc.training.models.settings import ModelSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class QuantisationAware(_Strict):
    """[compression.quantisation_aware]: further epochs with the integers of the exported int8 graph in the loop."""

    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.001, gt=0)


class Compression(_Strict):
    """[compression]: what makes the trained model smaller, in the order of the keys."""

    access_points: int | None = Field(default=None, ge=1)
    """Keep at most so many inputs: those that a first model needs most, on the validation split."""
    hidden: int | list[int] | None = None
    """Prune hidden units to these sizes (model.hidden is what training begins with), then train on."""
    fine_tune_epochs: int = Field(default=20, ge=1)
    """Epochs after pruning."""
    quantisation_aware: QuantisationAware | None = None
    adaptive_rounding: bool = False
    """Round each int8 weight up or down by what the layer's output needs, not to the nearest (AdaRound)."""
    forms: list[Literal["dynamic", "static"]] = []
    """Also score the trained model in the study's forms: torch's dynamic int8, and static int8 as LLM.int8()."""

    def problems(self, model: ModelSettings) -> list[str]:
        """What does not fit together with the model, one sentence each."""
        asked = {
            "hidden": self.hidden is not None,
            "quantisation_aware": self.quantisation_aware is not None,
            "adaptive_rounding": self.adaptive_rounding,
        }
        if model.architecture != "mlp":
            return [
                f"compression.{name} works with model.architecture = 'mlp' only"
                for name, wanted in asked.items()
                if wanted
            ]
        found = []
        kept, sizes = self.hidden_sizes, model.hidden_sizes
        if kept and (len(kept) != len(sizes) or any(not 1 <= k <= n for k, n in zip(kept, sizes, strict=False))):
            found.append(f"compression.hidden = {kept} must be from 1 to model.hidden = {sizes}, layer by layer")
        if self.quantisation_aware is not None and model.standardise:
            found.append("compression.quantisation_aware works with model.standardise = false only")
        if self.quantisation_aware is not None and self.adaptive_rounding:
            found.append("compression.quantisation_aware leaves nothing to round; remove compression.adaptive_rounding")
        return found

    @property
    def hidden_sizes(self) -> list[int]:
        """`hidden` as a list, empty when nothing is pruned."""
        if self.hidden is None:
            return []
        return self.hidden if isinstance(self.hidden, list) else [self.hidden]
