"""A tiny hand-made model that keeps the contract of the generated one (model.h), in every variant.

Its mathematics is small enough to be written twice: as C here, and as plain Python integers in `FakeReference`.
score[c] = (sum over i of (x[i] - zero) * w[c][i] + memory[c]) >> 3, saturated; memory[c] (with state) becomes
score[c] + c. Forward fill, windows and Viterbi are repeated here as the plain reference of firmware/localise.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MISSING = 127
PORTABLE = Path(__file__).resolve().parents[2] / "codegen" / "templates" / "portable.h.j2"
"""What every generated model.h has; plain C."""


POSITION = """\
#define TL_POSITION_UNIT_MM 10
#define TL_POSITION_X_MM (-500)
#define TL_POSITION_Y_MM (12345)
#define TL_POSITION_WEIGHTS 40
extern const uint16_t tl_position_weights[TL_POSITION_WEIGHTS];
extern const int16_t tl_position_places[2 * TL_CLASSES];
"""


@dataclass(frozen=True)
class FakeModel:
    """One variant; the fields are the defines of model.h."""

    inputs: int = 5
    classes: int = 3
    window: int = 4
    hop: int = 2
    hold: int = 2
    crf: bool = True
    sparse: bool = False
    state: bool = True
    bits: int = 16
    online: bool = False
    position: bool = False
    least_heard: int = 1
    least_margin: int = 0
    scan: bool = False
    combine: int = 0
    model_id: int = 0x0123456789ABCDEF

    @property
    def zero(self) -> int:
        return -128 if self.bits == 8 else 0

    def weight(self, c: int, i: int) -> int:
        return (7 * c + 3 * i + c * i) % 11 - 5

    def quantise(self, dbm: int) -> int:
        strength = min(max(dbm + 105, 0), 105)
        return min(strength * 2, 255) - 128 if self.bits == 8 else strength * 100

    def transition(self, i: int, j: int) -> int:
        return 40 if i == j else -((5 * i + 3 * j) % 17) * 10

    def start(self, c: int) -> int:
        return -3 * c

    def end(self, c: int) -> int:
        return 2 * c

    def saturate(self, value: int) -> int:
        limit = 1 << (self.bits - 1)
        return max(-limit, min(limit - 1, value))

    def header(self) -> str:
        kind = f"int{self.bits}_t"
        state = "int32_t memory[TL_CLASSES];" if self.state else "uint8_t unused;"
        step = "const tl_entry_t *entries, uint16_t count" if self.sparse else "const tl_input_t input[TL_INPUTS]"
        crf = (
            "extern const int32_t tl_crf_transitions[TL_CLASSES * TL_CLASSES];\n"
            "extern const int32_t tl_crf_start[TL_CLASSES], tl_crf_end[TL_CLASSES];\n"
        )
        return f"""\
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
{PORTABLE.read_text()}\
#define TL_MODEL_NAME "fake"
#define TL_MODEL_ID UINT64_C(0x{self.model_id:016x})
#define TL_INPUTS {self.inputs}
#define TL_CLASSES {self.classes}
#define TL_WINDOW {self.window}
#define TL_HOP {self.hop}
#define TL_HOLD {self.hold}
#define TL_CRF {int(self.crf)}
#define TL_ONLINE {int(self.online)}
#define TL_POSITION {int(self.position)}
#define TL_SPARSE {int(self.sparse)}
#define TL_STATE {int(self.state)}
#define TL_BACKEND 0u
#define TL_SCAN {int(self.scan)}
#define TL_COMBINE {self.combine}
#define TL_LEAST_HEARD {self.least_heard}
#define TL_LEAST_MARGIN {self.least_margin}
#define TL_ARENA_BYTES {4 * self.classes}
typedef {kind} tl_input_t;
typedef {kind} tl_score_t;
#define TL_INPUT_ZERO ({self.zero})
typedef struct {{ {state} }} tl_model_state_t;
typedef struct {{ TL_ALIGNED uint8_t bytes[TL_ARENA_BYTES]; }} tl_model_arena_t;
typedef struct {{ uint16_t index; tl_input_t value; }} tl_entry_t;
extern const tl_input_t tl_rssi_table[256];
{POSITION if self.position else ""}\
{crf if self.crf else ""}\
void tl_model_init(tl_model_state_t *state);
void tl_model_step(tl_model_state_t *state, tl_model_arena_t *arena, {step}, tl_score_t scores[TL_CLASSES]);
#endif
"""

    def source(self) -> str:
        limit = 1 << (self.bits - 1)
        term = "*sum += ((int32_t){value} - TL_INPUT_ZERO) * tl_weights[c * TL_INPUTS + {index}];"
        if self.sparse:
            loop = "for (uint16_t k = 0; k < count; k++) { " + term.format(
                value="entries[k].value", index="entries[k].index"
            )
        else:
            loop = "for (uint16_t i = 0; i < TL_INPUTS; i++) { " + term.format(value="input[i]", index="i")
        step = "const tl_entry_t *entries, uint16_t count" if self.sparse else "const tl_input_t input[TL_INPUTS]"
        memory = "state->memory[c]" if self.state else "0"
        keep = "state->memory[c] = value + (int32_t)c;" if self.state else "(void)state;"
        clear = "state->unused = 0;"
        if self.state:
            clear = "for (uint16_t c = 0; c < TL_CLASSES; c++) { state->memory[c] = 0; }"
        return f"""\
