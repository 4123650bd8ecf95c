"""SELECTIVE_SCAN, ours: one step of Mamba's selective scan on int16, gate included, with a specification of its own.

    dt = softplus(-a)                                          a, u, z: (E), B, C: (N), h: (E, N), rates: (E, N) = -A
    h' = 2^(-dt * rates / ln 2) * h - dt * u * B               B comes negated, as in export/step_form.py
    y  = (sum over n of C * h' + D * u) * z * sigmoid(z)

The graph of LiteRT that this stands for rounds to 16 bits after each of its 15 operators. Here a value of `h` is
rounded to 16 bits once a step and one of `y` once. `step` is the specification: firmware/kernels/tl_selective_scan.h
equals it on every bit. Fixed point, exponents to the base 2:

- the step size with 25 bits behind the point: max(-v, 0) + log2(1 + 2^-|v|), v = a / ln 2, by a polynomial of degree 4;
- 2^-x with 30: f is x rounded off, so that -1/2 <= f < 1/2, 2^-f = 1 + f * r(f), r a polynomial of degree 2 (5e-4 of
  1 - 2^-f, which is what the time constant of a state hangs on);
- what is added to `h` with 8 bits behind its last.

Operands: a, u, B, C, z, h, D (1, E), rates (E, N); outputs: h', y. The state lies channel by channel. Attribute
`sum_scale`: that of the int16 tensor which held C . h' + D * u; it says where the sum may lose bits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number, require
from tinyloc.codegen.arithmetic.fixedpoint import quantise_multiplier
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, operand_names, quantised_problems
from tinyloc.codegen.operators.logistic16 import SIGMOID_TABLE, input_scaling, sigmoid

Int64s = npt.NDArray[np.int64]

KIND = "SELECTIVE_SCAN"
POWER = (-11356, 3966, -915)
"""r(f) of 2^-f = 1 + f * r(f) with 14 bits behind the point, lowest power first: interpolated at Chebyshev's nodes."""
ONE = (1 << 30) - 5678
"""2^30, less what x loses on average by being rounded down (half a 65536th)."""
LOGARITHM = tuple(
    round(c * 2 ** (26 + i)) for i, c in enumerate((1.44261568, -0.71706393, 0.44227418, -0.22771264, 0.05994559))
)
"""log2(1 + w) / w on 0..1, lowest power first, to 6e-5 of its value; each with the bits that a product has there."""
STATE_BITS = 8
"""Bits behind the state's last one while it is summed up."""
_STEP_BITS = 25
_LARGEST_STEP = 62.0
"""Of |a| / ln 2: 6 bits before the point."""


@dataclass(frozen=True)
class Settings:
    """Integers of one scan; the names are those of tl_scan_t."""

    exponent: int
    exponent_shift: int
    rate: int
    drive: int
    drive_shift: int
    sum_shift: int
    gate: int
    gate_shift: int
    multiplier: int
    shift: int
    skip: Int64s  # (E,)


def _sum_shift(op: Operator, unit: float, skip: npt.NDArray[np.float64]) -> int:
    """Bits that the sum loses: the tensor's limit keeps 28, and D * u, `skip` in units of the sum, fits 31."""
    limit, largest = op.attributes["sum_scale"] * 2.0**15 / unit, float(np.abs(skip).max())
    return max(0, math.ceil(math.log2(limit)) - 28, math.ceil(math.log2(max(largest, 1e-30))) + 17 - 31)


def settings(graph: Graph, op: Operator) -> Settings:
    """Scales as integers. Raises ValueError where one is out of reach."""
    a, u, b, c, z, h, d, rates = (graph.tensors[t] for t in op.inputs)
    y = graph.tensors[op.outputs[1]]
    assert d.data is not None
    power = a.scale / math.log(2.0) * 2.0**16
    exponent_shift = 14 - math.floor(math.log2(power))  # a multiplier of 15 bits
    if a.scale * 2.0**15 / math.log(2.0) > _LARGEST_STEP or not 1 <= exponent_shift <= 30:
        raise ValueError(f"the scale {a.scale} of the step size {a.name}")
    rate = round(rates.scale * 2.0**39)
    if not 1 <= rate < 1 << 31:
        raise ValueError(f"the scale {rates.scale} of the rates {rates.name}")
    drive = math.log(2.0) * 2.0 ** (56 - _STEP_BITS) * u.scale * b.scale / h.scale
    drive_shift = math.floor(math.log2(drive)) - 15
    if not -30 <= drive_shift <= 15:
        raise ValueError(f"the scales {u.scale} and {b.scale} of u and B beside {h.scale} of the state")
    unit = c.scale * h.scale
    skip = d.data.ravel().astype(np.float64) * (d.scale * u.scale / unit)
    sum_shift = _sum_shift(op, unit, skip)
    factor = unit * 2.0**sum_shift * z.scale * 2.0**-15 / y.scale * 2.0**32
    multiplier, left = quantise_multiplier(factor)
    if sum_shift > 30 or not 0 <= -left - 2 <= 30:
        raise ValueError(f"the scale {y.scale} of the output {y.name}")
    gate, gate_shift = input_scaling(z.scale, (0,))
    return Settings(
        exponent=min(round(power * 2.0**exponent_shift), 32767),
        exponent_shift=exponent_shift,
        rate=rate,
        drive=-min(round(drive * 2.0**-drive_shift), 65535),
        drive_shift=drive_shift,
        sum_shift=sum_shift,
        gate=gate,
        gate_shift=gate_shift,
        multiplier=multiplier,
        shift=-left - 2,
        skip=np.rint(skip * 2.0 ** (16 - sum_shift)).astype(np.int64),
    )


