"""Operators as calls of Arm's CMSIS-NN, for the back end cmsis_nn. Kinds are TFLite's with a prefix: CMSIS_NN_CONV_2D.

Each rule knows what the library takes, its C call, and the size that the library's own function gives for the buffer it
works in; codegen/backends/cmsis_nn/library.py asks for that size and puts it into the attribute `scratch`.

The NumPy reference of each is what the library computes when it is built as it comes, with two roundings: that of the
native operator where both are equal, else told at the rule. docs/reference/backends.md has the measured table.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tinyloc.codegen.arithmetic.activation import activation_range
from tinyloc.codegen.arithmetic.geometry import Geometry, geometry
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.backends.cmsis_nn.library_rule import LibraryCall, LibraryRule
from tinyloc.codegen.backends.cmsis_nn.lstm import LibraryLstm
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant
from tinyloc.codegen.operators import batch_matmul, convolution, fully_connected, softmax
from tinyloc.codegen.operators.add import Add, factors
from tinyloc.codegen.operators.base import Rule, operand_names
from tinyloc.codegen.operators.batch_matmul import BatchMatMul
from tinyloc.codegen.operators.conv_2d import Conv2D
from tinyloc.codegen.operators.depthwise_conv_2d import DepthwiseConv2D
from tinyloc.codegen.operators.fully_connected import FullyConnected, bias_of
from tinyloc.codegen.operators.mul import Mul, factor
from tinyloc.codegen.operators.pool_2d import Pool2D
from tinyloc.codegen.operators.softmax import Softmax


def _suffix(graph: Graph, op: Operator) -> str:
    return "s16" if graph.tensors[op.outputs[0]].element == "int16" else "s8"


def _dims(name: str, n: int, h: int, w: int, c: int) -> str:
    return f"static const cmsis_nn_dims {name} = {{.n = {n}, .h = {h}, .w = {w}, .c = {c}}};"


def _bounds(r: Requantisation) -> str:
    return f"{{{r.low}, {r.high}}}"


def _tile(pair: tuple[int, int]) -> str:
    return f"{{.w = {pair[1]}, .h = {pair[0]}}}"


def _arrays(prefix: str, r: Requantisation, channels: int) -> tuple[Constant, Constant]:
    """TFLite's multipliers and shifts, one a channel whatever the model has."""
    pairs = r.twice_factors()
    pairs = pairs if len(pairs) == channels else pairs * channels
    size = f"[{channels}]"
    return (
        Constant(f"{prefix}_multiplier", "int32_t", np.array([m for m, _ in pairs]), size),
        Constant(f"{prefix}_shift", "int32_t", np.array([s for _, s in pairs]), size),
    )


def _quant_params(prefix: str) -> str:
    # the library's struct has no const, and never writes
    return (
        "static const cmsis_nn_per_channel_quant_params scaling = "
        f"{{\n    (int32_t *){prefix}_multiplier, (int32_t *){prefix}_shift}};"
    )


def _bias(graph: Graph, op: Operator, prefix: str, channels: int) -> tuple[str, tuple[Constant, ...]]:
    """C pointer of the bias, and its array. int16 operators take 64 bits."""
    bias = bias_of(graph, op)
    if bias is None:
        return "NULL", ()
    ctype = "int64_t" if _suffix(graph, op) == "s16" else "int32_t"
    return f"{prefix}_bias", (Constant(f"{prefix}_bias", ctype, bias, f"[{channels}]"),)


class LibraryFullyConnected(LibraryRule):
    """Sums are scaled with two roundings (int8), or by a 16-bit multiplier (int16); LiteRT rounds both once."""

    native: FullyConnected = FullyConnected()

    def takes(self, graph: Graph, op: Operator) -> bool:
        per_channel = len(self._requantisation(graph, op).factor) > 1
        return _suffix(graph, op) == "s8" or not per_channel

    @staticmethod
    def _requantisation(graph: Graph, op: Operator) -> Requantisation:
        r = fully_connected.requantisation(graph, op)
        return dataclasses.replace(r, rounding="wide" if r.element == "int16" else "twice")

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        sums = fully_connected.sums(graph, op, values[0])
        return [self._requantisation(graph, op).reference(sums).reshape(graph.tensors[op.outputs[0]].shape)]

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        x, w = (graph.tensors[t] for t in op.inputs[:2])
        assert w.data is not None
        channels, depth = w.shape
        batches = x.size // depth
        r, suffix = self._requantisation(graph, op), _suffix(graph, op)
        bias, arrays = _bias(graph, op, prefix, channels)
        if len(r.factor) > 1:
            scaling: tuple[Constant, ...] = _arrays(prefix, r, channels)
            how = _quant_params(prefix)
            function = "arm_fully_connected_per_channel_s8"
        else:
            ((multiplier, shift),) = r.twice_factors()
            scaling = ()
            how = f"static const cmsis_nn_per_tensor_quant_params scaling = {{{multiplier}, {shift}}};"
            function = f"arm_fully_connected_{suffix}"
        declarations = (
            f"static const cmsis_nn_fc_params layer = {{.input_offset = {-x.zero_point}, "
            f".output_offset = {r.zero_point}, .activation = {_bounds(r)}}};",
            how,
            _dims("input", batches, 1, 1, depth),
            _dims("filter", depth, 1, 1, channels),
            _dims("bias", 1, 1, 1, channels),
            _dims("output", batches, 1, 1, channels),
        )
        call = (
            f"tl_library({function}(&context, &layer, &scaling, &input, x0, &filter,\n    {prefix}_weights, &bias, "
            f"{bias}, &output, y));"
        )
        weights = Constant(f"{prefix}_weights", "int8_t", w.data.ravel(), f"[{channels}][{depth}]")
        size = f"arm_fully_connected_{suffix}_get_buffer_size(&filter)"
        return LibraryCall(declarations, call, (weights, *arrays, *scaling), size, batches * channels * depth)