#include "model.h"
extern const int8_t tl_weights[TL_CLASSES * TL_INPUTS];
void tl_model_init(tl_model_state_t *state) {{ {clear} }}
void tl_model_step(tl_model_state_t *state, tl_model_arena_t *arena, {step}, tl_score_t scores[TL_CLASSES]) {{
    for (uint16_t c = 0; c < TL_CLASSES; c++) {{
        int32_t *sum = (int32_t *)(void *)arena->bytes + c;
        *sum = {memory};
        {loop} }}
        int32_t value = *sum >> 3;
        if (value < -{limit}) {{ value = -{limit}; }}
        if (value > {limit - 1}) {{ value = {limit - 1}; }}
        scores[c] = (tl_score_t)value;
        {keep}
    }}
}}
"""

    def weights(self) -> str:
        def values(items: Iterable[int]) -> str:
            return ", ".join(map(str, items))

        classes = range(self.classes)
        lines = [
            '#include "model.h"',
            "extern const int8_t tl_weights[TL_CLASSES * TL_INPUTS];",
            "const int8_t tl_weights[TL_CLASSES * TL_INPUTS] = {"
            + values(self.weight(c, i) for c in classes for i in range(self.inputs))
            + "};",
            f"const tl_input_t tl_rssi_table[256] = {{{values(self.quantise(code - 128) for code in range(256))}}};",
        ]
        if self.position:
            lines += [
                f"const uint16_t tl_position_weights[TL_POSITION_WEIGHTS] = {{{values(range(60000, 0, -1500))}}};",
                "const int16_t tl_position_places[2 * TL_CLASSES] = {"
                + values(place for c in classes for place in (1000 * c - 900, (-1) ** c * 77 * c))
                + "};",
            ]
        if self.crf:
            lines += [
                "const int32_t tl_crf_transitions[TL_CLASSES * TL_CLASSES] = {"
                + values(self.transition(i, j) for i in classes for j in classes)
                + "};",
                f"const int32_t tl_crf_start[TL_CLASSES] = {{{values(map(self.start, classes))}}};",
                f"const int32_t tl_crf_end[TL_CLASSES] = {{{values(map(self.end, classes))}}};",
            ]
        return "\n".join(lines) + "\n"

    def manifest(self) -> str:
        size = 4 * self.classes
        state = {"name": "memory", "bytes": size, "element": "int32", "shape": [self.classes]}
        content = {
            "version": 1,
            "model_id": f"{self.model_id:016x}",
            "name": "fake",
            "arithmetic": "int8" if self.bits == 8 else "int16x8",
            "backend": "native",
            "generator": "fake_model.py",
            "inputs": self.inputs,
            "classes": self.classes,
            "window": self.window,
            "hop": self.hop,
            "sparse": self.sparse,
            "arena_bytes": size,
            "arena_lower_bound": size,
            "state_bytes": size if self.state else 0,
            "constant_bytes": self.classes * self.inputs + 256 * self.bits // 8,
            "macs": self.classes * self.inputs,
            "states": [state] if self.state else [],
            "layers": [],
            "plan": [{"name": "sums", "offset": 0, "size": size, "first": 0, "last": 0}],
            "plan_steps": ["tl_model_step"],
            "decisions": ["hand-made"],
        }
        return json.dumps(content, indent=1) + "\n"

    def write(self, directory: Path) -> Path:
        """Write model.h, model.c, weights.c and manifest.json as the compiler would."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "model.h").write_text(self.header())
        (directory / "model.c").write_text(self.source())
        (directory / "weights.c").write_text(self.weights())
        (directory / "manifest.json").write_text(self.manifest())
        return directory


DENSE_INT16 = FakeModel()
"""Dense input, 16 bits, state, forward fill, CRF: the shape of the house models."""
SPARSE_INT8 = FakeModel(inputs=40, classes=6, window=1, hop=1, hold=0, crf=False, sparse=True, state=False, bits=8)
"""Sparse input, 8 bits, nothing carried: the shape of the UJIIndoorLoc models."""


