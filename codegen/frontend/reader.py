"""TFLite flatbuffer -> Graph. Everything that cannot be read is reported at once."""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.codegen.c_text import c_comment
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend import schema
from tinyloc.codegen.frontend.loops import FileTensor, step_of, written_out
from tinyloc.codegen.frontend.operator_codes import operator_name
from tinyloc.codegen.frontend.refusals import WAYS_OUT, grouped, some, unsupported
from tinyloc.codegen.frontend.signatures import several
from tinyloc.codegen.frontend.variables import CALL_ONCE, bind_variables, initial_values
from tinyloc.codegen.frontend.whole import is_whole
from tinyloc.codegen.graph import BYTES, LARGEST_TENSOR, ElementType, Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.passes.dilations import fold_dilations
from tinyloc.codegen.passes.recurrent import detach_states
from tinyloc.codegen.passes.shapes import FOLDED, MOVERS, fold_shapes, settle_shapes
from tinyloc.codegen.passes.split_space_to_batch import split_borders
from tinyloc.codegen.passes.whose_arithmetic import choose_arithmetic
from tinyloc.codegen.passes.zeros import scale_zeros
from tinyloc.codegen.semantics.operator_table import supported
from tinyloc.codegen.semantics.result_shapes import REDUCTIONS
from tinyloc.errors import counted
from tinyloc.while_loops import WHILE, Part

FOLDED_AT_READING = (*FOLDED, "DEQUANTIZE")

_ELEMENTS: dict[int, ElementType] = {
    schema.TensorType.INT8: "int8",
    schema.TensorType.INT4: "int8",  # two a byte in the file, see _values
    schema.TensorType.BOOL: "int8",  # 0 or 1, see operators/compare.py
    schema.TensorType.INT16: "int16",
    schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64",
}
_BORDERS = {**_ELEMENTS, schema.TensorType.FLOAT32: "float32", schema.TensorType.UINT8: "uint8"}
_SIGN = 128
"""UINT8 is read as int8: values and zero points are so much less."""
_UNSIGNED_KINDS = frozenset((*MOVERS, "QUANTIZE", "PAD", "PADV2", "MIRROR_PAD", "REVERSE_V2", "TILE", "BROADCAST_TO"))
"""Operators that mean the same on UINT8 as on int8."""
_TYPE_NAMES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
ACTIVATIONS = {value: name for name, value in vars(schema.ActivationFunctionType).items() if isinstance(value, int)}

_POOL = {
    "activation": "FusedActivationFunction",
    "padding": "Padding",
    "stride_h": "StrideH",
    "stride_w": "StrideW",
    "filter_h": "FilterHeight",
    "filter_w": "FilterWidth",
}
_RESIZE = {"align_corners": "AlignCorners", "half_pixels": "HalfPixelCenters"}
_REAL = {"beta", "alpha", "cell_clip", "projection_clip"}
_TEXT = {"container", "shared_name"}
_CONTROL_FLOW = ("IF", "WHILE", "CALL", "STABLEHLO_WHILE", "STABLEHLO_CASE")
_ONE_BY_DEFAULT = ("stride", "dilation", "depth", "beta", "filter")

