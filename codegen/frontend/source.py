"""A bundle's model as a checked graph: what the compiler and the host's reference both start from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np

from tinyloc.bundle.schema import Arithmetic, Bundle, ModelFile, load_bundle
from tinyloc.codegen.arithmetic.position import IntegerPositions, integer_positions
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.refusals import grouped, unsupported
from tinyloc.codegen.graph import RANGE, Graph, Operator, broadcast_shape, illegalities
from tinyloc.codegen.manifest import Reference
from tinyloc.codegen.operators.base import ElementWise, Rule, shape_problems
from tinyloc.codegen.operators.compare import COMPARISONS, LOGIC
from tinyloc.codegen.passes.selective_scan import fuse_selective_scan
from tinyloc.codegen.semantics.operator_table import rule_of
from tinyloc.errors import UserError

MIXES = frozenset(
    (
        *(*COMPARISONS, *LOGIC, "CAST", "PRELU", "QUANTIZE", "SELECT", "SELECT_V2", "SVDF", "TABLE"),
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    )
)
"""Operators between element types: a truth value is an int8."""


class ReferenceNameError(UserError):
    """A reference that there is not."""


@dataclass(frozen=True)
class Source:
    """`reference` says whose arithmetic the graph is, `decisions` what was made other than in the file."""

    bundle: Bundle
    model: ModelFile
    graph: Graph
    reference: Reference = "litert"
    decisions: tuple[str, ...] = ()


def operator_problems(graph: Graph) -> list[str]:
    """What cannot be compiled: names of operators in the model, why, and what to do."""
    found: list[tuple[Operator, str]] = []
    for op in graph.operators:
        rule = rule_of(graph, op)
        if rule is None:
            element = graph.tensors[op.inputs[0]].element if op.inputs else ""
            found.append((op, unsupported(op.kind, element)))
        else:
            found += [(op, problem) for problem in _problems_of(graph, op, rule)]
    return grouped(graph.tensors, found)


def _problems_of(graph: Graph, op: Operator, rule: Rule) -> list[str]:
    try:
        problems = rule.problems(graph, op) or _mixed_types(graph, op, rule)
        if not problems and isinstance(rule, ElementWise):
            shape = broadcast_shape(graph.tensors[t].shape for t in op.inputs)
            problems = shape_problems(graph, op.outputs[0], shape)
        return problems
    # a rule may take for granted that TFLite wrote the file: number of operands, rank, sizes that fit
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, AssertionError, ArithmeticError) as error:
        return [f"{op.kind} does not take these operands ({error}); the file is damaged"]


def _mixed_types(graph: Graph, op: Operator, rule: Rule) -> list[str]:
    """Activations of int8 beside such of int16, which LiteRT takes in the operators of MIXES only."""
    if op.kind in MIXES:
        return []
    constants_too = isinstance(rule, ElementWise)
    found = {
        t.element: t.name
        for t in (graph.tensors[i] for i in (*op.inputs, *op.outputs) if i != -1)
        if t.element in ("int8", "int16") and (t.data is None or constants_too)
    }
    if len(found) < 2:
        return []
    return [
        f"{' and '.join(f'{name} is {element}' for element, name in found.items())}: only equal types are supported"
    ]


def check_graph(graph: Graph, where: str, known: Sequence[str] = ()) -> None:
    """Raises CompileError with every problem of the graph, and those that are known already."""
    problems = [*known, *illegalities(graph), *operator_problems(graph)]
    if problems:
        raise CompileError(where, problems)


def read_source(
    bundle_directory: Path, arithmetic: Arithmetic | None = None, reference: Reference | None = None
) -> Source:
    """Read and check the model of a bundle. Raises BundleError or CompileError.

    With the reference "tinyloc" a selective scan is one operator with tinyloc's own arithmetic; without `reference`
    the recipe's [build] decides.
    """
    bundle = load_bundle(bundle_directory)
    model = bundle.model(arithmetic)
    path = bundle_directory / model.path
    graph = read_tflite(path, [(state.input, state.output) for state in model.states])
    problems = []
    for role, tensors, name, size in (
        ("reading", graph.inputs, model.input, len(bundle.preprocessing.access_points)),
        ("score", graph.outputs, model.output, len(bundle.outputs.classes)),
    ):
        names = [graph.tensors[t].name for t in tensors]
        if names != [name]:
            problems.append(f"the bundle's {role} tensor is {name!r}, the graph has {', '.join(names) or 'none'}")
        elif graph.tensors[tensors[0]].size != size:
            problems.append(
                f"{role} tensor {name!r} has {graph.tensors[tensors[0]].size} elements, the bundle names {size}"
            )
    if not problems:
        problems = [*_state_problems(model, graph), *_crf_problems(bundle, graph)]
    check_graph(graph, str(path), problems)
    if (reference or bundle.build.reference) == "litert":
        return Source(bundle, model, graph)
    fused, decisions = fuse_selective_scan(graph)
    return Source(bundle, model, fused, "litert" if fused is graph else "tinyloc", tuple(decisions))


def _state_problems(model: ModelFile, graph: Graph) -> list[str]:
    """States whose shape in the bundle is not that of the tensor."""
    inputs = [list(graph.tensors[before].shape) for before, _ in graph.states]
    return [
        f"state {state.name!r} has shape {state.shape} in the bundle, its tensor {shape}"
        for state, shape in zip(model.states, inputs, strict=True)
        if state.shape != shape
    ]


def _crf_problems(bundle: Bundle, graph: Graph) -> list[str]:
    """A CRF whose paths leave the 32 bits that the device adds them in, at any scores."""
    scores = graph.tensors[graph.outputs[0]]
    if bundle.crf is None or bundle.window.steps == 1 or scores.quantisation is None or scores.quantisation.per_channel:
        return []
    scale = float(np.float32(scores.scale))
    if not scale > 0:
        return []  # check_graph says so
    largest = max(abs(value) for row in bundle.crf.transitions for value in row) / scale
    ends = max(map(abs, (*bundle.crf.start, *bundle.crf.end))) / scale
    one = largest + 1 + max(map(abs, RANGE[scores.element]))
    steps = 4 if bundle.window.online else bundle.window.steps  # online, the best path is taken off at every sample
    if 2 * (steps * one + 2 * ends) < 2**31:
        return []
    return [
        f"the CRF reaches {largest * scale:g} at a transition and {ends * scale:g} at an end: in units of the scores "
        f"({scale:g}) a path of {bundle.window.steps} samples leaves 32 bits; bound the CRF (-1e4 forbids "
        "a transition) or shorten the window"
    ]


def reference_named(given: str | None) -> Reference | None:
    """A user's --reference, None where nothing is given. Raises ReferenceNameError."""
    if given is None:
        return None
    for known in get_args(Reference):
        if given == known:
            return cast(Reference, known)
    raise ReferenceNameError(
        f"--reference {given}: unknown; choose tinyloc or litert (docs/concepts/exactness.md explains both)"
    )