def argmax(values: Sequence[int]) -> int:
    """Index of the largest, the first of several."""
    return max(range(len(values)), key=lambda i: (values[i], -i))


def mode(classes: Sequence[int]) -> int:
    """The most frequent, the smallest of several."""
    return max(set(classes), key=lambda c: (classes.count(c), -c))


def forward_fill(rows: Sequence[Sequence[int]], hold: int) -> list[list[int]]:
    """Each silent access point keeps its last reading for up to `hold` further samples. rows: (N, P) dBm."""
    filled = []
    for t, row in enumerate(rows):
        out = []
        for i, value in enumerate(row):
            for back in range(hold + 1):
                if value == MISSING and back <= t:
                    value = rows[t - back][i]
            out.append(value)
        filled.append(out)
    return filled


def brute_force_path(model: FakeModel, scores: Sequence[Sequence[int]]) -> list[int]:
    """The best of all paths through (T, C) scores; of equal ones the one that Viterbi's rule takes.

    The rule decides from the end: the smallest last class, then the smallest class before it, and so on.
    """
    best: tuple[int, list[int]] | None = None
    for path in itertools.product(range(model.classes), repeat=len(scores)):
        total = model.start(path[0]) + model.end(path[-1]) + sum(row[c] for row, c in zip(scores, path, strict=True))
        total += sum(model.transition(i, j) for i, j in itertools.pairwise(path))
        if best is None or total > best[0] or (total == best[0] and path[::-1] < tuple(best[1][::-1])):
            best = (total, list(path))
    assert best is not None
    return best[1]


def best_path(model: FakeModel, scores: Sequence[Sequence[int]]) -> list[int]:
    """The best path through (T, C) scores whose end costs nothing, by Viterbi from the first sample each time."""
    paths = [([c], model.start(c) + scores[0][c]) for c in range(model.classes)]
    for row in scores[1:]:
        longer = []
        for c in range(model.classes):
            path, total = max(paths, key=lambda known: (known[1] + model.transition(known[0][-1], c), -known[0][-1]))
            longer.append(([*path, c], total + model.transition(path[-1], c) + row[c]))
        paths = longer
    return max(paths, key=lambda known: (known[1], -known[0][-1]))[0]


def path_totals(model: FakeModel, scores: Sequence[Sequence[int]], end: bool) -> list[int]:
    """Of each class the score of the best path through (T, C) scores that ends in it."""
    totals = [model.start(c) + scores[0][c] for c in range(model.classes)]
    for row in scores[1:]:
        totals = [
            max(totals[i] + model.transition(i, c) for i in range(model.classes)) + row[c] for c in range(model.classes)
        ]
    return [total + model.end(c) * end for c, total in enumerate(totals)]


class FakeReference:
    """The fake model and firmware/localise in plain Python."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        self.rows: list[list[int]] = []
        self.scores: list[list[int]] = []
        self.memory = [0] * self.model.classes
        self.heard = self.margin = 0

    def sample(self, row: Sequence[int]) -> tuple[int, list[int]]:
        """One dense row in dBm -> (class or -1, scores)."""
        m = self.model
        self.rows.append(list(row))
        filled = forward_fill(self.rows, m.hold)[-1]
        self.heard, self.margin = sum(dbm != MISSING for dbm in filled), 0
        scores = []
        for c in range(m.classes):
            total = self.memory[c] if m.state else 0
            for i, dbm in enumerate(filled):
                if dbm != MISSING:
                    total += (m.quantise(dbm) - m.zero) * m.weight(c, i)
            scores.append(m.saturate(total >> 3))
            self.memory[c] = scores[c] + c
        self.scores.append(scores)
        seen = len(self.scores)
        if seen < m.window or (seen - m.window) % m.hop:
            return -1, scores
        self.margin = self._margin(self.scores[-m.window :])
        if m.online:
            return best_path(m, self.scores)[-m.window], scores
        window = self.scores[-m.window :]
        path = brute_force_path(m, window) if m.crf else [argmax(s) for s in window]
        return mode(path), scores

    def _margin(self, window: Sequence[Sequence[int]]) -> int:
        """What the decision has more than the next best."""
        m = self.model
        if m.online:
            values = path_totals(m, self.scores, end=False)
        elif m.crf:
            values = path_totals(m, window, end=True)
        elif m.window > 1:
            values = [[argmax(s) for s in window].count(c) for c in range(m.classes)]
        else:
            values = list(window[0])
        second, best = sorted(values)[-2:]
        return best - second


if __name__ == "__main__":
    fixtures = Path(__file__).parent / "fixtures"
    DENSE_INT16.write(fixtures / "dense_int16")
    SPARSE_INT8.write(fixtures / "sparse_int8")
