"""A float graph becomes an integer graph: a pure function of graph, ranges and widths.

Scale and zero point as in TFLite's quantisation specification: int8 is asymmetric with 0 represented exactly, int16 is
symmetric with zero point 0. Biases have input scale times weight scale. A state's two ends share one scale, so that a
step runs on its own output.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import Array, compact, constant, graph, operator_name, own_constant, tensor_name
from tinyloc.export.quantise import check, constants, lstm
from tinyloc.export.quantise.edges import Edges
from tinyloc.export.quantise.groups import Groups
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.rules import FIXED, INDEX, MEASURED, RULES, SAME, Rule
from tinyloc.export.quantise.versions import set_versions
from tinyloc.export.quantise.widths import INT8, Width, Widths, layer_name
from tinyloc.training.compress.scales import HEADROOM, affine

Pairs = Sequence[tuple[str, str]]
"""Names of a state's input and output."""

ALWAYS_ZERO: Range = (-1.0, 1.0)
"""Range of a value that never was other than 0, such as what a state brings that starts anew at every sample: any scale
holds 0, and one like its neighbours' keeps the factors between them within bounds."""
LOWEST_EXPONENT = -8.0
"""Input of EXP saturates below this: a decay of exp(-8) forgets within one sample as one of exp(-20) does, and EXP's
table of 513 points spans the range of its input."""
SMALLEST = 1e-6
"""Of a range."""
BITS = {element: bits for bits, element in constants.ELEMENTS.items()}
INSERTED = {"QUANTIZE": Rule(MEASURED), "CAST": Rule(MEASURED)}


def quantise(
    float_model: Any, ranges: Mapping[str, Range], widths: Widths, states: Pairs = (), known: Mapping[str, Range] = {}
) -> Any:
    """The integer graph of a float graph; neither argument is changed.

    ranges: (least, greatest) real value by tensor name, for every value that the float graph computes. known: values
    whose range is certain, such as readings that preprocessing clips; they get no headroom. Raises ExportError that
    lists everything that cannot be quantised.
    """
    problems = check.structure(float_model, widths)
    if not problems:
        problems = check.ranges(float_model, ranges, list(known))
    if problems:
        raise ExportError(f"{counted(len(problems), 'problem')} in the float graph:\n  " + "\n  ".join(problems))
    return _Quantiser(copy.deepcopy(float_model), ranges, widths, states, known).run()


