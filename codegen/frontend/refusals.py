"""What is said of a model that cannot be compiled: once for all operators alike, briefly, with the way out."""

import re
from collections.abc import Iterable, Sequence

from tinyloc.codegen.graph import Operator, Tensor
from tinyloc.errors import counted

NAMED_AT_ONCE = 3
"""Names that a message lists; a float model has dozens."""
LIST_OF_OPERATORS = "docs/reference/operators.md lists the supported operators"
_CONVERT_PLAINLY = "convert without SELECT_TF_OPS, so that only operators of TFLite itself are in the file"
WAYS_OUT = {
    "CUSTOM FlexErf": "use the tanh form of GELU: approximate='tanh' (PyTorch), approximate=True (Keras)",
    "IF": "export without control flow",
    "RNN": "use an LSTM, or unroll=True",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "use an LSTM, or unroll=True",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use two LSTMs, one over the reversed sequence",
    "WHILE": "fix the number of trips: a sequence of fixed length, without masks (Keras: unroll=True)",
}
"""By kind of operator."""


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED_AT_ONCE} more" if len(names) > NAMED_AT_ONCE else ""
    return f"{', '.join(names[:NAMED_AT_ONCE])}{more}"


def unsupported(kind: str, element: str = "") -> str:
    """Why an operator without a rule is refused, and what helps."""
    flex = _CONVERT_PLAINLY if kind.startswith("CUSTOM Flex") else LIST_OF_OPERATORS
    return f"{kind}{f' on {element}' if element else ''} is not supported: {WAYS_OUT.get(kind, flex)}"


def grouped(tensors: Sequence[Tensor], found: Iterable[tuple[Operator, str]]) -> list[str]:
    """One line for each kind of operator and problem, however many operators have it.

    Problems are alike when they differ only in the names of the operators' tensors.
    """
    lines: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for op, problem in found:
        names = {tensors[t].name for t in (*op.inputs, *op.outputs) if t != -1} - {""}
        pattern = problem
        for name in sorted(names, key=len, reverse=True):
            pattern = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "*", pattern)
        lines.setdefault((op.kind, pattern), []).append((op.origin[0], problem))
    return [_line(kind, alike) for (kind, _), alike in lines.items()]


def _line(kind: str, alike: Sequence[tuple[str, str]]) -> str:
    (name, problem), *others = alike
    if not others:
        return f"{name}: {problem}"
    names = [name for name, _ in alike]
    return f"{counted(len(alike), 'operator')} {kind} ({some(names)}): {problem}"
