"""Layers of many shapes with weights of many kinds on both cores, ours beside CMSIS-NN in the same run.

Writes results/bench/sweep.json and the table in docs/benchmarks.md. CMSIS-NN is measured when CMSIS_NN_DIR names a
checkout of it: it is compiled below build/ with the boards' own flags at -O2. Fails (exit code 1) when a kind of layer
takes more than 3 % more cycles than its record; `--record` accepts that. `make bench` runs it after bench.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.markers import rewritten
from tests.bench.sweep_models import Case, all_cases, model
from tests.codegen.equality import reference_outputs
from tinyloc.boards import Board, load_board
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import compiled_network
from tinyloc.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
RECORD, PAGE = ROOT / "results" / "bench" / "sweep.json", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- sweep: begin -->", "<!-- sweep: end -->"
VARIABLE = "CMSIS_NN_DIR"
FLOATS = ("_f16", "_f32", "_flt")
"""Ends of names of CMSIS-NN's files that need another library."""
BOARDS = ("cortex-m4", "cortex-m3")
SLOWER = 1.03
"""Than its record a kind may be at most."""

Row = dict[str, Any]


def library(checkout: Path, board: Board) -> Path:
    """A directory that CMSIS_NN_DIR can name, with an archive for the board's core; made when it is not there."""
    out = ROOT / "build" / "cmsis-nn" / board.core
    archive = out / "libcmsis-nn.a"
    if not archive.is_file():
        (out / "objects").mkdir(parents=True, exist_ok=True)
        sources = [p for p in sorted((checkout / "Source").rglob("*.c")) if not p.stem.endswith(FLOATS)]
        flags = [*board.build.flags, "-w", "-O2", "-ffunction-sections", "-fdata-sections", f"-I{checkout / 'Include'}"]
        subprocess.run(
            ["arm-none-eabi-gcc", *flags, "-c", *map(str, sources)], cwd=out / "objects", check=True
        )  # fmt: skip
        objects = sorted(str(path) for path in (out / "objects").glob("*.o"))
        subprocess.run(["arm-none-eabi-ar", "rcs", str(archive), *objects], check=True)
        (out / "Include").unlink(missing_ok=True)
        (out / "Include").symlink_to(checkout / "Include")
    return out


@contextmanager
def using(directory: Path | None) -> Iterator[None]:
    """CMSIS_NN_DIR for the time of a measurement."""
    before = os.environ.get(VARIABLE)
    if directory is not None:
        os.environ[VARIABLE] = str(directory)
    yield
    if before is not None:
        os.environ[VARIABLE] = before


def cycles_of(path: Path, board: Board, backend: Backend) -> tuple[int, int, bool]:
    """(cycles, MACs of the model as it is read, whether the answer is the reference's) of one random sample."""
    graph = read_tflite(path)
    chance = np.random.default_rng(3)
    tensor = graph.tensors[graph.inputs[0]]
    inputs = [chance.integers(-128, 128, tensor.shape).astype(tensor.element)]
    with compiled_network(path, board, backend=backend) as network:
        result = run_network(network.image.elf, board, network.manifest, [inputs], 1)
    same = np.array_equal(result.outputs[0][0].ravel(), reference_outputs(graph, inputs)[0].ravel())
    return result.costs[0].cycles, macs_of(path), same


def macs_of(path: Path) -> int:
    """Products of the one layer as the file has it."""
    graph = read_tflite(path)
    op = next(op for op in graph.operators if len(op.inputs) == 3)
    w, y = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    if op.kind == "FULLY_CONNECTED":
        return w.size
    return y.shape[1] * y.shape[2] * w.size


def row_of(case: Case, weights: str, board: Board, checkout: Path | None) -> Row:
    """One layer on one core."""
    with tempfile.TemporaryDirectory() as work:
        path = model(case, weights).write(Path(work) / "model.tflite")
        ours, macs, same = cycles_of(path, board, "native")
        if not same:
            sys.exit(f"{case.text} with {weights} rows on {board.name}: other bytes than the reference's")
        theirs = None
        if checkout is not None and weights == "random":  # whose cycles do not depend on weights
            with using(library(checkout, board)):
                theirs, _, _ = cycles_of(path, board, "cmsis_nn")
    return {
        "kind": case.kind, "layer": case.text, "weights": weights, "core": board.name, "macs": macs,
        "cycles": ours, "cmsis_nn_cycles": theirs,
    }  # fmt: skip


