"""What each operator asks of the integers around it, as LiteRT's kernels demand. One row an operator.

MEASURED    the output has the scale of its own range
SAME        values are moved or picked: operands and outputs share scale and zero point
FIXED       the kernel prescribes the output's scale
INDEX       the output is no quantised value: an index, a truth, a shape
"""

from dataclasses import dataclass
from typing import Final, Literal

Scale = Literal["measured", "same", "fixed", "index"]
MEASURED: Final = "measured"
SAME: Final = "same"
FIXED: Final = "fixed"
INDEX: Final = "index"

BOTH = (8, 16)
ONLY_8 = (8,)
EVERY_PAIR = ((4, 8), (4, 16), (8, 8), (8, 16))


@dataclass(frozen=True)
class Rule:
    """One operator."""

    scale: Scale
    activations: tuple[int, ...] = BOTH
    """Widths that LiteRT's kernel has."""
    weight: int | None = None
    """Position of the weights: constant, symmetric, a scale for each channel along `axis`."""
    axis: int = 0
    bias: int | None = None
    weight_bits: tuple[tuple[int, int], ...] = ((8, 8), (8, 16))
    """Pairs of weight and activation bits that LiteRT's kernel has."""
    fixed: tuple[tuple[int, tuple[float, int]], ...] = ()
    """Width -> scale and zero point of the output."""
    recurrent: bool = False
    """Everything but the first operand is the operator's own, see lstm.py."""


def _fixed(int8: tuple[float, int], int16: tuple[float, int] | None) -> Rule:
    return Rule(FIXED, BOTH if int16 else ONLY_8, fixed=((8, int8), *([(16, int16)] if int16 else [])))


_POSITIVE, _UNIT = (1 / 256, -128), (1 / 32768, 0)

RULES: dict[str, Rule] = {
    "FULLY_CONNECTED": Rule(MEASURED, weight=1, axis=0, bias=2, weight_bits=EVERY_PAIR),
    "CONV_2D": Rule(MEASURED, weight=1, axis=0, bias=2, weight_bits=EVERY_PAIR),
    "DEPTHWISE_CONV_2D": Rule(MEASURED, weight=1, axis=3, bias=2, weight_bits=((4, 8), (8, 8), (8, 16))),
    "TRANSPOSE_CONV": Rule(MEASURED, weight=1, axis=0, bias=3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(MEASURED, ONLY_8, recurrent=True),
    "LOGISTIC": _fixed(_POSITIVE, _UNIT),
    "TANH": _fixed((1 / 128, 0), _UNIT),
    "SOFTMAX": _fixed(_POSITIVE, _UNIT),
    "LOG_SOFTMAX": _fixed((16 / 256, 127), None),
    "L2_NORMALIZATION": _fixed((1 / 128, 0), None),
    **{
        kind: Rule(MEASURED)
        for kind in ("BATCH_MATMUL", "ADD", "SUB", "MUL", "ABS", "EXP", "LOG", "RSQRT", "MEAN", "RELU", "RELU6",
                     "LEAKY_RELU")
    },
    **{
        kind: Rule(MEASURED, ONLY_8)
        for kind in ("SQUARED_DIFFERENCE", "ELU", "HARD_SWISH", "GELU", "PRELU", "RELU_N1_TO_1", "RELU_0_TO_1")
    },
    **{
        kind: Rule(SAME)
        for kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V",
                     "CONCATENATION", "PACK", "UNPACK", "PAD", "PADV2", "MIRROR_PAD", "GATHER", "GATHER_ND",
                     "BROADCAST_TO", "REVERSE_V2", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "MAXIMUM", "MINIMUM",
                     "REDUCE_MAX", "REDUCE_MIN", "SELECT_V2", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_BILINEAR",
                     "RESIZE_NEAREST_NEIGHBOR")
    },
    **{kind: Rule(SAME, ONLY_8) for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "TILE")},
    **{
        kind: Rule(INDEX)
        for kind in ("ARG_MAX", "ARG_MIN", "EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
    },
}  # fmt: skip

HELP: dict[str, str] = {
    "DIV": "multiply by the reciprocal; for a norm, RSQRT",
    "SQRT": "x * RSQRT(x)",
    "POW": "products, or EXP(c * LOG(x))",
    "NEG": "multiply by -1",
    "SUM": "a product with ones (LiteRT's SUM is wrong at 16 bits), or MEAN and a factor",
    "SELECT": "SELECT_V2, or a sum of products",
    "WHILE": "unroll the loop, or export one time step with its state as inputs and outputs",
    "IF": "export the branch that devices run",
    "VAR_HANDLE": "export the state as inputs and outputs of one step",
    "READ_VARIABLE": "export the state as inputs and outputs of one step",
    "ASSIGN_VARIABLE": "export the state as inputs and outputs of one step",
    "CALL_ONCE": "export the state as inputs and outputs of one step",
    "DEQUANTIZE": "give the float32 file; this one holds float16 or integers already",
    "QUANTIZE": "give the float32 file; this one holds integers already",
    "CAST": "keep one type throughout",
}
"""What to write instead of an operator that has no rule."""
