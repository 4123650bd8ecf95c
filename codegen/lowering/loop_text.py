"""A LOOP as C: nested for loops around scalar expressions, each as far out as its operands allow."""

import re
from collections.abc import Mapping, Sequence
from math import prod

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.data_mode import in_data_mode
from tinyloc.codegen.arithmetic.data_mode import number as data_number
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Constant, Lowered
from tinyloc.codegen.operators.base import ElementWise, Parts
from tinyloc.codegen.operators.batch_matmul import requantisation
from tinyloc.codegen.operators.loop import Loop
from tinyloc.codegen.passes.loops import VIEWS, extent, is_reduction

AXES = "ijkl"
DATA_LANES = 4
"""Elements in one round of an inner loop whose constants are data: each is fetched a quarter as often."""


class _LoopText:
    def __init__(self, graph: Graph, op: Operator, rule: Loop, prefix: str, names: Mapping[int, str]) -> None:
        self.graph, self.rule, self.prefix = graph, rule, prefix
        self.body: tuple[Operator, ...] = op.attributes["body"]
        self.axes: tuple[int, ...] = op.attributes["axes"]
        self.mapping: dict[int, tuple[int, ...]] = op.attributes["mapping"]
        self.outputs = op.outputs
        self.names = names  # of pointers: external inputs, outputs
        self.scalar: dict[int, str] = {}  # tensor -> C variable
        self.constants: dict[str, Constant] = {}
        self.lines: list[str] = []
        self.done: set[int] = set()
        self.parts: dict[int, Parts | None] = {}  # by number in the body
        self.prepared: dict[int, dict[int, str]] = {}  # the same -> operand -> C variable
        self.written = {t for inner in self.body for t in inner.outputs}

    def level(self, tensor: int) -> int:
        """Number of loops that must be open to have this value."""
        return max(self.mapping[tensor], default=-1) + 1

    def operator_level(self, inner: Operator) -> int:
        return len(self.axes) if is_reduction(self.graph, inner) else self.level(inner.outputs[0])

    def index(self, tensor: int) -> str:
        sizes = extent(self.graph.tensors[tensor].shape)
        terms = []
        for position, axis in enumerate(self.mapping[tensor]):
            stride = prod(sizes[position + 1 :])
            terms.append(AXES[axis] if stride == 1 else f"{AXES[axis]} * {stride}")
        return " + ".join(terms) or "0"

    def put(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def operand(self, tensor: int) -> str:
        if tensor not in self.scalar:
            data = self.graph.tensors[tensor].data
            if data is not None and data.size == 1:
                if in_data_mode():
                    return data_number(int(data.ravel()[0]))
                return f"({int(data.ravel()[0])})" if data.ravel()[0] < 0 else str(int(data.ravel()[0]))
        return self.scalar[tensor]

    def load(self, depth: int) -> None:
        """Values from memory that are needed and can be read at this depth."""
        for inner in self.body:
            for tensor in inner.inputs[:1] if inner.kind in VIEWS else inner.inputs:
                data = self.graph.tensors[tensor].data
                if (
                    tensor in self.written
                    or tensor in self.scalar
                    or self.level(tensor) != depth
                    or (data is not None and data.size == 1)
                ):
                    continue
                if data is not None:
                    name = f"{self.prefix}_constant{len([c for c in self.constants if '_constant' in c])}"
                    ctype = f"{self.graph.tensors[tensor].element}_t"
                    self.constants[name] = Constant(
                        name, ctype, data.ravel(), f"{list(data.shape)} {self.graph.tensors[tensor].name}"
                    )
                else:
                    name = self.names[tensor]
                self.scalar[tensor] = f"v{tensor}"
                self.put(depth, f"const int32_t v{tensor} = {name}[{self.index(tensor)}];")

    def lanes(self, depth: int) -> int:
        """Elements that the loop at this depth treats in one round: two in the inner loop of a nest, so that each
        constant that finds no register is fetched half as often."""
        inner = 0 < depth == len(self.axes) - 1
        if in_data_mode():  # no constant is part of an instruction there
            return next(
                n for n in (DATA_LANES, 2, 1) if (self.axes[depth] % n == 0 and depth == len(self.axes) - 1) or n == 1
            )
        return 2 if inner and self.axes[depth] % 2 == 0 else 1

    def ready(self, inner: Operator) -> bool:
        return all(t not in self.written or t in self.scalar for t in inner.inputs)

    def compute(self, depth: int) -> None:
        """Operators whose operands are known and whose output belongs to this depth."""
        progress = True
        while progress:
            progress = False
            for number, inner in enumerate(self.body):
                if number in self.done or is_reduction(self.graph, inner):
                    continue
                if self.operator_level(inner) != depth or not self.ready(inner):
                    continue
                self.emit(depth, number, inner)
                progress = True

    def prepare(self, depth: int, number: int, inner: Operator, wanted: Sequence[int]) -> None:
        """Statements that prepare operands as the rule's `parts` say."""
        parts, names = self.parts[number], self.prepared.setdefault(number, {})
        wanted = [i for i in wanted if i not in names]
        if parts is None or not wanted:
            return
        for i in wanted:
            names[i] = f"v{inner.outputs[0]}{'pq'[i]}"
            self.put(depth, f"int32_t {names[i]};")
        operands = {i: self.operand(inner.inputs[i]) for i in wanted}
        for opening, texts in ((f"if ({parts.condition}) {{", parts.chosen), ("} else {", parts.otherwise)):
            self.put(depth, opening)
            for i in wanted:
                self.put(depth + 1, f"{names[i]} = {texts[i].format(operands[i])};")
        self.put(depth, "}")

    def prepare_ahead(self, depth: int) -> None:
        """Prepare operands that are known here, outside of the loops of their operators."""
        for number, inner in enumerate(self.body):
            if number in self.done or inner.kind in VIEWS or is_reduction(self.graph, inner):
                continue
            if self.parts_of(number, inner) is not None and self.operator_level(inner) > depth:
                self.prepare(depth, number, inner, [i for i, t in enumerate(inner.inputs) if self.known(t)])

    def known(self, tensor: int) -> bool:
        data = self.graph.tensors[tensor].data
        return tensor in self.scalar or (data is not None and data.size == 1)

    def parts_of(self, number: int, inner: Operator) -> Parts | None:
        if number not in self.parts:
            rule = self.rule.rule(self.graph, inner)
            assert isinstance(rule, ElementWise)
            self.parts[number] = rule.parts(self.graph, inner)
        return self.parts[number]

    def emit(self, depth: int, number: int, inner: Operator) -> None:
        y = inner.outputs[0]
        self.done.add(number)
        if inner.kind in VIEWS:
            self.scalar[y] = self.operand(inner.inputs[0])
        else:
            rule = self.rule.rule(self.graph, inner)
            assert isinstance(rule, ElementWise)
            if self.parts_of(number, inner) is None:
                operands = [self.operand(t) for t in inner.inputs]
            else:
                self.prepare(depth, number, inner, range(len(inner.inputs)))
                operands = [self.prepared[number][i] for i in range(len(inner.inputs))]
            expression = rule.expression(self.graph, inner, operands, f"{self.prefix}_{number}")
            self.constants.update({c.name: c for c in expression.constants})
            self.scalar[y] = f"v{y}"
            self.put(depth, f"const int32_t v{y} = {expression.text}; /* {inner.origin[0]} */")
        self.store(depth, y)

    def store(self, depth: int, tensor: int) -> None:
        if tensor in self.outputs:
            element = self.graph.tensors[tensor].element
            self.put(depth, f"{self.names[tensor]}[{self.index(tensor)}] = ({element}_t){self.scalar[tensor]};")

    def nest(self, depth: int) -> None:
        self.load(depth)
        self.compute(depth)
        if depth == len(self.axes):
            return
        self.prepare_ahead(depth)
        innermost = depth == len(self.axes) - 1
        sums = [n for n, inner in enumerate(self.body) if is_reduction(self.graph, inner)] if innermost else []
        for n in sums:
            element = self.graph.tensors[self.body[n].outputs[0]].element
            self.put(depth, f"int{'64' if element == 'int16' else '32'}_t sum{n} = 0;")
        axis, lanes = AXES[depth], self.lanes(depth)
        step = f"{axis}++" if lanes == 1 else f"{axis} += {lanes}"
        self.put(depth, f"for (int32_t {axis} = 0; {axis} < {self.axes[depth]}; {step}) {{")
        first_line = len(self.lines)
        self.nest(depth + 1)
        for n in sums:
            a, b = self.body[n].inputs
            za, zb = (self.graph.tensors[t].zero_point for t in (a, b))
            first, second = (offset(self.operand(t), -z, self.graph.tensors[t].element) for t, z in ((a, za), (b, zb)))
            wide = "(int64_t)" if self.graph.tensors[a].element == "int16" else ""
            self.put(depth + 1, f"sum{n} += {wide}{first} * {second};")
            self.done.add(n)
        self.lines[first_line:] = side_by_side(self.lines[first_line:], axis, lanes)
        self.put(depth, "}")
        for n in sums:
            self.finish_sum(depth, n)
        self.compute(depth)

    def finish_sum(self, depth: int, n: int) -> None:
        inner = self.body[n]
        y = inner.outputs[0]
        r = requantisation(self.graph, inner)
        if r.rounding == "wide":
            ((multiplier, shift),) = r.wide_factors()
            text = f"tl_requantise_wide(sum{n}, {data_number(multiplier)}, {data_number(shift)})"
        else:
            text = scaled(f"sum{n}", *fixedpoint.quantise_multiplier(r.factor[0]))
        self.scalar[y] = f"v{y}"
        self.put(depth, f"const int32_t v{y} = {clamped(text, r.zero_point, r.low, r.high)}; /* {inner.origin[0]} */")
        self.store(depth, y)


def side_by_side(lines: list[str], axis: str, lanes: int) -> list[str]:
    """The statements of a loop's body for several elements, statement by statement.

    Values of the body get a letter an element; its loads all come first, so no element's store precedes them. A
    statement that chooses is written once. lanes: 1 to 4.
    """
    if lanes == 1:
        return lines
    own = set(re.findall(r"int32_t (v\d+[pq]?)(?: =|;)", "\n".join(lines)))

    def lane(line: str, number: int) -> str:
        text, mark, comment = line.partition(" /*")  # the operator's name, which the first element keeps
        text = re.sub(r"\bv\d+[pq]?\b", lambda found: found[0] + "abcd"[number] * (found[0] in own), text)
        if number == 0:
            return text + mark + comment
        return re.sub(rf"(?<=\[){axis}(?=\])|\b{axis}\b(?= \*)|(?<=\+ ){axis}(?=\])", f"({axis} + {number})", text)

    return [lane(line, number) for line in lines for number in range(1 if line.endswith(("{", "}")) else lanes)]


def lower_loop(graph: Graph, op: Operator, rule: Loop, prefix: str, names: Mapping[int, str]) -> Lowered:
    """C of a LOOP. `names` are the pointers of its inputs and outputs that are not constants."""
    text = _LoopText(graph, op, rule, prefix, names)
    text.nest(0)
    left = [inner.origin for number, inner in enumerate(text.body) if number not in text.done]
    assert not left, f"not emitted: {left}"
    size = prod(text.axes)
    macs = size * sum(is_reduction(graph, inner) for inner in text.body)
    return Lowered(tuple(text.lines), tuple(text.constants.values()), ("tl_fixed.h",), macs)
