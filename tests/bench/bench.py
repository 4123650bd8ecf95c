"""Goes the whole path for each recipe below, keeps the figures in docs/bench.json and writes the README's table.

Training is skipped where a finished run of the recipe is there already; the rest is always done anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from table import rewritten

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ("uji-mlp", "house-a-mamba")
BOARD = "stm32l4"
TIMED = ("codegen", "build", "emulate")


def tinyloc(*arguments: str) -> float:
    """Run a command; seconds it took. Over budget (1) is a result here, anything else that is not 0 ends the bench."""
    print("$ tinyloc", " ".join(arguments), flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "tinyloc", *arguments], cwd=ROOT).returncode
    if code not in (0, 1):
        sys.exit(code)
    return time.monotonic() - began


def measure(recipe: str, runs: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The figures of one recipe on the emulated board, and the seconds of the stages after export."""
    run = runs / recipe
    if not (run / "run.json").is_file():
        tinyloc("train", recipe, "--runs-dir", str(runs))
    tinyloc("export", str(run))
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result.json"
        seconds = {
            "codegen": tinyloc("codegen", str(run)),
            "build": tinyloc("build", str(run), "--board", BOARD),
            "emulate": tinyloc("emulate", str(run), "--board", BOARD, "--json", str(result)),
        }
        return {"recipe": recipe, **json.loads(result.read_text())}, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    arguments = parser.parse_args()
    measured = [measure(recipe, arguments.runs_dir.resolve()) for recipe in arguments.recipes]
    bench = {
        "date": date.today().isoformat(),
        "version": version("tinyloc"),
        "board": BOARD,
        "seconds_at_most": {stage: round(max(seconds[stage] for _, seconds in measured), 1) for stage in TIMED},
        "results": [result for result, _ in measured],
    }
    record = ROOT / "docs" / "bench.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(bench, indent=1) + "\n")
    readme = ROOT / "README.md"
    readme.write_text(rewritten(readme.read_text(), bench))
    print(f"wrote {record} and the table in {readme}")


if __name__ == "__main__":
    main()
