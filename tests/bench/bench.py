"""Run the whole path for each recipe on each board.

Writes results/bench/recipes.json and the table in docs/benchmarks.md. Skips training where a finished run of the recipe
exists; everything else runs again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.markers import rewritten
from tests.bench.sparse import gain
from tests.bench.table import BEGIN, END, table
from tinyloc.boards import part_names

ROOT = Path(__file__).resolve().parents[2]
SPARSE_RECIPE, SPARSE_OPTIMISE = "uji-mlp", "O2"
"""Whose first layer is measured dense as well."""
RECIPES = ("uji-mlp", "uji-mlp-16", "house-a-mamba", "house-a-mdcsa", "house-a-lstm", "house-a-gru")


def tinyloc(*arguments: str) -> float:
    """Run a command; seconds it took. Over budget (1) is a result here, anything else that is not 0 ends the bench."""
    print("$ tinyloc", " ".join(arguments), flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "tinyloc", *arguments], cwd=ROOT).returncode
    if code not in (0, 1):
        sys.exit(code)
    return time.monotonic() - began


def measure(recipe: str, boards: list[str], runs: Path) -> Iterator[dict[str, Any]]:
    """For each board the figures of one recipe, with the seconds that the stages after export took."""
    run = runs / recipe
    if not (run / "run.json").is_file():
        tinyloc("train", recipe, "--runs-dir", str(runs))
    tinyloc("export", str(run))
    codegen = tinyloc("codegen", str(run))
    for board in boards:
        with tempfile.TemporaryDirectory() as directory:
            result = Path(directory) / "result.json"
            seconds = {
                "codegen": codegen,
                "build": tinyloc("build", str(run), "--board", board),
                "emulate": tinyloc("emulate", str(run), "--board", board, "--json", str(result)),
            }
            if not result.is_file():
                sys.exit(f"{recipe} on {board} gave no result (the firmware crashed); see above")
            took = {stage: round(value, 1) for stage, value in seconds.items()}
            yield {"recipe": recipe, "stage_seconds": took, **json.loads(result.read_text())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--board", action="append", help="default: all boards")
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    arguments = parser.parse_args()
    boards, runs = arguments.board or part_names(), arguments.runs_dir.resolve()
    results = [found for recipe in arguments.recipes for found in measure(recipe, boards, runs)]
    sparse = [gain(runs / SPARSE_RECIPE / "bundle", board, SPARSE_OPTIMISE) for board in boards]
    bench = {
        "date": date.today().isoformat(),
        "version": version("tinyloc"),
        "sparse_first_layer": {"recipe": SPARSE_RECIPE, "optimise": SPARSE_OPTIMISE, "boards": sparse},
        "results": results,
    }
    record = ROOT / "results" / "bench" / "recipes.json"
    record.write_text(json.dumps(bench, indent=1) + "\n")
    page = ROOT / "docs" / "benchmarks.md"
    page.write_text(rewritten(page.read_text(), BEGIN, END, table(bench)))
    print(f"wrote {record} and the table in {page}")


if __name__ == "__main__":
    main()
