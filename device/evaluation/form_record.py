"""What one form of a model measured: quality, sizes, and figures per board."""

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OnBoard(_Strict):
    """One form of a model on one board. Bytes of the whole image; cycles of one sample, modelled in the emulator."""

    flash_bytes: int
    ram_bytes: int
    cycles: float
    """Median over the measured samples."""
    waited_cycles: float | None = None
    """The same with the wait states of the board's flash; None where it has none."""
    energy_uj: float
    """Belongs to the slower figure."""
    fits: bool
    """Within the budget of the board (and of the recipe, where that is lower)."""
    samples: int
    """Emulated and compared with the host, all of them measured."""
    mismatches: int


class FormRecord(_Strict):
    """One form of a model: quality on the test set, and its size three ways."""

    macro_f1: float
    accuracy: float
    errors_m: dict[str, float] | None = None
    serialised_bytes: int
    """As the study counts: the file of the model (torch.save, or .tflite)."""
    constant_bytes: int | None = None
    """Weights, biases and tables that the device keeps; None for forms that are not deployed."""
    figures: dict[str, float] = {}
    """Figures of the protocol (training/protocol/figures.py) on the test set; empty in older records."""
    decided: str = ""
    """The classes decided (training/packed.py), for intervals and paired comparisons; empty in older records."""
    error_cm: str = ""
    """Position errors in cm, packed, -1 where the truth is unknown; empty without positions."""
    outliers: dict[str, float] = {}
    """What LLM.int8() found: threshold, input columns that reach it, and all input columns of linear layers."""
    boards: dict[str, OnBoard] = {}
    not_built: dict[str, str] = {}
    """Board -> why there is no image."""