class _Quantiser:
    """The passes over one graph, in order; tensors are meant by index."""

    def __init__(
        self, model: Any, ranges: Mapping[str, Range], widths: Widths, states: Pairs, known: Mapping[str, Range]
    ) -> None:
        self.model, self.part = model, graph(model)
        self.ranges, self.known = ranges, known
        self.groups, self.edges = Groups(), Edges(model)
        self.bits: dict[int, int] = {}  # of every computed float tensor
        self.widened: dict[int, int] = {}  # what CAST makes -> the int8 value that it reads
        self.widths = {id(operator): widths.of(layer_name(model, operator)) for operator in self.part.operators}
        index_of = {tensor_name(tensor): index for index, tensor in enumerate(self.part.tensors)}
        self.states = [(index_of[source], index_of[target]) for source, target in states]

    def run(self) -> Any:
        self._own_constants()
        self._choose_bits()
        self._join_widths()
        self._share_scales()
        self._set_scales()
        self._set_constants()
        set_versions(self.model)
        compact(self.model)
        return self.model

    def _name(self, index: int) -> str:
        return tensor_name(self.part.tensors[int(index)])

    def _rule(self, operator: Any) -> Rule:
        kind = operator_name(self.model, operator)
        return INSERTED.get(kind) or RULES[kind]

    def _is_real(self, index: int) -> bool:
        return index >= 0 and self.part.tensors[index].type == schema.TensorType.FLOAT32

    def _real(self, tensor: Any) -> Array:
        values = constant(self.model, tensor)
        assert values is not None
        return values

    def _is_constant(self, index: int) -> bool:
        return constant(self.model, self.part.tensors[index]) is not None

    def _operands(self, operator: Any) -> list[tuple[int, int]]:
        """(position, tensor) of the real values beside weights and bias, constants among them."""
        rule = self._rule(operator)
        return [
            (position, int(index))
            for position, index in enumerate(operator.inputs)
            if position not in (rule.weight, rule.bias)
            and self._is_real(int(index))
            and not (rule.recurrent and position > 0)
        ]

    def _computed(self, operator: Any) -> list[tuple[int, int]]:
        return [(position, index) for position, index in self._operands(operator) if index in self.bits]

    def _outputs(self, operator: Any) -> list[int]:
        return [int(index) for index in operator.outputs if self._is_real(int(index))]

    def _own_constants(self) -> None:
        """Each operator gets its own copy of a real constant: it may have another scale elsewhere."""
        for operator in self.part.operators:
            for position, index in enumerate(operator.inputs):
                if self._is_real(int(index)) and self._is_constant(int(index)):
                    own_constant(self.model, operator, position)

    def _choose_bits(self) -> None:
        """What moves a value keeps its width, and a state has the width of what writes it."""
        makers = {output: operator for operator in self.part.operators for output in self._outputs(operator)}
        written = dict(self.states)

        def bits(index: int, seen: frozenset[int]) -> int:
            operator = makers.get(written.get(index, index))
            if operator is None:
                return 0
            operands = self._operands(operator)
            moves = self._rule(operator).scale == SAME and len(operands) == 1
            if moves and operands[0][1] not in seen:
                return bits(operands[0][1], seen | {index}) or self.widths[id(operator)].activations
            return self.widths[id(operator)].activations

        for operator in self.part.operators:
            for index in self._outputs(operator):
                self.bits[index] = bits(index, frozenset())
                self.widths[id(operator)] = Width(self.widths[id(operator)].weights, self.bits[index])
        for source, target in self.states:
            if target in self.bits:
                self.bits[source] = self.bits[target]
        for index in map(int, self.part.inputs):
            if self._is_real(index) and index not in self.bits:
                readers = [op for op in self.part.operators if index in [int(i) for i in op.inputs]]
                self.bits[index] = max((self.widths[id(op)].activations for op in readers), default=8)

    def _join_widths(self) -> None:
        for operator in list(self.part.operators):
            wanted = self.widths[id(operator)].activations
            for position, index in self._computed(operator):
                if self._rule(operator).scale == INDEX or self.bits[index] == wanted:
                    continue
                if wanted == 8:
                    self._requantise(operator, position, wanted)
                else:
                    self._widen(operator, position, index)
        self.edges.apply()

    def _widen(self, operator: Any, position: int, index: int) -> None:
        prescribed = self._prescribed_8(index)
        if prescribed is not None and prescribed[1] != 0:
            index = self._requantise(operator, position, 8)
        cast, made = self.edges.widen(operator, position)
        self.bits[cast] = self.bits[made] = 16
        self.widened[cast] = index

    def _prescribed_8(self, index: int) -> tuple[float, int] | None:
        """What the kernel prescribes that makes an int8 value, seen through operators that move it."""
        makers = {int(output): operator for operator in self.part.operators for output in operator.outputs}
        while index in makers and self._rule(makers[index]).scale == SAME and len(self._operands(makers[index])) == 1:
            index = self._operands(makers[index])[0][1]
        return dict(self._rule(makers[index]).fixed).get(8) if index in makers else None

    def _requantise(self, operator: Any, position: int, bits: int, group: int = -1) -> int:
        made = self.edges.requantise(operator, position, group)
        self.bits[made] = bits
        return made

    def _share_scales(self) -> None:
        """Join what must share a scale; a QUANTIZE where a prescribed one would meet others."""
        later = []
        for made, source in self.widened.items():
            self.groups.fix(made, source)
        for operator in self.part.operators:
            rule = self._rule(operator)
            if rule.scale == FIXED:
                (output,) = self._outputs(operator)
                self.groups.fix(output, dict(rule.fixed)[self.bits[output]])
        for operator in self.part.operators:
            operands = self._operands(operator)
            if self._rule(operator).scale == SAME:
                if len(operands) == 1:
                    for output in self._outputs(operator):
                        self.groups.join(operands[0][1], output)
                else:
                    later.append(operator)
        for source, target in self.states:
            self.groups.join(source, target)
        for operator in later:
            self._share_among(operator)
        self.edges.apply()

    def _share_among(self, operator: Any) -> None:
        operands, outputs = self._operands(operator), self._outputs(operator)
        members = [*(index for _, index in operands), *outputs]
        prescribed = {self.groups.fixed(index) for index in members}
        alike = len(prescribed) == 1
        for position, index in operands:
            if not alike and self.groups.fixed(index) is not None:
                index = self._requantise(operator, position, self.bits[index], outputs[0])
            self.groups.join(index, outputs[0])

    def _range(self, index: int) -> Range:
        values = constant(self.model, self.part.tensors[index])
        if values is not None:
            return float(values.min()), float(values.max())
        headroom = HEADROOM[constants.ARITHMETIC[self.bits[index]]]
        source = index
        while source in self.edges.source:
            source = self.edges.source[source]
        if self._name(source) in self.known:
            return self.known[self._name(source)]
        low, high = self.ranges[self._name(source)]
        return low * headroom, high * headroom

    def _set_scales(self) -> None:
        union = self._unions()
        symmetric = {self.groups.find(source) for source in self.widened.values()}
        found: dict[int, tuple[float, int]] = {}
        for index, bits in self.bits.items():
            prescribed = self.groups.fixed(index)
            if prescribed is None:
                group = self.groups.find(index)
                low, high = union[group] if any(union[group]) else ALWAYS_ZERO
                if bits == 8 and group in symmetric:
                    found[index] = (max(-low, high, SMALLEST) / 127, 0)
                else:
                    found[index] = affine(low, high, constants.ARITHMETIC[bits])
            elif not isinstance(prescribed, int):
                found[index] = prescribed
        for index in self.bits.keys() - found.keys():
            source = self.groups.fixed(index)
            assert isinstance(source, int)
            found[index] = found[source]
        for index, (scale, zero_point) in found.items():
            self.part.tensors[index].type = constants.ELEMENTS[self.bits[index]]
            constants.describe(self.part.tensors[index], np.array([scale]), np.array([zero_point]))

    def _unions(self) -> dict[int, Range]:
        """The range that each set of tensors of one scale holds, zero included."""
        union: dict[int, Range] = {}
        movers = [operator for operator in self.part.operators if self._rule(operator).scale == SAME]
        shared = [index for operator in movers for _, index in self._operands(operator)]
        for index in {*self.bits, *shared}:
            group = self.groups.find(index)
            low, high = union.get(group, (0.0, 0.0))
            lower, higher = self._range(index)
            union[group] = (min(low, lower), max(high, higher))
        for operator in self.part.operators:
            if operator_name(self.model, operator) == "EXP":
                source, target = (self.groups.find(int(i)) for i in (operator.inputs[0], operator.outputs[0]))
                union[source] = (max(union[source][0], LOWEST_EXPONENT), union[source][1])
                if union[source][1] <= 0:
                    union[target] = (0.0, min(union[target][1], 1.0))
        return union

    def _set_constants(self) -> None:
        for operator in self.part.operators:
            rule = self._rule(operator)
            if rule.recurrent:
                lstm.store(self.model, operator, self.ranges[lstm.cell_name(self.model, operator)])
                continue
            inputs = [int(i) for i in operator.inputs if self._is_real(int(i))]  # computed ones are no longer real
            real = {index: self._real(self.part.tensors[index]) for index in inputs}
            bits = self.bits.get(int(operator.outputs[0]), 8)
            width = self.widths.get(id(operator), INT8)  # an inserted one has no constants
            for index, one in constants.of_operator(self.model, operator, rule, width, bits, real).items():
                constants.store(self.model, self.part.tensors[index], one)


def renewed(integer_model: Any, real: Mapping[str, Array]) -> dict[str, constants.Stored]:
    """Integers of the constants that `real` names for an integer graph that exists; its other scales stay.

    What `quantise` would store for a float graph with these constants and the same ranges.
    """
    part = graph(integer_model)
    found = {}
    for operator in part.operators:
        named = {int(i): tensor_name(part.tensors[i]) for i in operator.inputs if i >= 0}
        values = {index: real[name] for index, name in named.items() if name in real}
        rule = RULES.get(operator_name(integer_model, operator))
        if not values or rule is None:
            continue
        bits = BITS[part.tensors[operator.outputs[0]].type]
        weight_bits = 8 if rule.weight is None else BITS[part.tensors[operator.inputs[rule.weight]].type]
        stored = constants.of_operator(integer_model, operator, rule, Width(weight_bits, bits), bits, values)
        found.update({tensor_name(part.tensors[index]): one for index, one in stored.items()})
    return found
