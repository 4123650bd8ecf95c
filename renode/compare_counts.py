"""Instructions per sample in Renode beside those of tinyloc's emulator.

`python3 compare_counts.py` in a directory of `tinyloc renode RUN --prepare` runs the robot test there with renode-test,
or takes the counts of the last run, and prints a table. Standard library only. Exit code 1: a count is out of bounds.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from golden import COUNTS, LEAST_INSTRUCTIONS


def run(directory: Path) -> None:
    """Run the robot test if renode-test is on the PATH; what fails shows in the counts or in its reports."""
    program = shutil.which("renode-test")
    if program is None:
        return
    (robot,) = directory.glob("*.robot")
    subprocess.run([program, str(robot), "-r", str(directory / "reports")], check=False)


def compare(directory: Path) -> tuple[str, bool]:
    """Table of the counts of the last run, and whether all are within the bound of golden.json."""
    path = directory / COUNTS
    if not path.is_file():
        raise SystemExit(f"{path}: no counts yet; put renode-test on the PATH, or run `tinyloc renode` first")
    tolerance = json.loads((directory / "golden.json").read_text(encoding="utf-8"))["tolerance"]
    lines = [f"{'sample':12}{'emulator':>12}{'Renode':>12}{'apart':>9}{'%':>9}"]
    emulator = renode = 0
    worst, within = 0.0, True
    with path.open(encoding="utf-8", newline="") as file:
        for name, ours, theirs in csv.reader(file):
            apart = int(theirs) - int(ours)
            share = apart / max(int(ours), 1)
            bound = tolerance * max(int(ours), LEAST_INSTRUCTIONS)
            lines.append(f"{name:12}{int(ours):12,}{int(theirs):12,}{apart:+9,}{100 * share:+9.3f}")
            emulator, renode, worst = emulator + int(ours), renode + int(theirs), max(worst, abs(share))
            within = within and abs(apart) <= bound
    lines.append(f"{'all':12}{emulator:12,}{renode:12,}{renode - emulator:+9,}{100 * (renode / emulator - 1):+9.3f}")
    lines.append(f"largest difference of a sample: {100 * worst:.3f} %; bound {100 * tolerance:g} %")
    return "\n".join(lines), within


def main() -> int:
    """Run and compare in the directory of the first argument, or in that of this file."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    run(directory)
    text, within = compare(directory)
    print(text)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