# What is read of each operator's options: attribute name -> name of the flatbuffer's accessor.
_OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        {
            "activation": "FusedActivationFunction",
            "weights_format": "WeightsFormat",
            "keep_dims": "KeepNumDims",
            "bias_type": "QuantizedBiasType",
        },
    ),
    "ADD": ("AddOptions", {"activation": "FusedActivationFunction", "powers_of_two": "PotScaleInt16"}),
    "SUB": ("SubOptions", {"activation": "FusedActivationFunction", "powers_of_two": "PotScaleInt16"}),
    "MUL": ("MulOptions", {"activation": "FusedActivationFunction"}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": "Axis", "activation": "FusedActivationFunction"}),
    "BATCH_MATMUL": ("BatchMatMulOptions", {"adj_x": "AdjX", "adj_y": "AdjY"}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
        },
    ),
    **{kind: ("ReducerOptions", {"keep_dims": "KeepDims"}) for kind in sorted(REDUCTIONS)},
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        {
            "activation": "FusedActivationFunction",
            "padding": "Padding",
            "stride_h": "StrideH",
            "stride_w": "StrideW",
            "dilation_h": "DilationHFactor",
            "dilation_w": "DilationWFactor",
            "depth_multiplier": "DepthMultiplier",
        },
    ),
    "CONV_2D": (
        "Conv2DOptions",
        {
            "activation": "FusedActivationFunction",
            "padding": "Padding",
            "stride_h": "StrideH",
            "stride_w": "StrideW",
            "dilation_h": "DilationHFactor",
            "dilation_w": "DilationWFactor",
            "bias_type": "QuantizedBiasType",
        },
    ),
    "TRANSPOSE_CONV": (
        "TransposeConvOptions",
        {
            "activation": "FusedActivationFunction",
            "padding": "Padding",
            "stride_h": "StrideH",
            "stride_w": "StrideW",
            "bias_type": "QuantizedBiasType",
        },
    ),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": "Alpha"}),
    "ARG_MAX": ("ArgMaxOptions", {}),
    "PACK": ("PackOptions", {"axis": "Axis"}),
    "UNPACK": ("UnpackOptions", {"axis": "Axis"}),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", {"block_size": "BlockSize"}),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", {"block_size": "BlockSize"}),
    "MIRROR_PAD": ("MirrorPadOptions", {"mode": "Mode"}),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _RESIZE),
    "L2_NORMALIZATION": ("L2NormOptions", {"activation": "FusedActivationFunction"}),
    "GELU": ("GeluOptions", {"approximate": "Approximate"}),
    "GATHER": ("GatherOptions", {"axis": "Axis", "batch_dims": "BatchDims"}),
    "SVDF": ("SVDFOptions", {"activation": "FusedActivationFunction", "rank": "Rank"}),
    "VAR_HANDLE": ("VarHandleOptions", {"container": "Container", "shared_name": "SharedName"}),
    "CALL_ONCE": ("CallOnceOptions", {"subgraph": "InitSubgraphIndex"}),
    WHILE: ("WhileOptions", {"condition": "CondSubgraphIndex", "body": "BodySubgraphIndex"}),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (
        "UnidirectionalSequenceLSTMOptions",
        {
            "activation": "FusedActivationFunction",
            "cell_clip": "CellClip",
            "projection_clip": "ProjClip",
            "time_major": "TimeMajor",
        },
    ),
}


