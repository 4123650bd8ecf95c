"""Values that options choose from, so that help and completion show them.

The parts of tinyloc have the same names as types; tests/tinyloc/test_choices.py compares them. They are repeated here
because those modules take too long to import for `--help` and for completion.
"""

from enum import StrEnum


class ArithmeticChoice(StrEnum):
    """Integers that a model computes in."""

    INT8 = "int8"
    INT16X8 = "int16x8"
    MIXED = "mixed"


class BackendChoice(StrEnum):
    """Kernels that a localiser runs on."""

    NATIVE = "native"
    CMSIS_NN = "cmsis_nn"
    TFLM = "tflm"


class NetworkBackendChoice(StrEnum):
    """Kernels that a plain network runs on."""

    NATIVE = "native"
    CMSIS_NN = "cmsis_nn"


class ReferenceChoice(StrEnum):
    """Reference that the generated code equals bit for bit."""

    TINYLOC = "tinyloc"
    LITERT = "litert"


class LevelChoice(StrEnum):
    """Optimisation levels of the C compiler."""

    SIZE = "Os"
    SPEED = "O2"


class AimChoice(StrEnum):
    """Aims for which the kernels of a plain network are chosen."""

    BUDGET = "budget"
    SPEED = "speed"
    SIZE = "size"
    O2 = "O2"
    OS = "Os"


class CoreChoice(StrEnum):
    """Cores of a new board."""

    CORTEX_M3 = "cortex-m3"
    CORTEX_M4F = "cortex-m4f"


class Site(StrEnum):
    """Simulated sites of the fusion study."""

    CORRIDOR = "corridor"
    LOOP = "loop"


class FusionPart(StrEnum):
    """Parts of the fusion study."""

    CORRIDOR = "corridor"
    LOOP = "loop"
    REAL = "real"
    VARIANTS = "variants"
    FIELD = "field"
    FORECASTS = "forecasts"
    RANGES = "ranges"


class FusionMethod(StrEnum):
    """Filters of the fusion study that run on a board."""

    FIXED = "fixed"
    GATED = "gated"
    ADAPTIVE = "adaptive"
    VARIANCE = "variance"
    STEERED = "steered"
    ROBUST = "robust"
    GUARDED = "guarded"
