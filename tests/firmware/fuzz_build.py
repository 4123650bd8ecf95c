"""Build the fuzzers of tests/firmware/fuzz: a program that makes its bytes from a seed, or a libFuzzer target."""

import ctypes
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tests.firmware.fake_model import DENSE_INT16, SPARSE_INT8, FakeModel
from tests.firmware.host_device import HERE, WARNINGS
from tests.fusion_host import any_student
from tests.small_bundle import small_bundle
from tinyloc.boards import load_board
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.fusion import compile_fusion
from tinyloc.device.image.build import board_header
from tinyloc.device.link.key import SharedKey
from tinyloc.device.update.slot import HEADER
from tinyloc.paths import FIRMWARE_DIR
from tinyloc.training.fusion.filters.settings import FilterSettings

UPDATE_TESTS = HERE.parent / "update"
PAGE = 256
Kind = Literal["sanitized", "fast", "coverage", "libfuzzer"]
MODELS = {
    "house": DENSE_INT16,
    "scan": SPARSE_INT8,
    "position": FakeModel(inputs=30, classes=5, window=1, hop=1, crf=False, state=False, bits=8, position=True),
    "votes": FakeModel(inputs=12, sparse=True, hold=3, window=3, hop=2, crf=False, least_heard=3, least_margin=2),
    "online": FakeModel(online=True, window=4, hop=1, hold=0),
}
FUSIONS = {
    "steered": FilterSettings(rule="variance", pull=0.1),
    "adaptive": FilterSettings(rule="adaptive", k1=1.0, k2=2.5, persistence=2, r=0.3),
    "gated": FilterSettings(rule="gated", gate=2.0),
    "guarded": FilterSettings(rule="guarded", pull=0.1, r=0.5, engage=1e-6, doubt_limit=1e6, doubt_memory=0.2),
}
TAGGED = {"tagged-votes": "votes", "tagged-adaptive": "adaptive"}
"""Targets that ask for tags, and the one that each is without."""
UPDATED = "updatable"
"""The target that takes updates: three models of one program."""
TARGETS = (*MODELS, *FUSIONS, *TAGGED, UPDATED)
_FLAGS = {
    "sanitized": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "fast": ["-O2"],
    "coverage": ["-O0", "--coverage"],
    "libfuzzer": [
        *("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-DFUZZ_BY_CLANG"),
    ],
}


def generate(target: str, directory: Path) -> Path:
    """Write the model, or the fusion's data, of a target."""
    if target in FUSIONS:
        anchors = np.array([[0.0, 0.0], [12.0, 0.0], [12.0, 8.0], [0.0, 8.0], [6.0, 9.0]])
        compile_fusion(any_student(), FUSIONS[target], anchors, directory)
    else:
        MODELS[target].write(directory)
    return directory


@dataclass(frozen=True)
class UpdatableParts:
    """What the target with updates has more."""

    sources: list[Path]
    flags: list[str]


