"""What a localiser is, as data: the `[model]` table of a recipe. Needs no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tinyloc.boards.errors import counted


class ModelSettings(BaseModel):
    """Architecture and sizes. `hidden` is H of a Mamba localiser, or the list of hidden layer sizes of an MLP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["mamba", "mlp"]
    hidden: int | list[int]
    layers: int = Field(default=1, ge=1, le=16)
    """L: Mamba blocks. An MLP has as many layers as `hidden` names, so it leaves this out."""
    crf: bool = False
    """A linear-chain CRF over the window follows the network."""
    dropout: float | list[float] = 0.0
    """After each hidden layer of an MLP: one rate for all, or one a layer. Mamba: before each block's residual add."""
    state_size: int = Field(default=16, ge=1)
    """N: scan states a channel (Mamba's d_state)."""
    conv_width: int = Field(default=4, ge=2)
    """K: samples that the causal convolution sees (Mamba's d_conv)."""
    expand: int = Field(default=2, ge=1)
    """E = expand * H inner channels."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        problems = []
        if any(size < 1 for size in self.hidden_sizes):
            problems.append(f"hidden = {self.hidden}: every size must be at least 1")
        if self.architecture == "mamba":
            if isinstance(self.hidden, list):
                problems.append(f"hidden = {self.hidden}: a mamba model has one hidden size, such as hidden = 8")
            if isinstance(self.dropout, list):
                problems.append(f"dropout = {self.dropout}: a mamba model has one rate, such as dropout = 0.1")
        else:
            if not self.hidden_sizes:
                problems.append("hidden = []: name at least one layer size, such as hidden = [32]")
            if self.layers != 1:
                problems.append(f"layers = {self.layers}: an mlp has one layer for each size in `hidden`; remove it")
            if isinstance(self.dropout, list) and len(self.dropout) != len(self.hidden_sizes):
                given = counted(len(self.dropout), "rate")
                problems.append(f"dropout has {given} for {counted(len(self.hidden_sizes), 'hidden layer')}")
        rates = self.dropout if isinstance(self.dropout, list) else [self.dropout]
        if any(not 0.0 <= rate < 1.0 for rate in rates):
            problems.append(f"dropout = {self.dropout}: rates are at least 0 and below 1")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def hidden_sizes(self) -> list[int]:
        """`hidden` as a list."""
        return self.hidden if isinstance(self.hidden, list) else [self.hidden]

    @property
    def dropout_rates(self) -> list[float]:
        """One rate for each hidden layer."""
        return self.dropout if isinstance(self.dropout, list) else [self.dropout] * len(self.hidden_sizes)