class LibraryConvolution(LibraryRule):
    """CONV_2D and DEPTHWISE_CONV_2D through the library's wrappers, which choose among its kernels."""

    def __init__(self, depthwise: bool) -> None:
        self.depthwise = depthwise
        self.native: Rule = DepthwiseConv2D() if depthwise else Conv2D()

    def takes(self, graph: Graph, op: Operator) -> bool:
        x, w = (graph.tensors[t] for t in op.inputs[:2])
        grouped = not self.depthwise and w.shape[3] != x.shape[3]
        narrow = convolution.is_narrow(graph, op, op.inputs[0], 2)
        return not (grouped and x.element == "int16") and not narrow

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        x, w, y = (graph.tensors[t] for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
        assert w.data is not None
        g = geometry(op, x.shape, w.shape, y.shape)
        r = convolution.requantisation(x, w, y, op.attributes.get("activation", 0))
        channels, suffix = g.output[2], _suffix(graph, op)
        bias, arrays = _bias(graph, op, prefix, channels)
        kind, name = ("dw_conv", "depthwise_conv") if self.depthwise else ("conv", "convolve")
        declarations = [self._params(g, r, kind, -x.zero_point), _quant_params(prefix)]
        declarations += _image_dims(g)
        declarations.append(_dims("filter", w.shape[0], *w.shape[1:]))
        declarations.append(_dims("bias", 1, 1, 1, channels))
        if suffix == "s16" and not self.depthwise:
            declarations.append(f"static const cmsis_nn_bias_data sums = {{{bias}, false}};")
            bias = "&sums"
        call = (
            f"tl_library(arm_{name}_wrapper_{suffix}(&context, &layer, &scaling, &input, x0, &filter,\n"
            f"    {prefix}_weights, &bias, {bias}, &output, y));"
        )
        shape = "".join(f"[{n}]" for n in w.shape)
        weights = Constant(f"{prefix}_weights", "int8_t", w.data.ravel(), shape)
        size = f"arm_{name}_wrapper_{suffix}_get_buffer_size(&layer, &input, &filter, &output)"
        macs = g.output[0] * g.output[1] * (w.size if not self.depthwise else channels * g.kernel[0] * g.kernel[1])
        return LibraryCall(tuple(declarations), call, (weights, *arrays, *_arrays(prefix, r, channels)), size, macs)

    def _params(self, g: Geometry, r: Requantisation, kind: str, input_offset: int) -> str:
        multiplier = f".ch_mult = {g.output[2] // g.input[2]}, " if self.depthwise else ""
        return (
            f"static const cmsis_nn_{kind}_params layer = {{.input_offset = {input_offset}, "
            f".output_offset = {r.zero_point}, {multiplier}.stride = {_tile(g.stride)},\n"
            f"    .padding = {_tile(g.padding)}, .dilation = {_tile(g.dilation)}, .activation = {_bounds(r)}}};"
        )


def _image_dims(g: Geometry) -> list[str]:
    return [_dims("input", 1, *g.input), _dims("output", 1, *g.output)]


class LibraryPool(LibraryRule):
    """AVERAGE_POOL_2D and MAX_POOL_2D."""

    def __init__(self, average: bool) -> None:
        self.average = average
        self.native: Pool2D = Pool2D(average)

    def takes(self, graph: Graph, op: Operator) -> bool:
        return True

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        y = graph.tensors[op.outputs[0]]
        g = self.native.geometry(graph, op)
        low, high = activation_range(y, op.attributes.get("activation", 0))
        suffix = _suffix(graph, op)
        declarations = (
            f"static const cmsis_nn_pool_params layer = {{.stride = {_tile(g.stride)}, .padding = {_tile(g.padding)}, "
            f".activation = {{{low}, {high}}}}};",
            *_image_dims(g),
            _dims("filter", 1, g.kernel[0], g.kernel[1], 1),
        )
        name = "avgpool" if self.average else "max_pool"
        call = f"tl_library(arm_{name}_{suffix}(&context, &layer, &input, x0, &filter, &output, y));"
        size = f"arm_avgpool_{suffix}_get_buffer_size({g.output[1]}, {g.input[2]})" if self.average else ""
        return LibraryCall(declarations, call, (), size)


class LibrarySoftmax(LibraryRule):
    """SOFTMAX of int8."""

    native: Softmax = Softmax()

    def takes(self, graph: Graph, op: Operator) -> bool:
        return all(graph.tensors[t].element == "int8" for t in (op.inputs[0], op.outputs[0]))

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        x = graph.tensors[op.inputs[0]]
        multiplier, shift, radius = softmax.difference_scaling(x, op.attributes.get("beta", 1.0))
        columns = x.shape[-1]
        rows = x.size // columns
        return LibraryCall((), f"arm_softmax_s8(x0, {rows}, {columns}, {multiplier}, {shift}, {-radius}, y);")


class LibraryAdd(LibraryRule):
    """ADD of two tensors of one shape; others stay in fused loops."""

    native: Add = Add(+1)

    def takes(self, graph: Graph, op: Operator) -> bool:
        return _same_variables(graph, op)

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        f = factors(graph, op)
        low, high = activation_range(y, op.attributes.get("activation", 0))
        left, right = (operand_names(graph, op)[t] for t in op.inputs)
        call = (
            f"tl_library(arm_elementwise_add_{_suffix(graph, op)}({left}, {right},\n    {-a.zero_point}, {_pair(f.a)}, "
            f"{-b.zero_point}, {_pair(f.b)}, {f.left_shift},\n    y, {y.zero_point}, {_pair(f.output)}, {low}, {high}, "
            f"{y.size}));"
        )
        return LibraryCall((), call)


class LibraryMul(LibraryRule):
    """MUL of two tensors of one shape; others stay in fused loops."""

    native: Mul = Mul()

    def takes(self, graph: Graph, op: Operator) -> bool:
        return _same_variables(graph, op)

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        low, high = activation_range(y, op.attributes.get("activation", 0))
        left, right = (operand_names(graph, op)[t] for t in op.inputs)
        call = (
            f"tl_library(arm_elementwise_mul_{_suffix(graph, op)}({left}, {right}, {-a.zero_point}, {-b.zero_point},\n"
            f"    y, {y.zero_point}, {_pair(factor(graph, op))}, {low}, {high}, {y.size}));"
        )
        return LibraryCall((), call)


def _pair(factor: tuple[int, int]) -> str:
    return f"{factor[0]}, {factor[1]}"


def _same_variables(graph: Graph, op: Operator) -> bool:
    shapes = {graph.tensors[t].shape for t in (*op.inputs, *op.outputs)}
    elements = {graph.tensors[t].element for t in (*op.inputs, *op.outputs)}
    return len(shapes) == len(elements) == 1 and not any(graph.is_constant(t) for t in op.inputs)


class LibraryBatchMatMul(LibraryRule):
    """BATCH_MATMUL with the second operand transposed, which is what the library multiplies; others stay native."""

    native: BatchMatMul = BatchMatMul()

    def takes(self, graph: Graph, op: Operator) -> bool:
        return bool(op.attributes.get("adj_y")) and not op.attributes.get("adj_x")

    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        batches, rows, depth, columns = batch_matmul.dimensions(graph, op)
        r = batch_matmul.requantisation(graph, op)
        ((multiplier, shift),) = r.twice_factors()
        low, high = RANGE[y.element]
        suffix = _suffix(graph, op)
        declarations = (
            "static const cmsis_nn_bmm_params layer = {.adj_y = true, .fc_params = "
            f"{{.input_offset = {-a.zero_point}, .filter_offset = {-b.zero_point},\n"
            f"    .output_offset = {y.zero_point}, .activation = {{{low}, {high}}}}}}};",
            f"static const cmsis_nn_per_tensor_quant_params scaling = {{{multiplier}, {shift}}};",
            _dims("left", 1, batches, rows, depth),
            _dims("right", 1, batches, columns, depth),
            _dims("output", 1, batches, rows, columns),
        )
        x0, x1 = (operand_names(graph, op)[t] for t in op.inputs)
        call = (
            f"tl_library(arm_batch_matmul_{suffix}(&context, &layer, &scaling, &left, {x0}, &right, {x1}, &output, y));"
        )
        size = f"arm_fully_connected_{suffix}_get_buffer_size(&right)"
        return LibraryCall(declarations, call, (), size, batches * rows * depth * columns)


LIBRARY_RULES: Mapping[str, LibraryRule] = {
    "ADD": LibraryAdd(),
    "AVERAGE_POOL_2D": LibraryPool(average=True),
    "BATCH_MATMUL": LibraryBatchMatMul(),
    "CONV_2D": LibraryConvolution(depthwise=False),
    "DEPTHWISE_CONV_2D": LibraryConvolution(depthwise=True),
    "FULLY_CONNECTED": LibraryFullyConnected(),
    "MAX_POOL_2D": LibraryPool(average=False),
    "MUL": LibraryMul(),
    "SOFTMAX": LibrarySoftmax(),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": LibraryLstm(),
}
"""By TFLite's name of the operator."""
