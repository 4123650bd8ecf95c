"""Tensors that share a scale: union-find over tensor indices."""

Prescribed = tuple[float, int] | int
"""Scale and zero point, or the tensor whose scale it is."""


class Groups:
    """Sets of tensors with one scale; a set may have a prescribed one."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._fixed: dict[int, Prescribed] = {}

    def find(self, index: int) -> int:
        """The set's representative."""
        while (parent := self._parent.get(index, index)) != index:
            index = parent
        return index

    def join(self, a: int, b: int) -> None:
        """One set of two. A prescribed scale holds for both; where both have one, the caller knows that they agree."""
        a, b = self.find(a), self.find(b)
        if a != b:
            self._parent[a] = b
            if a in self._fixed:
                self._fixed.setdefault(b, self._fixed.pop(a))

    def fix(self, index: int, scale: Prescribed) -> None:
        """Prescribe scale and zero point."""
        self._fixed[self.find(index)] = scale

    def fixed(self, index: int) -> Prescribed | None:
        """What is prescribed for a tensor's set."""
        return self._fixed.get(self.find(index))
