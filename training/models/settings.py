"""What a localiser is, as data: the `[model]` table of a recipe. Needs no torch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tinyloc.errors import counted
from tinyloc.strict import Strict

Architecture = Literal["mamba", "mlp", "mdcsa", "lstm", "gru"]
Attention = Literal["streaming", "window"]
Size = Annotated[int, Field(le=65_536)]
"""Units of a layer."""
STANDARDISING = ("mlp", "lstm", "gru")
LONGEST_KERNEL = 7
"""Of an MDCSA with three blocks."""


class ModelSettings(Strict):
    """Architecture and sizes of the network."""

    architecture: Architecture
    """Kind of network."""
    hidden: Size | list[Size]
    """H of a sequence model, or the list of hidden layer sizes of an MLP."""
    layers: int = Field(default=1, ge=1, le=16)
    """L: Mamba blocks, LSTM or GRU layers, MDCSA blocks (1 or 3). Leave it out for an MLP."""
    crf: bool = False
    """Add a linear-chain CRF over the window. With windows of one sample only its start and end weights count."""
    dropout: float | list[float] = 0.0
    """MLP: after each hidden layer, one rate for all or one per layer. Mamba, MDCSA: before each block's residual
    addition. LSTM, GRU: after the last recurrent layer and after the dense layer."""
    state_size: int = Field(default=16, ge=1, le=1024)
    """N: scan states per channel (Mamba's d_state)."""
    conv_width: int = Field(default=4, ge=2, le=64)
    """K: samples that the causal convolution sees (Mamba's d_conv)."""
    expand: int = Field(default=2, ge=1, le=16)
    """E = expand * H inner channels (Mamba)."""
    context: int = Field(default=20, ge=2, le=1000)
    """T: samples that MDCSA's attention sees, the newest included."""
    attention: Attention = "streaming"
    """MDCSA: "streaming" computes one row per sample; "window" is the published form, which cannot be exported."""
    dense: int | None = Field(default=None, ge=0, le=65_536)
    """LSTM, GRU: units of the layer between the recurrent layers and the head. Without it H units; 0: no such layer."""
    standardise: bool = False
    """MLP, LSTM, GRU: standardise each sample over its readings first."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        problems = []
        if any(size < 1 for size in self.hidden_sizes):
            problems.append(f"hidden = {self.hidden}: every size must be at least 1")
        problems += self._mlp_problems() if self.architecture == "mlp" else self._sequence_problems()
        if self.standardise and self.architecture not in STANDARDISING:
            problems.append(f"standardise works with {', '.join(STANDARDISING)} models only; remove it")
        if self.dense is not None and self.architecture not in ("lstm", "gru"):
            problems.append(f"dense = {self.dense}: only lstm and gru models have this layer; remove it")
        rates = self.dropout if isinstance(self.dropout, list) else [self.dropout]
        if any(not 0.0 <= rate < 1.0 for rate in rates):
            problems.append(f"dropout = {self.dropout}: rates are at least 0 and below 1")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _mlp_problems(self) -> list[str]:
        problems = []
        if not self.hidden_sizes:
            problems.append("hidden = []: name at least one layer size, such as hidden = [32]")
        if self.layers != 1:
            problems.append(f"layers = {self.layers}: an mlp has one layer for each size in `hidden`; remove it")
        if isinstance(self.dropout, list) and len(self.dropout) != len(self.hidden_sizes):
            given = counted(len(self.dropout), "rate")
            problems.append(f"dropout has {given} for {counted(len(self.hidden_sizes), 'hidden layer')}")
        return problems

    def _sequence_problems(self) -> list[str]:
        kind = self.architecture
        an = "an" if kind in ("lstm", "mdcsa") else "a"
        problems = []
        if isinstance(self.hidden, list):
            problems.append(f"hidden = {self.hidden}: {an} {kind} model has one hidden size, such as hidden = 8")
        if isinstance(self.dropout, list):
            problems.append(f"dropout = {self.dropout}: {an} {kind} model has one rate, such as dropout = 0.1")
        if kind == "mdcsa" and self.layers not in (1, 3):
            problems.append(f"layers = {self.layers}: an mdcsa model has 1 block (kernel 1) or 3 (kernels 1, 4, 7)")
        if kind == "mdcsa" and self.layers == 3 and self.context < LONGEST_KERNEL:
            problems.append(f"context = {self.context}: three blocks need at least {LONGEST_KERNEL} samples")
        return problems

    @property
    def hidden_sizes(self) -> list[int]:
        """`hidden` as a list."""
        return self.hidden if isinstance(self.hidden, list) else [self.hidden]

    @property
    def dropout_rates(self) -> list[float]:
        """One rate for each hidden layer."""
        return self.dropout if isinstance(self.dropout, list) else [self.dropout] * len(self.hidden_sizes)