def read_tflite(path: Path, states: Sequence[tuple[str, str]] = ()) -> Graph:
    """Read a TFLite file. `states` names (input tensor, output tensor) pairs that one step carries to the next.

    Inputs and outputs of the graph are those of the first subgraph without the states. A dynamic batch (-1 in the
    shape signature of an input) is read as the file's static size, and other open sizes follow from it, see
    passes/shapes.py. Raises CompileError listing every problem: a damaged file, float, hybrid or unknown element types,
    custom operators, control flow, states that do not exist.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CompileError(str(path), [f"the file cannot be read: {error.strerror}"]) from error
    if content[4:8] != b"TFL3":
        what_to_do = "make one of a float .tflite or ONNX file with `tinyloc quantise`"
        raise CompileError(str(path), [f"not a TFLite flatbuffer (no TFL3 mark); {what_to_do}"])
    try:
        model = schema.Model.GetRootAs(content, 0)
        if names := several(model):
            raise CompileError(
                str(path), [f"{len(names)} signatures ({', '.join(names)}): choose one with --signature"]
            )
        reader = _Reader(model, path)
        graph, problems = fold_shapes(reader.graph(states), reader.signatures)
        if problems:
            raise CompileError(str(path), problems)
        return split_borders(fold_dilations(scale_zeros(choose_arithmetic(detach_states(settle_shapes(graph))))))
    except CompileError:
        raise
    except (
        *(struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError),
        *(AssertionError, OverflowError, MemoryError),
    ) as error:
        what = "contradicts itself" if is_whole(content) else "is a damaged flatbuffer"
        raise CompileError(str(path), [f"the file {what} ({error}); export the model again"]) from error


def read_borders(path: Path, states: Sequence[tuple[str, str]] = ()) -> tuple[list[str], list[str]]:
    """NumPy types of a file's inputs and outputs, in the order of the graph that `read_tflite` makes of it.

    They differ from the graph's where the file has float32 or uint8 outside of a QUANTIZE: the device works on the
    integers inside. The file must be one that read_tflite takes.
    """
    subgraph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    positions = state_positions(path, states)
    carried = {before for before, _ in positions}, {after for _, after in positions}
    inputs, outputs = (
        [_BORDERS[subgraph.Tensors(int(t)).Type()] for i, t in enumerate(ends) if i not in gone]
        for ends, gone in zip((subgraph.InputsAsNumpy(), subgraph.OutputsAsNumpy()), carried, strict=True)
    )
    return inputs, outputs


def state_positions(path: Path, states: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """(position among the file's inputs, position among its outputs) of each state.

    The file must be one that read_tflite takes with these states.
    """
    inputs, outputs = end_names(schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0))
    pairs = [(_position(inputs, before), _position(outputs, after)) for before, after in states]
    return [(before, after) for before, after in pairs if before is not None and after is not None]


def end_names(subgraph: Any) -> tuple[list[str], list[str]]:
    """Names of a subgraph's inputs and outputs: their own, or input0, output1... where those are missing or alike."""

    def names(ends: Any, role: str) -> list[str]:
        found = [_tensor_name(subgraph.Tensors(int(t)), "") for t in ends]
        return [n if n and found.count(n) == 1 else f"{role}{i}" for i, n in enumerate(found)]

    return names(subgraph.InputsAsNumpy(), "input"), names(subgraph.OutputsAsNumpy(), "output")


def _position(names: Sequence[str], name: str) -> int | None:
    """Where a name stands among others, or the position that it is the number of."""
    if plain_name(name) in names:
        return names.index(plain_name(name))
    return int(name) if name.isascii() and name.isdigit() and int(name) < len(names) else None


def _tensor_name(tensor: Any, unnamed: str) -> str:
    return plain_name((tensor.Name() or b"").decode(errors="replace")) or unnamed


def plain_name(name: str) -> str:
    """A tensor's name as generated comments and messages show it: one line, no comment marks."""
    return c_comment(name)


class _Reader:
    def __init__(self, model: Any, path: Path, number: int = 0) -> None:
        self.model = model
        self.path = path
        self.subgraph = model.Subgraphs(number)
        self.problems: list[str] = []
        self.signatures: dict[int, list[int]] = {}  # of tensors with open sizes
        self.sources = [self.subgraph.Tensors(i) for i in range(self.subgraph.TensorsLength())]  # in the file

    def graph(self, states: Sequence[tuple[str, str]]) -> Graph:
        tensors, operators, inputs, outputs = self._without_loops()
        flow = sorted({op.kind for op in operators} & (set(_CONTROL_FLOW) - {WHILE}))
        if flow:
            self.problems += [unsupported(kind) for kind in flow]
        named = dict(zip((*inputs, *outputs), (n for names in end_names(self.subgraph) for n in names), strict=True))
        tensors = tuple(dataclasses.replace(t, name=named.get(i, t.name)) for i, t in enumerate(tensors))
        operators = self._without_empty(tensors, operators, [*inputs, *outputs])
        bound = bind_variables(tensors, operators, self._initial(operators))
        self.problems += bound.problems
        outputs = [bound.aliases.get(t, t) for t in outputs]
        tensors, operators = self._cut_borders(tuple(bound.tensors), tuple(bound.operators), inputs, outputs)
        self._check_elements(tensors, operators, inputs, outputs)
        pairs = []
        names = end_names(self.subgraph)
        for before, after in states:
            found = _position(names[0], before), _position(names[1], after)
            for name, position, have in zip((before, after), found, names, strict=True):
                if position is None:
                    self.problems.append(f"state tensor {name!r} does not exist; the graph has {', '.join(have)}")
            if found[0] is not None and found[1] is not None:
                pairs.append((inputs[found[0]], outputs[found[1]]))
        if self.problems:
            self._check_kinds(tensors, operators)
            raise CompileError(str(self.path), self.problems)
        carried_in = {before for before, _ in pairs}
        carried_out = {after for _, after in pairs}
        return Graph(
            name=plain_name(self.path.stem),
            tensors=tensors,
            operators=operators,
            inputs=tuple(i for i in inputs if i not in carried_in),
            outputs=tuple(i for i in outputs if i not in carried_out),
            states=(*pairs, *bound.states),
            starts=bound.starts,
        )

    def _parts(self) -> tuple[tuple[Tensor, ...], tuple[Operator, ...]]:
        subgraph = self.subgraph
        tensors = tuple(self._tensor(subgraph.Tensors(i), i) for i in range(subgraph.TensorsLength()))
        operators = (self._operator(subgraph.Operators(i), i, tensors) for i in range(subgraph.OperatorsLength()))
        return tensors, tuple(operators)

    def _without_loops(self) -> tuple[tuple[Tensor, ...], tuple[Operator, ...], list[int], list[int]]:
        """Tensors, operators, inputs and outputs, with loops of constant trips written out.

        Changes `signatures` and `sources`.
        """
        part, problems = written_out(self._part(), self._part_of)
        self.problems += [f"{problem}; {WAYS_OUT[WHILE]}" for problem in problems]
        self.sources = [kept.source for kept in part.tensors]
        self.signatures = {i: list(kept.signature) for i, kept in enumerate(part.tensors) if kept.signature}
        operators = (dataclasses.replace(s.source, inputs=s.inputs, outputs=s.outputs) for s in part.steps)
        return tuple(kept.tensor for kept in part.tensors), tuple(operators), [*part.inputs], [*part.outputs]

    def _part(self) -> Part[FileTensor]:
        tensors, operators = self._parts()
        kept = [FileTensor(t, self.sources[i], tuple(self.signatures.get(i, ()))) for i, t in enumerate(tensors)]
        ends = (tuple(int(t) for t in ends) for ends in (self.subgraph.InputsAsNumpy(), self.subgraph.OutputsAsNumpy()))
        return Part(kept, [step_of(op) for op in operators], *ends)

    def _part_of(self, number: int) -> Part[FileTensor]:
        """The subgraph of a condition or a body. Raises IndexError."""
        if not 0 < number < self.model.SubgraphsLength():
            raise IndexError(number)
        reader = _Reader(self.model, self.path, number)
        part = reader._part()
        inside = [s.kind for s in part.steps if "intermediates" in s.source.attributes]
        self.problems += reader.problems
        self.problems += [f"{kind} in a loop is not supported; {WAYS_OUT[WHILE]}" for kind in inside]
        return part

    def _initial(self, operators: Sequence[Operator]) -> dict[str, "np.ndarray[Any, Any]"]:
        """Values of variables by their names, from the subgraphs that CALL_ONCE runs."""
        values: dict[str, np.ndarray[Any, Any]] = {}
        for op in operators:
            if op.kind != CALL_ONCE:
                continue
            number = op.attributes["subgraph"]
            if not 0 < number < self.model.SubgraphsLength():
                self.problems.append(f"{op.origin[0]} runs subgraph {number} of {self.model.SubgraphsLength()}")
                continue
            part = _Reader(self.model, self.path, number)
            graph, problems = fold_shapes(Graph("initialisation", *part._parts(), (), ()), part.signatures)
            found, more = initial_values(graph)
            values.update(found)
            self.problems += [*part.problems, *problems, *more]
        return values

    def _tensor(self, source: Any, index: int) -> Tensor:
        name = _tensor_name(source, f"tensor{index}")
        shape = tuple(int(n) for n in source.ShapeAsNumpy()) if source.ShapeLength() else ()
        unsigned = source.Type() == schema.TensorType.UINT8
        element = "int8" if unsigned else _ELEMENTS.get(source.Type())
        if element is None:
            # only tensors that operators use are reported, by _check_elements
            return Tensor(name, shape, "int8", None, None)
        if shape == (0,):
            return Tensor(name, shape, element, _quantisation(source.Quantization()))  # holds a scale only, as in LSTM
        if min(shape, default=1) == 0:
            return Tensor(name, shape, element)  # a part of no elements, see _without_empty
        if any(n < 0 for n in shape):
            self.problems.append(f"tensor {name} has shape {shape}: dynamic shapes are not supported; fix the sizes")
            return Tensor(name, shape, element)
        if faults := _storage_faults(source, self.model.Buffers(source.Buffer()), prod(shape) * BYTES[element]):
            self.problems += [f"tensor {name} {fault}" for fault in faults]
            return Tensor(name, (1,) * len(shape), element, Quantisation((1.0,), (0,)))
        signature = [int(n) for n in source.ShapeSignatureAsNumpy()] if source.ShapeSignatureLength() else []
        if any(n < 0 for n in signature):
            self.signatures[index] = signature
        data = None
        buffer = self.model.Buffers(source.Buffer())
        if source.Buffer() != 0 and buffer is not None and buffer.DataLength():
            data = _values(buffer.DataAsNumpy().tobytes(), element, source.Type(), prod(shape)).reshape(shape)
            data.flags.writeable = False
        truth = source.Type() == schema.TensorType.BOOL
        quantisation = Quantisation((1.0,), (0,)) if truth else _quantisation(source.Quantization())
        if unsigned and quantisation is not None:
            zero_points = tuple(z - _SIGN for z in quantisation.zero_point)
            quantisation = dataclasses.replace(quantisation, zero_point=zero_points)
        return Tensor(name, shape, element, quantisation, data)

    def _operator(self, source: Any, index: int, tensors: Sequence[Tensor]) -> Operator:
        code = self.model.OperatorCodes(source.OpcodeIndex())
        kind = operator_name(code)
        if kind == "CUSTOM":
            kind = f"CUSTOM {plain_name((code.CustomCode() or b'').decode(errors='replace'))}"
        outputs = tuple(int(t) for t in source.OutputsAsNumpy())
        inputs = tuple(int(t) for t in source.InputsAsNumpy()) if source.InputsLength() else ()
        for tensor in (*inputs, *outputs):
            if not -1 <= tensor < len(tensors):
                raise ValueError(f"operator {index} names tensor {tensor} of {len(tensors)}")
        options = self._options(kind, source)
        if source.IntermediatesLength():
            options = {**options, "intermediates": tuple(int(t) for t in source.IntermediatesAsNumpy())}
        named = f" {tensors[outputs[0]].name}" if outputs else ""
        return Operator(kind, inputs, outputs, options, (f"{kind} #{index}{named}",))

    @staticmethod
    def _options(kind: str, source: Any) -> Mapping[str, Any]:
        if kind not in _OPTIONS:
            return {}
        class_name, fields = _OPTIONS[kind]
        table = source.BuiltinOptions()
        if table is None:
            return {name: "" if name in _TEXT else int(name.startswith(_ONE_BY_DEFAULT)) for name in fields}
        options = schema.options_table(class_name)
        options.Init(table.Bytes, table.Pos)
        return {name: _option(name, getattr(options, accessor)()) for name, accessor in fields.items()}

    def _without_empty(
        self, tensors: Sequence[Tensor], operators: tuple[Operator, ...], ends: Sequence[int]
    ) -> tuple[Operator, ...]:
        """SPLIT_V without parts of no elements that nobody reads, as some GRUs have; any other size of 0 is a problem.

        A shape of (0,) is that of a tensor which holds a scale only, as in an LSTM.
        """
        read = {t for op in operators for t in op.inputs} | set(ends)
        empty = {i for i, t in enumerate(tensors) if min(t.shape, default=1) == 0 and t.shape != (0,)}
        split = {t for op in operators if op.kind == "SPLIT_V" for t in op.outputs}
        self.problems += [
            f"tensor {tensors[t].name} has shape {tensors[t].shape}: dynamic shapes are not supported; fix the sizes"
            for t in sorted(empty)
            if t in read or t not in split
        ]
        return tuple(
            dataclasses.replace(op, outputs=tuple(t for t in op.outputs if t not in empty or t in read))
            if op.kind == "SPLIT_V"
            else op
            for op in operators
        )

    def _cut_borders(
        self, tensors: tuple[Tensor, ...], operators: tuple[Operator, ...], inputs: list[int], outputs: list[int]
    ) -> tuple[tuple[Tensor, ...], tuple[Operator, ...]]:
        """An input that only one QUANTIZE reads, and an output that one QUANTIZE or DEQUANTIZE makes, become integers.

        That is so for float32, and for uint8 of the same scale. The device works in integers; its caller quantises with
        the scale in model.h, or takes 128 off. Changes `inputs` and `outputs`.
        """
        sources = self.sources
        names: dict[int, str] = {}
        kept = []
        for op in operators:
            if op.kind in ("QUANTIZE", "DEQUANTIZE") and len(op.inputs) == 1 and len(op.outputs) == 1:
                (x,), (y,) = op.inputs, op.outputs
                readers = {t: sum(t in other.inputs for other in operators) for t in (x, y)}
                real = sources[x].Type() == schema.TensorType.FLOAT32
                if op.kind == "QUANTIZE" and (real or _offset_by_128(sources[x], sources[y])):
                    if inputs.count(x) == 1 and readers[x] == 1 and x not in outputs:
                        inputs[inputs.index(x)] = y
                        names[y] = tensors[x].name
                        continue
                elif (
                    (op.kind == "DEQUANTIZE" or _offset_by_128(sources[y], sources[x]))
                    and outputs.count(y) == 1
                    and readers[y] == 0
                ):
                    outputs[outputs.index(y)] = x
                    names.setdefault(x, tensors[y].name)
                    continue
            kept.append(op)
        renamed = tuple(dataclasses.replace(t, name=names.get(i, t.name)) for i, t in enumerate(tensors))
        return renamed, tuple(kept)

    def _check_elements(
        self,
        tensors: Sequence[Tensor],
        operators: Sequence[Operator],
        subgraph_inputs: Sequence[int],
        subgraph_outputs: Sequence[int],
    ) -> None:
        sources = self.sources
        kinds: dict[int, str] = {}
        for op in operators:
            for tensor in (*op.inputs, *op.outputs):
                if tensor != -1:
                    kinds.setdefault(tensor, op.origin[0])
        for role, ends in (("input", subgraph_inputs), ("output", subgraph_outputs)):
            for tensor in ends:
                kinds.setdefault(tensor, f"{role} of the model")
        by_type: dict[str, list[str]] = {}
        for tensor, user in sorted(kinds.items()):
            number = sources[tensor].Type()
            if number not in _ELEMENTS and number != schema.TensorType.UINT8:
                name = _TYPE_NAMES.get(number, str(number))
                by_type.setdefault(name, []).append(f"{tensors[tensor].name} ({user})")
        hybrid = _hybrid(sources, operators)
        if hybrid:
            by_type.pop("FLOAT32", None)
            self.problems.append(
                f"{counted(len(hybrid), 'operator')} of dynamic range, with int8 weights and float32 activations "
                f"({some(hybrid)}): give the converter a representative_dataset, so that it quantises activations too"
            )
        for name, where in by_type.items():
            self.problems.append(
                f"{name} where integers are needed: {some(where)}; only fully quantised models run in integers: export "
                "with int8 or int16x8 operators, for which the converter needs a representative_dataset"
            )
        unsigned = [
            op.origin[0]
            for op in operators
            if op.kind not in _UNSIGNED_KINDS
            and any(t != -1 and sources[t].Type() == schema.TensorType.UINT8 for t in (*op.inputs, *op.outputs))
        ]
        if unsigned:
            self.problems.append(
                f"{counted(len(unsigned), 'operator')} on uint8 ({some(unsigned)}): the quantisation of before 2020, "
                "with zero points in weights and kernels of its own; quantise the float model again with int8 "
                "operators (representative_dataset; inputs and outputs may stay uint8)"
            )

    def _check_kinds(self, tensors: Sequence[Tensor], operators: Sequence[Operator]) -> None:
        """Operators that are compilable in no element type; told here when the file is refused before check_graph."""
        known = {*supported(), *FOLDED_AT_READING, *_CONTROL_FLOW}
        found = [(op, unsupported(op.kind)) for op in operators if op.kind not in known]
        self.problems += grouped(tensors, found)


def _hybrid(sources: Sequence[Any], operators: Sequence[Operator]) -> list[str]:
    """Names of operators with weights of int8 and activations of float32."""

    def types(ends: Sequence[int]) -> list[int]:
        return [sources[t].Type() for t in ends if t != -1]

    return [
        op.origin[0]
        for op in operators
        if op.kind not in ("QUANTIZE", "DEQUANTIZE")
        and schema.TensorType.FLOAT32 in types(op.outputs)
        and {schema.TensorType.FLOAT32, schema.TensorType.INT8} <= set(types(op.inputs))
    ]


def _option(name: str, value: Any) -> int | float | str:
    """An option as a number, or as text that may stand in a comment."""
    if name in _TEXT:
        return plain_name((value or b"").decode(errors="replace"))
    return float(value) if name in _REAL else int(value)


def _offset_by_128(unsigned: Any, signed: Any) -> bool:
    """Whether a uint8 tensor stands for the same values as an int8 tensor: one scale, zero points 128 apart."""
    if (unsigned.Type(), signed.Type()) != (schema.TensorType.UINT8, schema.TensorType.INT8):
        return False
    outside, inside = _quantisation(unsigned.Quantization()), _quantisation(signed.Quantization())
    if outside is None or inside is None:
        return False
    return outside.scale == inside.scale and outside.zero_point == tuple(z + 128 for z in inside.zero_point)


def _values(content: bytes, element: str, number: int, size: int) -> "np.ndarray[Any, Any]":
    """A constant's elements, flat. INT4: the first of two in the lower half of a byte."""
    if number == schema.TensorType.INT4:
        pairs = np.frombuffer(content, np.int8)
        return np.stack([np.left_shift(pairs, 4) >> 4, pairs >> 4], axis=1).ravel()[:size]
    if number == schema.TensorType.UINT8:
        return (np.frombuffer(content, np.uint8) ^ np.uint8(_SIGN)).view(np.int8)
    return np.frombuffer(content, dtype=np.dtype(element).newbyteorder("<")).astype(element)


def _storage_faults(source: Any, buffer: Any, size: int) -> list[str]:
    """What of a tensor's form cannot be: its size in bytes, how its constant is kept, scales without zero points."""
    faults = []
    if size > LARGEST_TENSOR:
        faults.append(f"takes {size:,} bytes, more than any board has; the most is {LARGEST_TENSOR:,}")
    if source.Sparsity() is not None:
        faults.append("is stored sparse; convert the model without sparsity, or densify it")
    if buffer is not None and buffer.Offset() > 1 and not buffer.DataLength():
        faults.append("is stored outside the flatbuffer; write the model as one file below 2 GB")
    quantisation = source.Quantization()
    if quantisation is not None and quantisation.ScaleLength():
        scales, zeros = quantisation.ScaleLength(), quantisation.ZeroPointLength()
        if scales != zeros:
            had = f"{zeros} zero points" if zeros else "no zero point"
            faults.append(f"has {counted(scales, 'scale')} and {had}; quantise the model again")
    return faults


def _quantisation(source: Any) -> Quantisation | None:
    if source is None or source.ScaleLength() == 0:
        return None
    scale = tuple(float(s) for s in source.ScaleAsNumpy())
    zero = tuple(int(z) for z in source.ZeroPointAsNumpy()) if source.ZeroPointLength() else ()
    return Quantisation(scale, zero, int(source.QuantizedDimension()))
