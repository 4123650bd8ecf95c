"""Figures of libraries: time to write one, an application around zoo:uji, cycles beside our firmware's, shared kernels.

`python -m tests.bench.library [--data DIR]` prints them as JSON and writes build/bench-library.json. On the real test
set of UJIIndoorLoc where it is found, else on the golden scans.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.boards import Board, load_board
from tinyloc.bundle.schema import TestSet, load_test_set
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.library.layout import BARE, library_files, write_library
from tinyloc.codegen.library.model import LibraryModel, from_bundle
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator.device import EmulatedDevice
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.image.build import build_firmware
from tinyloc.device.image.footprint import flash_bytes, read_pieces
from tinyloc.device.image.library_sizes import build_bare, measure_models, write_files
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.zoo.models import names, unpack
from tinyloc.files import write_whole
from tinyloc.paths import CLONE_DIR, ZOO_DIR

PAIR = ("uji", "uji-position-32")
"""Two models of the same kernels."""
APPLICATION = """
#include "{name}.h"
typedef struct {{ uint16_t count; }} scan_t;
extern const {name}_reading_t readings[];
extern const scan_t scans[];
extern int16_t answers[];
extern uint32_t sums[];
volatile uint32_t outcome;
static {name}_t context;
int main(void);
int main(void)
{{
    const {name}_reading_t *next = readings;
    {name}_init(&context);
    for (uint32_t k = 0; k < {scans}u; k++) {{
        {name}_estimate_t estimate;
        uint32_t sum = 0;
        (void){name}_sample(&context, next, scans[k].count, &estimate);
        next += scans[k].count;
        for (uint32_t c = 0; c < {upper}_CLASSES; c++) {{
            sum = sum * 31u + (uint32_t)estimate.scores[c];
        }}
        answers[k] = (int16_t)estimate.class_index;
        sums[k] = sum;
    }}
    outcome = 0;
    for (;;) {{
        __asm__ volatile("wfi");
    }}
}}
"""
DATA = """
#include "{name}.h"
typedef struct {{ uint16_t count; }} scan_t;
extern const {name}_reading_t readings[];
extern const scan_t scans[];
extern int16_t answers[];
extern uint32_t sums[];
const {name}_reading_t readings[] = {{{readings}}};
const scan_t scans[] = {{{counts}}};
int16_t answers[{scans}];
uint32_t sums[{scans}];
"""


def zoo_library(model: str) -> LibraryModel:
    """A model of the zoo under its own name."""
    return from_bundle(ZOO_DIR / model, model.replace("-", "_"), model)


def seconds_each() -> dict[str, float]:
    """Time of `tinyloc library` for each model of the zoo, sizes included."""
    found = {}
    for model in names():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            made = [zoo_library(model)]
            write_library(Path(work) / "out", library_files(made, measure_models(made)))
        found[model] = round(time.monotonic() - began, 1)
    return found


def _board_of_room(board: Board) -> Board:
    """The same board with a larger flash and RAM, for the scans and the answers."""
    memory = [m.model_copy(update={"size": m.size * (8 if m.access == "rx" else 2)}) for m in board.memory]
    return board.model_copy(update={"memory": memory, "fixed": []})


def answers_and_cycles(model: str, test_set: TestSet, board: Board) -> dict[str, Any]:
    """Every scan through the library and through our firmware: equal answers, cycles, bytes of the application."""
    made, count = zoo_library(model), len(test_set.label)
    scans = [test_set.sparse(index) for index in range(count)]
    reference = LocaliserReference(ZOO_DIR / model)
    expected = []
    for scan in scans:
        reference.reset()
        expected.append(reference.sample(*scan))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_files(work, library_files([made]))
        values = {
            "name": made.name,
            "upper": made.name.upper(),
            "scans": count,
            "counts": ", ".join(f"{{{len(indices)}}}" for indices, _ in scans),
            "readings": ", ".join(f"{{{i}, {d}}}" for scan in scans for i, d in zip(*scan, strict=True)),
        }
        (work / BARE / "main.c").write_text(APPLICATION.format(**values))
        (work / "src" / "bench_data.c").write_text(DATA.format(**values))
        script = work / BARE / f"{board.name}.ld"
        script.write_text(
            re.sub(r"LENGTH = 0x(\w+)", lambda m: f"LENGTH = 0x{8 * int(m[1], 16):x}", script.read_text())
        )
        large = _board_of_room(board)
        elf = build_bare(work, board, work / "objects")
        machine = Machine(elf, large, measure=True, entries=frozenset({f"{made.name}_sample"}))
        machine.patience = 100.0
        machine.run()
        symbols = machine.image.symbols
        classes = np.frombuffer(machine.read_memory(symbols["answers"], 2 * count), np.int16)
        sums = np.frombuffer(machine.read_memory(symbols["sums"], 4 * count), np.uint32)
        cycles = [run.cycles for run in machine.profiler.runs]
        pieces = read_pieces(work / "objects" / "bare.map")
        application = sum(p.size for p in pieces if p.source == "main.o" and p.section.startswith(".text"))
        wanted = [_sum(answer.scores.tolist()) for answer in expected]
        equal = int(((classes == [a.class_index for a in expected]) & (sums == np.array(wanted, np.uint32))).sum())
        compile_bundle(ZOO_DIR / model, work / "generated")
        build = build_firmware(work / "generated", board, work / "firmware", "O2")
        device = EmulatedDevice(build.elf, board, measure=True)
        client = DeviceClient(device)
        client.hello()
        for scan in scans:
            client.reset()
            client.sample(*scan)
        ours = [run.cycles for run in device.runs]
    return {
        "scans": count,
        "equal": equal,
        "application_bytes": application,
        "cycles": statistics.median(cycles),
        "firmware_cycles": statistics.median(ours),
        "difference_percent": round(100 * (statistics.median(cycles) / statistics.median(ours) - 1), 2),
    }


def _sum(scores: Sequence[int]) -> int:
    total = 0
    for score in scores:
        total = (total * 31 + score) & 0xFFFFFFFF
    return total


def two_models(board: Board) -> dict[str, int]:
    """Flash of bare images: each model alone, both, and the kernels that both have."""
    found: dict[str, int] = {}
    kernels: dict[str, dict[str, int]] = {}
    for group in ([PAIR[0]], [PAIR[1]], list(PAIR)):
        models = [from_bundle(ZOO_DIR / model, f"m{PAIR.index(model)}", model) for model in group]
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            write_files(work, library_files(models))
            elf = build_bare(work, board, work / "objects")
            key = "+".join(group)
            found[key] = flash_bytes(elf)
            told = subprocess.run(
                ["arm-none-eabi-nm", "-S", str(elf)], capture_output=True, text=True, check=True
            ).stdout
            kernels[key] = {n: int(s, 16) for s, n in re.findall(r"^\w+ (\w+) W (tl_\w+)$", told, re.M)}
    both = "+".join(PAIR)
    shared = set(kernels[PAIR[0]]) & set(kernels[PAIR[1]])
    found["shared_kernels"] = sum(kernels[both][kernel] for kernel in shared)
    found["sum_less_shared"] = found[PAIR[0]] + found[PAIR[1]] - found["shared_kernels"]
    return found


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="Directory of UJIIndoorLoc.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        told = unpack("uji", Path(name) / "run", given.data)
        test_set = load_test_set(Path(name) / "run" / "bundle")
    boards = {board: load_board(board) for board in ("stm32l4", "cc2650")}
    result = {
        "test_set": told,
        "uji": {board: answers_and_cycles("uji", test_set, found) for board, found in boards.items()},
        "two_models": {board: two_models(found) for board, found in boards.items()},
        "seconds": seconds_each(),
    }
    text = json.dumps(result, indent=1)
    write_whole(CLONE_DIR / "build" / "bench-library.json", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
