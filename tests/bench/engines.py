"""Compare our compiler with another one on the same models, cores, start-up and emulator.

Writes results/bench/engines.json and the table in docs/benchmarks.md; rows are also in build/bench.json. `make bench`
runs it after bench.py; `python -m tests.bench.engines` runs it alone.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.bench.engines_table import BEGIN, END, OURS, table, text_line
from tests.bench.markers import rewritten
from tests.bench.peer import ENGINES, Refused, environment, peer_image
from tinyloc.boards import load_board
from tinyloc.bundle.schema import load_bundle
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.manifest import GraphManifest
from tinyloc.codegen.verify.network_reference import outside_outputs
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.network_image import NetworkImage
from tinyloc.device.network.run_network import Network, compiled_network
from tinyloc.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
MODELS = ("fc-autoencoder", "ds-cnn", "resnet", "mobilenet", "lstm")
BYTES_A_SCALE = 5
SAMPLES, STEPS = 3, 12
"""Compared on every byte; the first is measured. Of a sequence model: steps, all of them measured."""

Array = npt.NDArray[Any]
Row = dict[str, Any]


def model_file(name: str) -> Path:
    """The .tflite of a model of models.py, made when it is not there yet: that takes TensorFlow and a while."""
    path = BUILD / "models" / f"{name}.tflite"
    if not path.is_file():
        from tests.bench.models import content

        write_whole(path, content(name))
    return path


def model_bytes(network: Network) -> int:
    """What the file has to say: weights, biases, and five bytes of scaling for each scale of weights."""
    graph = read_tflite(network.model, network.states)
    used = {t for op in graph.operators for t in op.inputs if t != -1}
    constants = [graph.tensors[t] for t in used if graph.tensors[t].data is not None and graph.tensors[t].quantisation]
    scales = sum(len(t.quantisation.scale) for t in constants if t.quantisation and t.element == "int8")
    return sum(t.bytes for t in constants) + BYTES_A_SCALE * scales


def inputs_of(manifest: GraphManifest, count: int) -> list[list[Array]]:
    """Bell-shaped values around the zero point, as a calibration would have them."""
    chance = np.random.default_rng(7)
    rows = []
    for _ in range(count):
        row = []
        for a in manifest.inputs:
            real = chance.normal(0, 1, a.shape) / (a.scale or 1.0) + (a.zero_point or 0)
            limit = np.iinfo(a.element)
            row.append(np.clip(np.round(real), limit.min, limit.max).astype(a.element))
        rows.append(row)
    return rows


def measured(network: Network, image: NetworkImage, engine: str, samples: Sequence[Sequence[Array]], count: int) -> Row:
    """One row: `engine` runs the samples on the emulated board; its answers beside LiteRT's reference kernels'."""
    manifest = network.manifest
    if engine != OURS:  # whose inputs have memory of their own
        apart = [argument.model_copy(update={"arena_offset": None}) for argument in manifest.inputs]
        manifest = manifest.model_copy(update={"inputs": apart})
    result = run_network(image.elf, network.board, manifest, samples, count)
    expected = outside_outputs(network.model, samples, network.states)
    equal = all(
        np.array_equal(a, b) for row, wanted in zip(result.outputs, expected, strict=True)
        for a, b in zip(row, wanted, strict=True)
    )  # fmt: skip
    sizes = image.sizes
    return {
        "cycles": median(cost.cycles for cost in result.costs),
        "instructions": median(cost.instructions for cost in result.costs),
        "macs": network.manifest.macs,
        "code_bytes": sizes.code_bytes,
        "constant_bytes": sizes.constant_bytes,
        "static_bytes": sizes.static_bytes,
        "arena_bytes": sizes.arena_bytes,
        "stack_bytes": result.stack_bytes,
        "state_bytes": sizes.state_bytes,
        "model_bytes": model_bytes(network),
        "arena_lower_bound": network.manifest.arena_lower_bound if engine == OURS else None,
        "equal_to_reference": equal,
        "refused": None,
    }


def rows_of(name: str, model: Path, python: Path | None) -> Iterator[Row]:
    """A model on every board, by every engine."""
    for board in ENGINES:
        with compiled_network(model, load_board(board)) as network:
            samples = inputs_of(network.manifest, SAMPLES)
            head = {"model": name, "core": board}
            yield {**head, "engine": OURS, **measured(network, network.image, OURS, samples, 1)}
            for engine in ENGINES[board] if python else ():
                with tempfile.TemporaryDirectory() as work:
                    image = peer_image(python, model, engine, network.board, Path(work))
                    if isinstance(image, Refused):
                        yield {**head, "engine": engine, "refused": image.reason}
                    else:
                        yield {**head, "engine": engine, **measured(network, image, engine, samples, 1)}


def step_rows(run: Path) -> Iterator[Row]:
    """The sequence model of a run, one sample a step, in each arithmetic; there is no peer that takes it."""
    bundle = load_bundle(run / "bundle")
    for file in bundle.models:
        states = [(state.input, state.output) for state in file.states]
        if not states:
            continue
        for board in ENGINES:
            with compiled_network(run / "bundle" / file.path, load_board(board), states) as network:
                samples = inputs_of(network.manifest, STEPS)
                head = {"model": f"{bundle.name} {file.arithmetic}, one step", "core": board, "engine": OURS}
                yield {**head, **measured(network, network.image, OURS, samples, STEPS)}


def all_rows(models: Sequence[str], runs: Path, python: Path | None) -> Iterator[Row]:
    """The named models, then the sequence models of the finished runs."""
    for name in models:
        yield from rows_of(name, model_file(name), python)
    for bundle in sorted(runs.glob("*/bundle/bundle.json")):
        yield from step_rows(bundle.parents[1])


def updated(rows: Sequence[Row], measured_rows: Sequence[Row]) -> list[Row]:
    """The rows, those that were measured again in their new form; rows that are new come last."""
    found = {key(row): row for row in measured_rows}
    known = [found.pop(key(row), row) for row in rows]
    return [*known, *found.values()]


def key(row: Row) -> tuple[str, str, str]:
    """What a row is of."""
    return row["model"], row["core"], row["engine"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--no-peer", action="store_true", help="ours alone")
    parser.add_argument("--update", action="store_true", help="keep recorded rows that are not measured now")
    parser.add_argument("models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    python = None if arguments.no_peer else environment(BUILD / "peer")
    rows: list[Row] = []
    for row in all_rows(arguments.models, arguments.runs_dir.resolve(), python):
        rows.append(row)
        print(text_line(row, rows), flush=True)
        write_whole(BUILD / "bench.json", json.dumps(rows, indent=1) + "\n")
    recorded = ROOT / "results" / "bench" / "engines.json"
    if arguments.update:
        rows = updated(json.loads(recorded.read_text())["rows"], rows)
    record = {"date": date.today().isoformat(), "version": version("tinyloc"), "rows": rows}
    write_whole(recorded, json.dumps(record, indent=1) + "\n")
    page = ROOT / "docs" / "benchmarks.md"
    write_whole(page, rewritten(page.read_text(), BEGIN, END, table(record)))
    print(f"wrote {BUILD / 'bench.json'}, {recorded} and the table in {page}")


if __name__ == "__main__":
    main()
