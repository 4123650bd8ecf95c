"""What a localiser is, as data: the `[model]` table of a recipe. Needs no torch."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tinyloc.errors import counted
from tinyloc.names import printable
from tinyloc.strict import Strict
from tinyloc.training.models.own_class import is_own_class

Architecture = Literal["mamba", "mlp", "mdcsa", "lstm", "gru"]
"""Those that come with tinyloc."""
Argument = bool | int | float | str | list[int] | list[float]
Attention = Literal["streaming", "window"]
Size = Annotated[int, Field(le=65_536)]
"""Units of a layer."""
STANDARDISING = ("mlp", "lstm", "gru")
LONGEST_KERNEL = 7
"""Of an MDCSA with three blocks."""


class ModelSettings(Strict):
    """Architecture and sizes of the network."""

    architecture: str
    """Kind of network: mamba, mlp, mdcsa, lstm, gru, or a class of yours, as "my_package.my_module:MyNet"."""
    arguments: dict[str, Argument] = Field(default_factory=dict)
    """Arguments of a class of yours, beside `inputs` and `classes`."""
    hidden: Size | list[Size] = Field(default_factory=list)
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

    @field_validator("architecture")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in get_args(Architecture) or is_own_class(value):
            return value
        raise ValueError(
            f"{printable(value)!r} must be {', '.join(get_args(Architecture))}, or a class such as "
            "my_package.my_module:MyNet"
        )

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        if self.own:
            return self._own_class()
        problems = [f"arguments are those of a class of yours; remove them from a {self.architecture}"] if (
            self.arguments
        ) else []  # fmt: skip
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

    def _own_class(self) -> "ModelSettings":
        mine = ("architecture", "arguments", "crf")
        fields = {name: field for name, field in type(self).model_fields.items() if name not in mine}
        given = [name for name, f in fields.items() if getattr(self, name) != f.get_default(call_default_factory=True)]
        if given:
            raise ValueError(f"{', '.join(given)}: sizes of {self.kind} belong into model.arguments")
        return self

    @property
    def own(self) -> bool:
        """Whether the architecture is a class of the user's."""
        return is_own_class(self.architecture)

    @property
    def kind(self) -> str:
        """Name for reports and files."""
        return self.architecture.rpartition(":")[2]

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
        if self.hidden == []:
            problems.append(f"hidden is missing: {an} {kind} model has one hidden size, such as hidden = 8")
        elif isinstance(self.hidden, list):
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
