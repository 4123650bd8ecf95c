"""Models with WHILE, as Keras writes recurrent layers."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.tflite_models import TFLiteModel

STEPS, FEATURES, UNITS = 5, 3, 4


class Looping(TFLiteModel):
    """A model whose subgraphs 1, 2, ... are conditions and bodies."""

    def begin(self) -> None:
        """Further tensors and operators belong to a new subgraph."""
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self.model.subgraphs.append(self.graph)

    def counter(self) -> int:
        tensor = self.tensor((), "int32", None)
        self.graph.inputs.append(tensor)
        return tensor

    def passed(self, shape: tuple[int, ...], element: str = "int8", scale: float | None = 0.05) -> int:
        tensor = self.tensor(shape, element, scale)
        self.graph.inputs.append(tensor)
        return tensor

    def compared(self, kind: str, a: int, b: int) -> int:
        y = self.tensor((), "bool", None)
        self.operator(kind, [a, b], [y])
        return y


def recurrent(inner: int = 0, computed: bool = False, floats: bool = False) -> Looping:
    """h = tanh(W x[i] + U h) over five steps as Keras writes it.

    inner: h is also halved by a loop of so many trips in the body. computed: the number of steps is an input.
    """
    chance, model = np.random.default_rng(5), Looping()
    element = "float32" if floats else "int8"

    def weights(shape: tuple[int, int]) -> int:
        if floats:
            return model.constant(chance.normal(size=shape).astype(np.float32), "float32")
        return model.constant(chance.integers(-127, 128, shape), "int8", 0.01)

    def value(kind: str, operands: list[int], scale: float, zero: int = 0, shape: tuple[int, ...] = (1, UNITS)) -> int:
        y = model.tensor(shape, element, None if floats else scale, zero)
        model.operator(kind, operands, [y])
        return y

    scale = None if floats else 0.05
    x = model.tensor((STEPS, 1, FEATURES), element, scale, name="x")
    model.graph.inputs.append(x)
    first = np.zeros((1, UNITS)) if floats else chance.integers(-128, 128, (1, UNITS))
    start = [model.constant(0), model.constant(0), model.constant(first, element, scale and 2.0**-7), x]
    if computed:
        start[0] = model.counter()
    ends = [model.tensor((), "int32", None) for _ in range(2)]
    ends += [
        model.tensor((1, UNITS), element, scale and 2.0**-7, name="h"),
        model.tensor((STEPS, 1, FEATURES), element, scale),
    ]
    model.operator("WHILE", start, ends, condSubgraphIndex=1, bodySubgraphIndex=2)
    y = value("FULLY_CONNECTED", [ends[2], weights((2, UNITS)), -1], 0.03, 3, (1, 2))
    model.output(y, ends[2])
    shapes = ((1, UNITS), scale and 2.0**-7), ((STEPS, 1, FEATURES), scale)
    model.begin()
    counters = [model.counter(), model.counter()]
    for shape, own in shapes:
        model.passed(shape, element, own)
    both = [model.compared("LESS", counter, model.constant(STEPS)) for counter in counters]
    model.output(model.compared("LOGICAL_AND", *both))
    model.begin()
    counters = [model.counter(), model.counter()]
    h, sequence = (model.passed(shape, element, own) for shape, own in shapes)
    following = []
    for counter in counters:
        following.append(model.tensor((), "int32", None))
        model.operator("ADD", [counter, model.constant(1)], following[-1:])
    taken = value("GATHER", [sequence, counters[1]], 0.05, 0, (1, FEATURES))
    parts = [
        value("FULLY_CONNECTED", [taken, weights((UNITS, FEATURES)), -1], 0.02),
        value("FULLY_CONNECTED", [h, weights((UNITS, UNITS)), -1], 0.02),
    ]
    new = value("TANH", [value("ADD", parts, 0.03)], 2.0**-7)
    if inner:
        halved = model.tensor((1, UNITS), element, scale and 2.0**-7)
        model.operator(
            "WHILE",
            [model.constant(inner), new],
            [model.tensor((), "int32", None), halved],
            condSubgraphIndex=3,
            bodySubgraphIndex=4,
        )
        new = halved
    model.output(*following, new, sequence)
    if inner:
        model.begin()
        counter = model.counter()
        model.passed(*((1, UNITS), element, scale and 2.0**-7))
        model.output(model.compared("GREATER", counter, model.constant(0)))
        model.begin()
        counter, h = model.counter(), model.passed((1, UNITS), element, scale and 2.0**-7)
        left = model.tensor((), "int32", None)
        model.operator("SUB", [counter, model.constant(1)], [left])
        half = model.constant(np.full((1, UNITS), 64), element, scale and 2.0**-7)
        model.output(left, value("MUL", [h, half], 2.0**-7))
    model.graph = model.model.subgraphs[0]
    return model