def power_of_two(x: Int64s, shift: int) -> Int64s:
    """2^(30 - shift) * 2^-(x / 65536), x from 0 on; below 2^-31 it is zero."""
    f = (x & 0xFFFF) - ((x & 0x8000) << 1)
    r = POWER[1] + ((POWER[2] * f) >> 16)
    r = POWER[0] + ((r * f) >> 16)
    return (ONE + r * f) >> np.minimum((x + 0x8000 + (shift << 16)) >> 16, 31)


def step_size(a: Int64s, s: Settings) -> Int64s:
    """softplus(-a) / ln 2 with 25 bits behind the point."""
    v = (a * s.exponent + (1 << (s.exponent_shift - 1))) >> s.exponent_shift
    w = 2 * power_of_two(np.abs(v), 0)
    logarithm = np.full_like(w, LOGARITHM[-1])
    for coefficient in LOGARITHM[-2::-1]:
        logarithm = coefficient + ((w * logarithm) >> 32)
    return (np.maximum(-v, 0) << (_STEP_BITS - 16)) + ((w * logarithm) >> 32)


def _moved(g: Int64s, shift: int) -> Int64s:
    if shift <= 0:
        return g >> -shift
    largest = 1 << (31 - shift)
    return np.clip(g, -largest, largest - 1) << shift


def step(
    s: Settings, a: Int64s, u: Int64s, b: Int64s, c: Int64s, z: Int64s, h: Int64s, rates: Int64s
) -> tuple[Int64s, Int64s]:
    """The specification: a, u, z (E,), b, c (N,), h, rates (E, N), all within int16 -> h' (E, N), y (E,)."""
    size = step_size(a, s)
    exponent = (((size * s.rate) >> 32)[:, None] * rates) >> 16
    drive = _moved((size * (u * s.drive)) >> 32, s.drive_shift)
    wide = ((power_of_two(exponent, 14 - STATE_BITS) * h) >> 16) + ((drive[:, None] * b) >> 16)
    h = np.clip((wide + (1 << (STATE_BITS - 1))) >> STATE_BITS, -32768, 32767)
    limit = (1 << 30) - 1
    total = np.clip((h @ c) >> s.sum_shift, -limit, limit) + ((s.skip * u) >> 16)
    gate = z * sigmoid((z * s.gate + ((1 << s.gate_shift) >> 1)) >> s.gate_shift)
    scaled = ((((total * gate) >> 32) * s.multiplier) >> 32) >> s.shift
    return h, np.clip((scaled + 1) >> 1, -32768, 32767)


class SelectiveScan(KernelRule):
    """Made by passes/selective_scan.py."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        a, u, b, c, z, h, d, rates = (graph.tensors[t] for t in op.inputs)
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int16",))
        if rates.data is None or d.data is None or (rates.data < 0).any():
            problems.append("rates and skip must be constants, rates not negative")
        channels, states = rates.shape
        if {a.size, u.size, z.size, d.size} != {channels} or {b.size, c.size} != {states}:
            problems.append(f"its operands do not have {channels} channels and {states} states")
        if h.size != channels * states:
            problems.append(f"{h.name} does not have {channels} x {states} elements")
        if not problems:
            try:
                settings(graph, op)
            except ValueError as error:
                problems.append(f"cannot honour {error}")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        wide = [v.astype(np.int64) for v in values if v is not None]
        a, u, b, c, z = (v.ravel() for v in wide[:5])
        h, rates = wide[5], wide[7]
        after, y = step(settings(graph, op), a, u, b, c, z, h.reshape(rates.shape), rates)
        return [
            result.reshape(graph.tensors[t].shape).astype(np.int16)
            for t, result in zip(op.outputs, (after, y), strict=True)
        ]

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        a, u, _, _, z, h = op.inputs[:6]
        return ((h, op.outputs[0]), *((t, op.outputs[1]) for t in (a, u, z)))

    def scratch(self, graph: Graph, op: Operator) -> int:
        return 8 * graph.tensors[op.inputs[1]].size  # tl_scan_channel_t

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        s, rates, names = settings(graph, op), graph.tensors[op.inputs[7]], operand_names(graph, op)
        channels, states = rates.shape
        assert rates.data is not None
        least = f"the sum of the scan loses {s.sum_shift} bits; a program whose numbers are data needs 2 to 31"
        require(not in_data_mode() or 2 <= s.sum_shift < 32, least)
        constants = (
            Constant(f"{prefix}_rates", "int16_t", rates.data.ravel(), f"{list(rates.shape)} -A: {rates.name}"),
            Constant(f"{prefix}_skip", "int32_t", s.skip, f"D, [{channels}]"),
            SIGMOID_TABLE,
        )
        fields = {
            "rates": f"{prefix}_rates",
            "skip": f"{prefix}_skip",
            "sigmoid": SIGMOID_TABLE.name,
            "channels": channels,
            "states": states,
            **{name: number(value) for name, value in vars(s).items() if name != "skip"},
        }
        a, u, b, c, z, h = (names[t] for t in op.inputs[:6])
        statements = (
            "static const tl_scan_t scan = {",
            *(f"    .{name} = {value}," for name, value in fields.items()),
            "};",
            f"tl_selective_scan(&scan, {a}, {u}, {b}, {c}, {z}, {h}, y0, y1, (tl_scan_channel_t *)(void *)scratch);",
        )
        return Lowered(statements, constants, ("tl_selective_scan.h",), channels * states * 3)
