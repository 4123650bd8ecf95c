"""Whole public models on both cores, ours beside CMSIS-NN in the same run.

    CMSIS_NN_DIR=DIR TFLITE_MICRO_DIR=DIR python -m tests.bench.whole_models

TFLITE_MICRO_DIR names a clone of github.com/tensorflow/tflite-micro, bare or with a work tree; its example models are
read from the last commit, nothing is kept. Without both variables nothing is measured. Both engines are built at -O2
and get the same sample; answers are compared with the reference of each. Writes results/bench/whole_models.json and the
table in docs/benchmarks.md. `make bench` runs it after sweep.py.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.engines import inputs_of
from tests.bench.markers import rewritten
from tests.bench.sweep import BOARDS, VARIABLE, library, using
from tinyloc.boards import Board, load_board
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.verify.network_reference import numpy_outputs
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import compiled_network
from tinyloc.errors import UserError
from tinyloc.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
RECORD, PAGE = ROOT / "results" / "bench" / "whole_models.json", ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- whole models: begin -->", "<!-- whole models: end -->"
CLONE = "TFLITE_MICRO_DIR"
MICRO = "tensorflow/lite/micro"
MODELS = {
    "hello_world": f"{MICRO}/examples/hello_world/models/hello_world_int8.tflite",
    "micro_speech": f"{MICRO}/examples/micro_speech/models/micro_speech_quantized.tflite",
    "keyword_scrambled, SVDF": f"{MICRO}/models/keyword_scrambled_8bit.tflite",
    "mnist_lstm": f"{MICRO}/examples/mnist_lstm/trained_lstm_int8.tflite",
    "person_detect": f"{MICRO}/models/person_detect.tflite",
}
ASKED = 0.75
"""Of CMSIS-NN's cycles a whole model may take at most."""

Row = dict[str, Any]


def model_of(clone: Path, path: str) -> bytes:
    """A file of the clone's last commit."""
    return subprocess.run(["git", "-C", str(clone), "show", f"HEAD:{path}"], capture_output=True, check=True).stdout


def measured(path: Path, board: Board, backend: Backend) -> tuple[int, bool]:
    """(cycles of one sample, whether the answer is that of the back end's own reference)."""
    with compiled_network(path, board, backend=backend) as network:
        samples = inputs_of(network.manifest, 1)
        result = run_network(network.image.elf, board, network.manifest, samples, 1)
        expected = numpy_outputs(path, samples, (), False, backend)
    same = all(np.array_equal(a.ravel(), b.ravel()) for a, b in zip(result.outputs[0], expected[0], strict=True))
    return result.costs[0].cycles, same


def attempted(path: Path, board: Board, backend: Backend) -> tuple[int | None, bool | None, str | None]:
    """The same, and None; or why the back end refuses the model."""
    try:
        return *measured(path, board, backend), None
    except UserError as error:
        lines = [line.strip(" -") for line in str(error).splitlines()]
        return None, None, lines[min(1, len(lines) - 1)]


def rows_of(clone: Path, checkout: Path) -> Iterator[Row]:
    """Every model on every core."""
    for name, file in MODELS.items():
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "model.tflite"
            path.write_bytes(model_of(clone, file))
            for board in map(load_board, BOARDS):
                ours, same, why = attempted(path, board, "native")
                with using(library(checkout, board)):
                    theirs, other, refused = attempted(path, board, "cmsis_nn")
                yield {
                    "model": name, "core": board.name, "cycles": ours, "equal": same, "refused": why,
                    "cmsis_nn_cycles": theirs, "cmsis_nn_equal": other, "cmsis_nn_refused": refused,
                }  # fmt: skip


def table(record: dict[str, Any]) -> str:
    """Markdown: a row per model and core."""
    lines = [
        f"Example models of tflite-micro ({record['commit'][:8]}), one bell-shaped sample, modelled cycles at -O2, no "
        f"wait states; measured {record['date']}. Asked: at most {ASKED} of CMSIS-NN's cycles.",
        "",
        "| model | core | tinyloc | CMSIS-NN | tinyloc / CMSIS-NN |",
        "|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        theirs = row["cmsis_nn_cycles"]
        ours = row["cycles"]
        cells = (f"{ours:,}" if ours else f"refused: {row['refused']}",
                 f"{theirs:,}" if theirs else f"refused: {row['cmsis_nn_refused']}",
                 f"{ours / theirs:.2f}" if ours and theirs else "")  # fmt: skip
        lines.append(f"| {row['model']} | {row['core']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def slow(rows: Sequence[Row]) -> list[str]:
    """Models that take more than what is asked."""
    return [
        f"{row['model']} on {row['core']}: {row['cycles'] / row['cmsis_nn_cycles']:.2f} of CMSIS-NN's cycles"
        for row in rows
        if row["cycles"] and row["cmsis_nn_cycles"] and row["cycles"] > ASKED * row["cmsis_nn_cycles"]
    ]


def main() -> None:
    places = [os.environ.get(name) for name in (CLONE, VARIABLE)]
    if not all(places):
        print(f"whole models are not measured: name clones with {CLONE} and {VARIABLE}")
        return
    clone, checkout = (Path(str(place)).resolve() for place in places)
    head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        sys.exit(f"{CLONE}={clone} is no git repository")
    rows = []
    for row in rows_of(clone, checkout):
        rows.append(row)
        print(row, flush=True)
    if wrong := [row for row in rows if row["equal"] is False]:
        sys.exit(f"other bytes than the reference's: {wrong}")
    for line in slow(rows):
        print(f"above {ASKED}: {line}")
    told = {"date": date.today().isoformat(), "version": version("tinyloc"), "commit": head.stdout.strip()}
    record = {**told, "rows": rows}
    write_whole(RECORD, json.dumps(record, indent=1) + "\n")
    write_whole(PAGE, rewritten(PAGE.read_text(), BEGIN, END, table(record)))
    print(f"wrote {RECORD} and the table in {PAGE}")


if __name__ == "__main__":
    main()
