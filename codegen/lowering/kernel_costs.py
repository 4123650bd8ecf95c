"""What the fast and the small forms of layers take, by core and level of the C compiler; estimates for other layers.

kernel_costs.json is measured and written by `python -m tests.bench.form_costs`.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tinyloc.boards import Core

FILE = Path(__file__).with_suffix(".json")


class KernelCost(BaseModel):
    """One kernel, compiled for one core at one level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    functions: dict[str, int]
    """Function -> bytes of code. A function is in an image once, whichever kernels call it."""
    cycles: float
    """Modelled cycles per product of typical layers (per value of SOFTMAX), without wait states."""


Costs = Mapping[Core, Mapping[str, Mapping[str, KernelCost]]]
"""Core -> level of the C compiler -> kernel."""


@functools.cache
def kernel_costs() -> Costs:
    """Read the table."""
    return TypeAdapter(dict[Core, dict[str, dict[str, KernelCost]]]).validate_json(FILE.read_bytes())
