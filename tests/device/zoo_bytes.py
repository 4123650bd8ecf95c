"""Digests of what the zoo's models compile to: a change that means to change no code shows here that it changes none.

`python -m tests.device.zoo_bytes` writes zoo_bytes.json. Run it when generated code or firmware is meant to change, and
say so in the commit.
"""

import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.device.image.build import build_firmware, find_compiler
from tinyloc.device.zoo.models import load_card, names
from tinyloc.paths import ZOO_DIR

FILE = Path(__file__).with_suffix(".json")
GENERATED = ("model.h", "model.c", "weights.h", "weights.c", "debug.c")


def compiler_version() -> str:
    """The cross compiler that made the images, as `arm-none-eabi-gcc 12.2.1`."""
    text = subprocess.run([find_compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\S+)", text)
    return f"arm-none-eabi-gcc {found[1] if found else text.splitlines()[0]}"


def digests(model: str) -> dict[str, str]:
    """Of a model of the zoo: "sources", and each of its boards -> SHA-256 of sources and of flash."""
    card = load_card(model)
    with tempfile.TemporaryDirectory(prefix="tinyloc-bytes-") as name:
        work = Path(name)
        compile_bundle(ZOO_DIR / model, work / "generated", card.arithmetic)
        sources = b"".join((work / "generated" / file).read_bytes() for file in GENERATED)
        found = {"sources": hashlib.sha256(sources).hexdigest()}
        for board in card.boards:
            image = build_firmware(work / "generated", load_board(board), work / board, card.optimise)
            found[board] = hashlib.sha256(image.bin.read_bytes()).hexdigest()
    return found


def recorded() -> dict[str, Any]:
    """{"compiler": ..., "models": {model: digests}}."""
    return dict(json.loads(FILE.read_text()))


if __name__ == "__main__":
    content = {"compiler": compiler_version(), "models": {model: digests(model) for model in names()}}
    FILE.write_text(json.dumps(content, indent=1) + "\n")
