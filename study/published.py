"""Figures of arXiv 2412.09289 for comparison. It has 59 areas on UJIIndoorLoc, as we have, but by another rule."""

from dataclasses import dataclass

SOURCE = "arXiv 2412.09289"
SAME_COUNT = (
    "The study has 59 areas on UJIIndoorLoc and does not define them; ours are 59 too, by another rule (building, "
    "floor, cell of an 85 m grid): figures beside each other are roughly comparable, no more."
)


@dataclass(frozen=True)
class Published:
    """A localiser of the study. Size: of the serialised model in KB, as the study counts."""

    data: str
    name: str
    macro_f1: float
    accuracy: float
    kilobytes: float


ROWS = (
    Published("ujiindoorloc", "Mamba H4L1, static int8", 0.399, 0.620, 27),
    Published("ujiindoorloc", "Mamba H8L1, distilled, static int8", 0.552, 0.726, 31),
    Published("ujiindoorloc", "Mamba H32L1, distilled, static int8", 0.621, 0.785, 58),
    Published("ujiindoorloc", "Mamba H4L1, FP32", 0.446, 0.672, 31),
    Published("ujiindoorloc", "Mamba H8L1, distilled, FP32", 0.640, 0.787, 44),
    Published("ujiindoorloc", "Mamba H32L1, distilled, FP32", 0.715, 0.837, 134),
)
"""Table 8. Of each size the better of the plain and the distilled static int8 model."""


@dataclass(frozen=True)
class PublishedPositions:
    """Position errors in metres on the publisher's validation file of UJIIndoorLoc."""

    name: str
    p50: float
    p75: float
    p80: float
    p90: float
    largest: float


POSITIONS_DATA = "ujiindoorloc"
POSITIONS_SOURCE = (
    "halosnoopy/LSTM-MLP-Knowledge-Distillation-for-Indoor-Localization on GitHub at dee9f17, error_analysis.ipynb"
)
POSITIONS = (
    PublishedPositions("MLP 256-256-128, plain", 6.37, 13.94, 16.24, 22.71, 154.20),
    PublishedPositions("MLP 256-256-128, distilled", 6.18, 11.51, 13.47, 19.66, 90.67),
)

PARAMETERS: dict[tuple[int, int, str, int, int], int] = {
    # access points, classes, architecture, H, L
    (8, 4, "mdcsa", 16, 1): 10588,
    (8, 4, "mdcsa", 8, 1): 2812,
    (8, 4, "mdcsa", 256, 1): 2565148,
    (8, 4, "mamba", 32, 1): 10392,
    (8, 4, "mamba", 8, 1): 1432,
    (11, 11, "mdcsa", 16, 1): 10874,
    (11, 11, "mdcsa", 8, 1): 3018,
    (11, 11, "mdcsa", 256, 1): 2567834,
    (11, 11, "mamba", 16, 2): 7263,
    (11, 11, "mamba", 8, 1): 1631,
    (11, 11, "mamba", 32, 2): 20783,
    (11, 9, "mdcsa", 16, 1): 10796,
    (11, 9, "mdcsa", 8, 1): 2956,
    (11, 9, "mamba", 32, 1): 10723,
    (11, 9, "mamba", 8, 1): 1571,
    (11, 10, "mdcsa", 16, 1): 10834,
    (11, 10, "mdcsa", 8, 1): 2986,
    (11, 10, "mamba", 32, 1): 10776,
    (11, 10, "mamba", 16, 1): 3848,
    (520, 59, "mdcsa", 16, 1): 23290,
    (520, 59, "mdcsa", 8, 1): 10978,
    (520, 59, "mdcsa", 256, 3): 9802058,
    (520, 59, "mamba", 32, 1): 32111,
    (520, 59, "mamba", 8, 2): 10847,
    (520, 59, "mamba", 8, 1): 9543,
    (520, 59, "mamba", 4, 1): 6475,
    (520, 59, "mamba", 128, 1): 194447,
}
"""Tables 4 to 8: parameters of the model with its CRF, dead ones included."""
