"""What operators of the back end cmsis_nn have in common: a native rule, a C call, and the memory that it works in."""

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, Rule

PREFIX = "CMSIS_NN_"


@dataclasses.dataclass(frozen=True)
class LibraryCall:
    """C of one call. `declarations` name the structs that both the call and the size read."""

    declarations: tuple[str, ...]
    call: str
    constants: tuple[Constant, ...] = ()
    size: str = ""  # expression for the bytes of the buffer; none: the library has no function that tells them
    macs: int = 0
    bytes: int = 0  # of a buffer whose parts the call lays out itself


class LibraryRule(KernelRule):
    """A native operator, computed by the library."""

    native: Rule

    @abstractmethod
    def takes(self, graph: Graph, op: Operator) -> bool:
        """Whether the library has this use of the operator."""

    @abstractmethod
    def library_call(self, graph: Graph, op: Operator, prefix: str) -> LibraryCall:
        """The call, over the pointers of operand_names, `context` and `y`."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return self.native.problems(graph, op)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return self.native.reference(graph, op, values)

    def scratch(self, graph: Graph, op: Operator) -> int:
        size: int = op.attributes["scratch"]
        return size

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        found = self.library_call(graph, op, prefix)
        need = self.scratch(graph, op)
        lines = list(found.declarations)
        if "&context" in found.call:
            lines.append(f"const cmsis_nn_context context = {{{f'scratch, {need}' if need else 'NULL, 0'}}};")
        elif need:
            lines.append("(void)scratch;")
        lines.append(found.call)
        return Lowered(tuple(lines), found.constants, ("tl_cmsis_nn.h",), found.macs)
