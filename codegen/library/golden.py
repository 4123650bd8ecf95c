"""Golden samples of a library's self-test: random inputs, and what every layer must leave by the compiler's integers.

Nothing of them was measured, so a library can be handed on. Drawn from fixed seeds: the same model has the same ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import MISSING_DBM, Arithmetic, Bundle
from tinyloc.codegen.compile import PreparedGraph
from tinyloc.codegen.manifest import Manifest
from tinyloc.codegen.semantics.integer_graph import run_graph
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.codegen.verify.layer_checks import LayerReference, layer_checks, value_check

CHECKED = 4
"""Samples whose layers are checked; of the others the decision is."""
HEARD = 18
"""Access points that a golden scan hears at most."""
LONGEST = 40
"""Samples at most; a window that is longer has no decision checked."""
NETWORK_SAMPLES = 2
_MULTIPLIER, _INCREMENT = 1664525, 1013904223
"""Numerical Recipes' generator, the same in selftest.c."""
DRAWS = {
    "int8": "(int8_t)((int32_t)(seed >> 24) - 128)",
    "int16": "(int16_t)((int32_t)(seed >> 16) - 32768)",
    "uint8": "(uint8_t)(seed >> 24)",
    "int32": "0",
}
"""C of one input value from the generator's state; an index is 0."""


@dataclass(frozen=True)
class GoldenScan:
    """A scan, and the class that is decided after it, -1 when none is due."""

    indices: tuple[int, ...]
    dbm: tuple[int, ...]
    entries: int  # access points that count: heard or held
    decision: int
    scores: tuple[int, ...]


@dataclass(frozen=True)
class Golden:
    """`checks` are CRC-32: (samples, names)."""

    names: tuple[str, ...]
    checks: tuple[tuple[int, ...], ...]
    scans: tuple[GoldenScan, ...] = ()
    outputs: tuple[tuple[tuple[int, ...], ...], ...] = ()  # of a plain network's samples


def golden_scans(bundle_directory: Path, bundle: Bundle, arithmetic: Arithmetic, manifest: Manifest) -> Golden:
    """Random scans in the range of the scaling: one recording, long enough for a decision."""
    layers = LayerReference(bundle_directory, arithmetic, manifest)
    localiser = LocaliserReference(bundle_directory, arithmetic, reference=manifest.reference)
    generator = np.random.default_rng(0)
    points, hold = len(bundle.preprocessing.access_points), bundle.preprocessing.hold_samples
    low = int(max(bundle.preprocessing.floor_dbm, -127))
    high = int(min(bundle.preprocessing.ceiling_dbm, 126))
    last_heard = np.full(points, -(hold + 2))
    names: tuple[str, ...] = ()
    checks, scans = [], []
    for number in range(min(max(CHECKED, bundle.window.steps + bundle.window.hop), LONGEST)):
        count = generator.integers(1, min(points, HEARD) + 1)
        indices = np.sort(generator.choice(points, size=count, replace=False)).astype(np.uint16)
        dbm = generator.integers(low, high + 1, size=count).astype(np.int8)
        last_heard[indices] = number
        answer = localiser.sample(indices, dbm)
        if number < CHECKED:
            found = layers.sample(indices, dbm)
            names = tuple(check.name for check in found)
            checks.append(tuple(check.checksum for check in found))
        scans.append(
            GoldenScan(
                tuple(indices.tolist()),
                tuple(dbm.tolist()),
                int((number - last_heard <= hold).sum()),
                answer.class_index,
                tuple(answer.scores.tolist()),
            )
        )
    assert MISSING_DBM not in {value for scan in scans for value in scan.dbm}
    return Golden(names, tuple(checks), tuple(scans))


def golden_network(made: PreparedGraph) -> Golden:
    """Random inputs of a plain network, one sequence."""
    graph, program, seed = made.program.graph, made.program, 1
    state = {before: graph.start(before) for before, _ in graph.states}
    names: tuple[str, ...] = ()
    checks, outputs = [], []
    for _ in range(NETWORK_SAMPLES):
        given: dict[int, npt.NDArray[Any]] = {}
        for tensor in graph.inputs:
            t = graph.tensors[tensor]
            values, seed = drawn(t.element, t.size, seed)
            given[tensor] = values.reshape(t.shape)
        values_of = run_graph(graph, {**given, **state})
        state = {before: values_of[after] for before, after in graph.states}
        found = [
            *(value_check(program, f"input {i}", t, given[t]) for i, t in enumerate(graph.inputs)),
            *layer_checks(program, values_of),
            *(value_check(program, f"output {i}", t, values_of[t]) for i, t in enumerate(graph.outputs)),
            *(
                value_check(program, f"state {named['name']}", after, values_of[after])
                for named, (_, after) in zip(program.states, graph.states, strict=True)
            ),
        ]
        names = tuple(check.name for check in found)
        checks.append(tuple(check.checksum for check in found))
        outputs.append(tuple(tuple(values_of[t].ravel().tolist()) for t in graph.outputs))
    return Golden(names, tuple(checks), (), tuple(outputs))


def drawn(element: str, size: int, seed: int) -> tuple[npt.NDArray[Any], int]:
    """The next `size` values of the generator, and its state after them."""
    states = np.empty(size, np.uint32)
    for i in range(size):
        seed = (seed * _MULTIPLIER + _INCREMENT) & 0xFFFFFFFF
        states[i] = seed
    if element == "int32":
        return np.zeros(size, np.int32), seed
    bits = 16 if element == "int16" else 8
    values = (states >> np.uint32(32 - bits)).astype(np.int64) - (0 if element == "uint8" else 1 << (bits - 1))
    return values.astype(element), seed