def by_kind(rows: Sequence[Row]) -> dict[str, float]:
    """Geometric mean of the cycles per MAC of each kind and core."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(f"{row['kind']} on {row['core']}", []).append(row["cycles"] / row["macs"])
    return {key: float(np.exp(np.mean(np.log(values)))) for key, values in found.items()}


def slower(rows: Sequence[Row], recorded: Sequence[Row]) -> list[str]:
    """Kinds that take more cycles than their record, over the layers that both have."""
    known, measured = {key(row) for row in recorded}, {key(row) for row in rows}
    old = by_kind([row for row in recorded if key(row) in measured])
    new = by_kind([row for row in rows if key(row) in known])
    return [
        f"{kind}: {new[kind]:.2f} cycles per MAC, the record is {value:.2f}"
        for kind, value in old.items()
        if kind in new and new[kind] > SLOWER * value
    ]


def key(row: Row) -> tuple[str, str, str]:
    """What a row is of."""
    return row["layer"], row["weights"], row["core"]


def merged(recorded: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """The recorded rows, some of them measured again; CMSIS-NN's cycles stay where they were not."""
    found = {key(row): row for row in rows}
    made = []
    for old in recorded:
        row = found.pop(key(old), old)
        made.append({**row, "cmsis_nn_cycles": row["cmsis_nn_cycles"] or old["cmsis_nn_cycles"]})
    return [*made, *found.values()]


def table(record: dict[str, Any]) -> str:
    """Markdown: a row per layer and core; the worst of its weights beside random ones."""
    lines = [
        f"Modelled cycles per MAC of single layers in int8, -O2, without wait states; measured {record['date']}. Each "
        "cell: random weights / the slowest of sparse, dead, tiny and saturating rows (a quarter of the rows). "
        "CMSIS-NN's cycles do not depend on weights.",
        "",
        "| core | kind | layer | tinyloc | CMSIS-NN | tinyloc / CMSIS-NN, random to slowest |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in record["rows"]:
        groups.setdefault((row["core"], row["kind"], row["layer"]), []).append(row)
    for (core, kind, layer), rows in groups.items():
        ours = [row["cycles"] / row["macs"] for row in rows]
        theirs = next((row["cmsis_nn_cycles"] / row["macs"] for row in rows if row["cmsis_nn_cycles"]), None)
        cell = f"{ours[0]:.2f} / {max(ours[1:]):.2f}"
        other = f"{theirs:.2f}" if theirs else "not measured"
        ratio = ""
        if theirs:
            ratio = f"{ours[0] / theirs:.2f} to {max(ours) / theirs:.2f}"
        lines.append(f"| {core} | {kind} | {layer} | {cell} | {other} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the record although a kind became slower")
    parser.add_argument("--only", default="", help="measure the layers with this text; keep the other rows")
    arguments = parser.parse_args()
    named = os.environ.get(VARIABLE)
    checkout = Path(named).resolve() if named else None
    if checkout is not None and not (checkout / "Source").is_dir():
        sys.exit(f"{VARIABLE}={checkout} has no Source; name a checkout of CMSIS-NN")
    rows = []
    for case, weights in all_cases():
        for name in BOARDS if arguments.only in case.text else ():
            rows.append(row_of(case, weights, load_board(name), checkout))
            print(rows[-1], flush=True)
    recorded = json.loads(RECORD.read_text())["rows"] if RECORD.is_file() else []
    problems = slower(rows, recorded)
    rows = merged(recorded, rows) if arguments.only else rows
    if problems and not arguments.record:
        sys.exit("slower than the record (accept with --record):\n" + "\n".join(problems))
    record = {"date": date.today().isoformat(), "version": version("tinyloc"), "rows": rows}
    write_whole(RECORD, json.dumps(record, indent=1) + "\n")
    write_whole(PAGE, rewritten(PAGE.read_text(), BEGIN, END, table(record)))
    print(f"wrote {RECORD} and the table in {PAGE}")


if __name__ == "__main__":
    main()