def updatable_parts(work: Path) -> UpdatableParts:
    """Write three models of one program and one that has no room; the first one's code goes to work/generated."""
    constants = []
    for model in range(3):
        bundle = small_bundle(work / f"bundle{model}", hidden=20, seed=20 + model)
        generated = work / ("generated" if model == 0 else f"generated{model}")
        compile_bundle(bundle, generated, updatable=True)
        constants.append(host_constants(generated, work))
    constants.append(constants[0][:8] + (1000).to_bytes(4, "little") + constants[0][12:])  # access points
    room = -(-(HEADER + len(constants[0])) // PAGE) * PAGE
    rows = ",\n".join("{" + ", ".join(map(str, content)) + "}" for content in constants)
    shape = f"[{len(constants)}][{len(constants[0])}]"
    (work / "update_data.h").write_text(
        f"#define UPDATE_MODELS {len(constants)}u\n#define UPDATE_BYTES {len(constants[0])}u\n"
        f"extern const uint8_t update_constants{shape};\n"
    )
    (work / "update_data.c").write_text(
        '#include <stdint.h>\n#include "update_data.h"\n'
        f"const uint8_t update_constants{shape} = {{\n{rows}}};\n"
        "extern const uint8_t tl_program_id[8];\nconst uint8_t tl_program_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};\n"
        + SharedKey(bytes(range(32))).c_source("tl_update_key")
    )
    return UpdatableParts(
        [
            work / "generated" / "model.c", work / "update_data.c", UPDATE_TESTS / "host_flash.c",
            HERE / "fuzz" / "fuzz_update.c", FIRMWARE_DIR / "update" / "slots.c", FIRMWARE_DIR / "hash" / "sha256.c",
        ],
        [
            "-DTL_UPDATE", "-DTL_SLOT_A=((uintptr_t)host_slots)", "-DTL_SLOT_B=((uintptr_t)host_slots+TL_SLOT_BYTES)",
            f"-DTL_SLOT_BYTES={room}u", f"-DTL_FLASH_PAGE={PAGE}u", "-include", str(UPDATE_TESTS / "host_flash.h"),
        ],
    )  # fmt: skip


def host_constants(generated: Path, folder: Path) -> bytes:
    """The constants of updatable code as the host's compiler lays them out."""
    library = folder / f"{generated.name}.so"
    includes = [f"-I{generated}", f"-I{FIRMWARE_DIR}", f"-I{FIRMWARE_DIR / 'kernels'}"]
    command = ["cc", "-std=c11", "-shared", "-fPIC", *includes, str(generated / "weights.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    found = re.search(r"one struct, (\d+) bytes", (generated / "weights.h").read_text())
    assert found is not None
    content = (ctypes.c_uint8 * int(found[1])).in_dll(ctypes.CDLL(str(library)), "tl_first_constants")
    return bytes(content)


def compile_fuzzer(target: str, work: Path, kind: Kind) -> Path:
    """The program, in the directory `work`, which coverage's notes go to as well."""
    tagged, target = target in TAGGED, TAGGED.get(target, target)
    generated = work / "generated"
    updates = updatable_parts(work) if target == UPDATED else None
    if updates is None:
        generate(target, generated)
    (work / "board.h").write_text(board_header(load_board("stm32l4")))
    parts = ["link", "fusion"] if target in FUSIONS else ["link", "localise"]
    app = "fuzz_fusion.c" if target in FUSIONS else "fuzz_app.c"
    sources = [path for part in parts for path in sorted(FIRMWARE_DIR.glob(f"{part}/*.c"))]
    sources += [HERE / "fuzz" / "fuzz.c", HERE / "fuzz" / app, HERE / "host_port.c"]
    sources += sorted(generated.glob("*.c")) if updates is None else updates.sources
    if tagged:
        sources += [HERE / "fuzz" / "fuzz_tags.c", FIRMWARE_DIR / "hash" / "sha256.c"]
    compiler = "clang" if kind == "libfuzzer" else "cc"
    command = [
        compiler,
        *WARNINGS,
        *_FLAGS[kind],
        *(["-DTL_LINK_KEY"] if tagged else []),
        *(updates.flags if updates is not None else []),
        f"-I{work}",
        f"-I{generated}",
        f"-I{FIRMWARE_DIR}",
        f"-I{HERE / 'fuzz'}",
    ]
    program = work / "fuzzer"
    done = subprocess.run([*command, *map(str, sources), "-o", str(program)], capture_output=True, text=True, cwd=work)
    assert done.returncode == 0, done.stderr
    return program


@dataclass(frozen=True)
class Reached:
    """How many frames were sent and how many carried out."""

    sent: int
    good: int


def run_fuzzer(program: Path, seed: int, frames: int, timeout: float = 600.0) -> dict[str, Reached]:
    """Frames by type of request (and "all" of them), from a program that found nothing wrong."""
    done = subprocess.run(
        [program, str(seed), str(frames)], capture_output=True, text=True, timeout=timeout, cwd=program.parent
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: Reached(int(row[1]), int(row[2])) for row in rows}


def exchanges(program: Path, seed: int, record: Path) -> list[tuple[bytes, bytes]]:
    """Bytes of the wire, there and back, from one power-on of a fuzzed device; every answer was found right."""
    done = subprocess.run([program, str(seed), "1", str(record)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    data, place, parts = record.read_bytes(), 0, []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "little")
        parts.append(data[place + 4 : place + 4 + length])
        place += 4 + length
    return list(zip(parts[::2], parts[1::2], strict=True))


def has_libfuzzer() -> bool:
    """Whether clang is there with libFuzzer's runtime."""
    if shutil.which("clang") is None:
        return False
    empty = b"int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d == 0 && n == 0; }"
    command = ["clang", "-fsanitize=fuzzer", "-x", "c", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=empty, capture_output=True).returncode == 0


def line_counts(work: Path) -> dict[tuple[str, int], int]:
    """How often each line of the firmware ran, by its file below firmware/, after a program built for coverage ran."""
    done = subprocess.run(
        ["gcov", "--json-format", "--stdout", *(path.name for path in sorted(work.glob("*.gcda")))],
        capture_output=True, text=True, cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts: dict[tuple[str, int], int] = {}
    for text in done.stdout.splitlines():
        for file in json.loads(text)["files"]:
            path = Path(file["file"])
            if not path.is_relative_to(FIRMWARE_DIR):
                continue
            for line in file["lines"]:
                key = (str(path.relative_to(FIRMWARE_DIR)), int(line["line_number"]))
                counts[key] = counts.get(key, 0) + int(line["count"])
    return counts
