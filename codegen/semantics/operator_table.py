"""One operator, one file: meaning, integer reference, C. This table is where the compiler finds them."""

from tinyloc.codegen.backends.cmsis_nn.library_rule import PREFIX
from tinyloc.codegen.backends.cmsis_nn.operators import LIBRARY_RULES
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.add import Add
from tinyloc.codegen.operators.arg_max import ArgMax
from tinyloc.codegen.operators.arithmetic import Cast, Neg, Rescale, Rsqrt8
from tinyloc.codegen.operators.base import ElementWise, KernelRule, Rule, ViewRule
from tinyloc.codegen.operators.batch_matmul import BatchMatMul
from tinyloc.codegen.operators.compare import COMPARISONS, LOGIC, Select
from tinyloc.codegen.operators.concatenation import Concatenation
from tinyloc.codegen.operators.conv_2d import Conv2D
from tinyloc.codegen.operators.copy import Copy
from tinyloc.codegen.operators.depthwise_conv_2d import DepthwiseConv2D
from tinyloc.codegen.operators.fully_connected import FullyConnected
from tinyloc.codegen.operators.gather import Gather
from tinyloc.codegen.operators.hard_swish import HardSwish
from tinyloc.codegen.operators.index_map import MirrorPad, ResizeNearest
from tinyloc.codegen.operators.join import Join
from tinyloc.codegen.operators.l2_normalization import L2Normalization
from tinyloc.codegen.operators.leaky_relu import LeakyRelu, Prelu
from tinyloc.codegen.operators.log_softmax import LogSoftmax
from tinyloc.codegen.operators.logistic16 import Logistic16, Tanh16
from tinyloc.codegen.operators.loop import Loop
from tinyloc.codegen.operators.lstm import Lstm
from tinyloc.codegen.operators.min_max import Extreme
from tinyloc.codegen.operators.mul import Mul
from tinyloc.codegen.operators.pack import Pack
from tinyloc.codegen.operators.pad import Pad
from tinyloc.codegen.operators.pool_2d import Pool2D
from tinyloc.codegen.operators.rearrange import REARRANGEMENTS
from tinyloc.codegen.operators.reduce import Reduce
from tinyloc.codegen.operators.reduce_min_max import ReduceExtreme
from tinyloc.codegen.operators.reduce_prod import ReduceProd
from tinyloc.codegen.operators.resize_bilinear import ResizeBilinear
from tinyloc.codegen.operators.ring import RING_RULES
from tinyloc.codegen.operators.ring_conv import RingConv
from tinyloc.codegen.operators.selective_scan import SelectiveScan
from tinyloc.codegen.operators.softmax import Softmax
from tinyloc.codegen.operators.sqrt import Sqrt8
from tinyloc.codegen.operators.squared_difference import SquaredDifference
from tinyloc.codegen.operators.svdf import Svdf
from tinyloc.codegen.operators.table import ELU, EXP, LOG, LOGISTIC_INT8, RSQRT_INT16, TANH_INT8, Gelu, Table
from tinyloc.codegen.operators.transpose_conv import TransposeConv
from tinyloc.codegen.operators.view import Part, Reshape