def position_rule(bundle_directory: Path, arithmetic: Arithmetic | None = None) -> IntegerPositions | None:
    """Of a bundle's model. Raises BundleError or CompileError."""
    source = read_source(bundle_directory, arithmetic)
    return integer_positions(source.bundle.outputs, source.graph.tensors[source.graph.outputs[0]])


def score_scale(bundle_directory: Path, arithmetic: Arithmetic | None = None) -> float:
    """Float score that one unit of the quantised scores stands for. Raises BundleError or CompileError."""
    model = load_bundle(bundle_directory).model(arithmetic)
    graph = read_tflite(bundle_directory / model.path, [(state.input, state.output) for state in model.states])
    return float(graph.tensors[graph.outputs[0]].scale)


def margin_units(bundle: Bundle, scale: float) -> int:
    """The least margin of a decision that is no "unknown", in units of the quantised scores, rounded up."""
    if bundle.outputs.unknown is None or (bundle.window.steps > 1 and bundle.crf is None):
        return 0  # there the margin is of votes
    return math.ceil(bundle.outputs.unknown.margin / scale)


def least_margin(bundle: Bundle, bundle_dir: Path, arithmetic: Arithmetic) -> int:
    """`margin_units` of a bundle's model."""
    graph = read_tflite(bundle_dir / bundle.model(arithmetic).path)
    return margin_units(bundle, float(np.float32(graph.tensors[graph.outputs[0]].scale)))
