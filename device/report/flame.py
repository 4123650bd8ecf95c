"""Cycles by call chain as a flame graph: who calls stands below, width is cycles."""

from dataclasses import dataclass, field

ROW_HEIGHT = 20  # px
SMALLEST = 0.15  # percent of all cycles; narrower boxes are not drawn


@dataclass(frozen=True)
class FlameBox:
    """A function in one call chain. Horizontal values in percent of the width, `y` in px from the top."""

    name: str
    title: str
    x: float
    width: float
    y: float
    tone: int


@dataclass(frozen=True)
class FlameFigure:
    """Boxes and the height of the picture in px."""

    boxes: list[FlameBox]
    height: int


@dataclass
class _Node:
    cycles: float = 0.0  # with everything called
    children: dict[str, "_Node"] = field(default_factory=dict)


def _tree(stacks: dict[str, float]) -> _Node:
    root = _Node()
    for chain, cycles in stacks.items():
        node = root
        node.cycles += cycles
        for name in chain.split(";"):
            node = node.children.setdefault(name, _Node())
            node.cycles += cycles
    return root


def flame_figure(stacks: dict[str, float]) -> FlameFigure | None:
    """stacks: "caller;callee" -> cycles in the last of the chain. None when there are none."""
    root = _tree(stacks)
    if not root.cycles:
        return None
    found: list[tuple[int, float, str, _Node]] = []  # depth, x in percent, name, node

    def place(node: _Node, depth: int, x: float) -> None:
        for name, child in sorted(node.children.items()):
            width = 100 * child.cycles / root.cycles
            if width >= SMALLEST:
                found.append((depth, x, name, child))
                place(child, depth + 1, x)
            x += width

    place(root, 0, 0.0)
    depths = 1 + max(depth for depth, *_ in found)
    tones = {name: number % 6 for number, name in enumerate(sorted({name for _, _, name, _ in found}))}
    boxes = [
        FlameBox(
            name=name,
            title=f"{name}: {node.cycles:,.0f} cycles, {100 * node.cycles / root.cycles:.1f} %",
            x=x,
            width=100 * node.cycles / root.cycles,
            y=(depths - 1 - depth) * ROW_HEIGHT,
            tone=tones[name],
        )
        for depth, x, name, node in found
    ]
    return FlameFigure(boxes, depths * ROW_HEIGHT)
