"""The memory plan as a picture: buffers as rectangles, execution steps to the right, arena offsets upwards."""

import math
from dataclasses import dataclass

from tinyloc.device.evaluation.evaluation_record import Buffer

PLAN_HEIGHT = 320  # px


@dataclass(frozen=True)
class PlanBox:
    """One buffer. Horizontal values in percent of the width, vertical ones in px from the top."""

    name: str
    label: str
    title: str
    x: float
    y: float
    width: float
    height: float
    tone: int


@dataclass(frozen=True)
class PlanFigure:
    """Boxes, axis ticks and the step at which most bytes are live."""

    boxes: list[PlanBox]
    height: int
    byte_ticks: list[tuple[float, int]]  # y in px, bytes
    step_ticks: list[tuple[float, int]]  # x in percent (middle of the step), step number from 1
    arena: int
    peak_step: int
    peak_live: int


def live_bytes(plan: list[Buffer], steps: int) -> list[int]:
    """Bytes of the buffers alive at each step."""
    return [sum(buffer.size for buffer in plan if buffer.first <= step <= buffer.last) for step in range(steps)]


def tick_distance(extent: float, ticks: int) -> float:
    """A round distance (1, 2 or 5 times a power of ten) that divides `extent` into at most `ticks` parts."""
    power = 10.0 ** math.floor(math.log10(extent / ticks))
    return next(factor * power for factor in (1, 2, 5, 10) if extent / (factor * power) <= ticks)


def plan_figure(plan: list[Buffer], steps: int) -> PlanFigure | None:
    """Geometry of the picture, None when nothing is planned."""
    if not plan:
        return None
    steps = max(steps, 1 + max(buffer.last for buffer in plan))
    arena = max(buffer.offset + buffer.size for buffer in plan)
    scale = PLAN_HEIGHT / arena
    boxes = [
        PlanBox(
            name=buffer.name,
            label=f"{buffer.name} · {buffer.size:,} B",
            title=f"{buffer.name}: {buffer.size:,} bytes at offset {buffer.offset:,}, "
            f"steps {buffer.first + 1} to {buffer.last + 1}",
            x=100 * buffer.first / steps,
            y=PLAN_HEIGHT - (buffer.offset + buffer.size) * scale,
            width=100 * (buffer.last - buffer.first + 1) / steps,
            height=buffer.size * scale,
            tone=position % 6,
        )
        for position, buffer in enumerate(sorted(plan, key=lambda buffer: (buffer.first, buffer.offset)))
    ]
    live = live_bytes(plan, steps)
    peak = max(range(steps), key=live.__getitem__)
    apart = math.ceil(tick_distance(arena, 6))
    every = math.ceil(tick_distance(steps, 24))
    return PlanFigure(
        boxes=boxes,
        height=PLAN_HEIGHT,
        byte_ticks=[(PLAN_HEIGHT - value * scale, value) for value in range(0, arena + 1, apart)],
        step_ticks=[(100 * (step + 0.5) / steps, step + 1) for step in range(0, steps, every)],
        arena=arena,
        peak_step=peak,
        peak_live=live[peak],
    )
