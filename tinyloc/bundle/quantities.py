"""Numbers of the bundle with their units and ranges. Text, booleans, NaN and infinities are no numbers."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from tinyloc.names import repeated

_Name = TypeVar("_Name", bound=str)

Dbm = Annotated[float, Field(ge=-200, le=100)]
"""Received power in dBm."""
Metres = Annotated[float, Field(ge=-1e8, le=1e8)]
"""A coordinate in metres, in the frame of the data set."""
Score = Annotated[float, Field(ge=-1e5, le=1e5)]
"""In units of the network's float scores, which are natural logarithms."""
Exponent = Annotated[float, Field(ge=0.01, le=100)]
Hertz = Annotated[float, Field(gt=0, le=1e5)]
Milliseconds = Annotated[float, Field(gt=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(gt=0, le=1e8)]
"""In metres."""
Energy = Annotated[float, Field(gt=0, le=1e9)]
"""In microjoules or microamperes."""
Figure = Annotated[float, Field(ge=-1e12, le=1e12)]
"""Any figure that was measured."""
Count = Annotated[int, Field(ge=0, le=10**12)]
Bytes = Annotated[int, Field(gt=0, lt=1 << 32)]
Samples = Annotated[int, Field(ge=1, le=65535)]
"""The firmware counts samples in 16 bits."""
Held = Annotated[int, Field(ge=0, le=254)]
"""Samples; the firmware counts them in 8 bits."""
Index = Annotated[int, Field(ge=0, le=65534)]
Size = Annotated[int, Field(ge=1, le=1 << 24)]
"""Of a tensor along one axis."""
Point = Annotated[tuple[Metres, Metres], Field(strict=False)]
"""x, y."""
Place = Annotated[tuple[Metres, Metres, Metres], Field(strict=False)]
"""x, y, z."""

WIDTHS = {"int8": "w8a8", "int16x8": "w8a16"}
"""Of a model that is of one arithmetic as a whole: bits of weights and activations."""


def _each_once(names: list[_Name]) -> list[_Name]:
    if twice := repeated(names):
        raise ValueError(f"{', '.join(map(repr, twice))} is named twice; each name stands for one thing")
    return names


Once = AfterValidator(_each_once)
"""Of a list of names: none stands twice."""