RULES: dict[str, Rule] = {
    **RING_RULES,
    **COMPARISONS,
    **LOGIC,
    **REARRANGEMENTS,
    "ABS": Rescale(magnitude=True),
    "ADD": Add(+1),
    "ARG_MAX": ArgMax(),
    "AVERAGE_POOL_2D": Pool2D(average=True),
    "BATCH_MATMUL": BatchMatMul(),
    "CAST": Cast(),
    "CONCATENATION": Concatenation(),
    "CONV_2D": Conv2D(),
    "COPY": Copy(),
    "DEPTHWISE_CONV_2D": DepthwiseConv2D(),
    "ELU": ELU,
    "EXP": EXP,
    "EXPAND_DIMS": Reshape(),
    "FULLY_CONNECTED": FullyConnected(),
    "GATHER": Gather(),
    "GELU": Gelu(),
    "HARD_SWISH": HardSwish(),
    "L2_NORMALIZATION": L2Normalization(),
    "LEAKY_RELU": LeakyRelu(),
    "LOG": LOG,
    "LOG_SOFTMAX": LogSoftmax(),
    "MAXIMUM": Extreme(largest=True),
    "MAX_POOL_2D": Pool2D(average=False),
    "MEAN": Reduce(divide=True),
    "MIRROR_PAD": MirrorPad(),
    "MINIMUM": Extreme(largest=False),
    "MUL": Mul(),
    "NEG": Neg(),
    "PACK": Pack(),
    "PAD": Pad(),
    "PADV2": Pad(),
    "PRELU": Prelu(),
    "QUANTIZE": Rescale(),
    "REDUCE_MAX": ReduceExtreme(largest=True),
    "REDUCE_MIN": ReduceExtreme(largest=False),
    "REDUCE_PROD": ReduceProd(),
    "RELU": Rescale(low=0.0),
    "RELU6": Rescale(low=0.0, high=6.0),
    "RELU_0_TO_1": Rescale(low=0.0, high=1.0),
    "RELU_N1_TO_1": Rescale(low=-1.0, high=1.0),
    "RESHAPE": Reshape(),
    "RESIZE_BILINEAR": ResizeBilinear(),
    "RESIZE_NEAREST_NEIGHBOR": ResizeNearest(),
    "RING_CONV": RingConv(),
    "SELECT": Select(),
    "SELECT_V2": Select(),
    "SELECTIVE_SCAN": SelectiveScan(),
    "SLICE": Part(),
    "SOFTMAX": Softmax(),
    "SPLIT": Part(),
    "SPLIT_V": Part(),
    "SQUARED_DIFFERENCE": SquaredDifference(),
    "SQUEEZE": Reshape(),
    "STRIDED_SLICE": Part(),
    "SUB": Add(-1),
    "SUM": Reduce(divide=False),
    "SVDF": Svdf(),
    "TABLE": Table(),
    "TRANSPOSE": Part(),
    "TRANSPOSE_CONV": TransposeConv(),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Lstm(),
    "UNPACK": Part(),
}

OWN_KINDS = frozenset(("COPY", "JOIN", "LOOP", "RING_CONV", "SELECTIVE_SCAN", "TABLE", *RING_RULES))
"""What only passes make: no operator of TFLite."""

# Operators that mean another thing in int8 than in int16.
BY_ELEMENT: dict[tuple[str, str], Rule] = {
    ("LOGISTIC", "int8"): LOGISTIC_INT8,
    ("LOGISTIC", "int16"): Logistic16(),
    ("RSQRT", "int8"): Rsqrt8(),
    ("RSQRT", "int16"): RSQRT_INT16,
    ("SQRT", "int8"): Sqrt8(),
    ("TANH", "int8"): TANH_INT8,
    ("TANH", "int16"): Tanh16(),
}

RULES["LOOP"] = Loop(RULES, BY_ELEMENT)
RULES["JOIN"] = Join(lambda graph, op: rule_of(graph, op))


def rule_of(graph: Graph, op: Operator) -> Rule | None:
    """The rule of an operator in its element type, None when it is not supported."""
    if op.kind in RULES:
        return RULES[op.kind]
    if op.kind.startswith(PREFIX):
        return LIBRARY_RULES[op.kind.removeprefix(PREFIX)]
    element = graph.tensors[op.inputs[0]].element if op.inputs else ""
    return BY_ELEMENT.get((op.kind, element))


def supported() -> list[str]:
    """Names of the operators that can be compiled, sorted, without our own kinds."""
    return sorted({*RULES, *(kind for kind, _ in BY_ELEMENT)} - OWN_KINDS)


__all__ = ["BY_ELEMENT", "RULES", "ElementWise", "KernelRule", "Rule", "ViewRule", "rule_of", "supported"]
