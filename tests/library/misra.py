"""MISRA C:2012 over generated code: what cppcheck's addon finds, and the rules that docs/reference/misra.md excepts.

`make misra` runs `python -m tests.library.misra`: exit code 1 when there is a finding outside the page's list, or of a
mandatory rule.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.library.made import fusion_model, written, zoo_model
from tinyloc.paths import CLONE_DIR

PAGE = CLONE_DIR / "docs" / "reference" / "misra.md"
MODELS = ("uji", "ble-flat", "house-a", "uji-position")
MANDATORY = frozenset(
    [
        "9.1",
        "12.5",
        "13.6",
        "17.3",
        "17.4",
        "17.6",
        "19.1",
        "21.13",
        "21.17",
        "21.18",
        "21.19",
        "21.20",
        "22.2",
        "22.4",
        "22.5",
        "22.6",
    ]
)
"""Rules without exception, whatever the page says. Source: MISRA C:2012, amendments 1 and 2, appendix A."""


def excepted() -> set[str]:
    """Rules of the page's table that may be excepted."""
    return set(re.findall(r"^\| (\d+\.\d+) \|", PAGE.read_text(encoding="utf-8"), re.M)) - MANDATORY


def findings(library: Path) -> Counter[str]:
    """Rule -> number of findings in the sources of a library."""
    sources = [str(path) for path in sorted((library / "src").glob("*.c")) if not path.stem.endswith("_weights")]
    command = ["cppcheck", "--addon=misra", "--std=c99", "--platform=arm32-wchar_t4", "--quiet"]
    done = subprocess.run(
        [*command, "--suppress=missingIncludeSystem", f"-I{library / 'include'}", *sources],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Counter(re.findall(r"misra-c2012-(\d+\.\d+)", done.stderr))


def main() -> int:
    """Print what was found; 1 when a rule is broken that the page does not except."""
    if shutil.which("cppcheck") is None:
        print("no cppcheck; install it with `apt install cppcheck`", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="tinyloc-misra-") as name:
        models = [zoo_model(model, f"model{number}") for number, model in enumerate(MODELS)]
        found = findings(written(Path(name), [*models, fusion_model()]))
    for rule in sorted(found, key=lambda rule: [int(part) for part in rule.split(".")]):
        print(f"{rule:>6} {found[rule]:5d}{'' if rule in excepted() else '  NOT EXCEPTED in docs/reference/misra.md'}")
    unused = sorted(excepted() - set(found))
    if unused:
        print(f"excepted without need: {', '.join(unused)}")
    return 1 if set(found) - excepted() else 0


if __name__ == "__main__":
    sys.exit(main())
