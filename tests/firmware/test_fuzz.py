"""Frames by a grammar into the applications, every answer compared with what docs/reference/link.md says must come.

The frames have right checksums and shapes and hostile content; see tests/firmware/fuzz. The fuzzers find a planted
fault, and they reach the handlers: `test_coverage` prints what they leave out.
"""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.firmware.fuzz_build import (
    FUSIONS,
    TAGGED,
    TARGETS,
    UPDATED,
    compile_fuzzer,
    has_libfuzzer,
    line_counts,
    run_fuzzer,
)
from tinyloc.paths import FIRMWARE_DIR

PARTS = ("link", "app", "localise", "fusion", "fusion_app", "tags", "hash", "update")
LEAST_COVERED = 0.95
FRAMES_OF_ALL = 10_000_000
LIBFUZZER_S = 300


@pytest.mark.parametrize("target", TARGETS)
def test_frames_by_grammar(target: str, tmp_path: Path) -> None:
    """At least half of the frames of each type are carried out, all answers are right, sanitizers are silent."""
    reached = run_fuzzer(compile_fuzzer(target, tmp_path, "sanitized"), seed=1, frames=40_000)
    types = {1, 3, 0x20, 0x21, 0x22} if TAGGED.get(target, target) in FUSIONS else {1, 2, 3, 0x10, 0x11}
    types |= {0x3B} if target in TAGGED else {0x30, 0x31, 0x32, 0x33, 0x38, 0x3A} if target == UPDATED else set()
    assert reached.keys() == {*map(str, types), "all"}
    for kind, count in reached.items():
        assert count.good >= 0.5 * count.sent > 100, (kind, count)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_ten_million_frames(target: str, tmp_path: Path) -> None:
    """No wrong and no stale answer in ten million frames over all applications."""
    program = compile_fuzzer(target, tmp_path, "sanitized")
    seeds, each = 5, FRAMES_OF_ALL // len(TARGETS) // 5 + 1
    for seed in range(seeds):
        assert run_fuzzer(program, seed + 100, each)["all"].sent >= each


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_libfuzzer(target: str, tmp_path: Path) -> None:
    """Five minutes over all targets, led by coverage."""
    if not has_libfuzzer():
        pytest.skip("clang is not installed: no libFuzzer")
    program = compile_fuzzer(target, tmp_path, "libfuzzer")
    (tmp_path / "corpus").mkdir()
    for seed in range(8):
        (tmp_path / "corpus" / f"seed{seed}").write_bytes(bytes((seed * 37 + n * n * 29) % 251 for n in range(600)))
    seconds = LIBFUZZER_S // len(TARGETS)
    command = [program, "corpus", f"-max_total_time={seconds}", "-max_len=4000", "-seed=1", "-print_final_stats=1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=seconds + 120)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr


def test_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of each part that the fuzzers ran, over all targets."""
    if shutil.which("gcov") is None:
        pytest.skip("gcov is not installed: no coverage of the firmware")
    lines: Counter[tuple[str, int]] = Counter()
    for target in TARGETS:
        work = tmp_path / target
        work.mkdir()
        run_fuzzer(compile_fuzzer(target, work, "coverage"), seed=1, frames=60_000)
        lines.update(line_counts(work))
    found = {}
    for part in PARTS:
        of_part = {key: count for key, count in lines.items() if key[0].startswith(f"{part}/")}
        missed = sorted(f"{file}:{line}" for (file, line), count in of_part.items() if count == 0)
        found[part] = 1 - len(missed) / len(of_part)
        with capsys.disabled():
            print(
                f"\n{part:11} {len(of_part):4} lines, {100 * found[part]:5.1f} % run; not: {' '.join(missed) or '-'}",
                end="",
            )
    assert min(found.values()) >= LEAST_COVERED, found


ORDER, LOCALISER, FILTER = "link/order.c", "localise/localiser.c", "fusion/fusion.c"
TAGS, UPDATE = "tags/tags.c", "update/update.c"
FAULTS = {
    "a retry is known by its number alone": (
        "scan", ORDER, "order->looked_at.digest == order->last.digest", "order->looked_at.seq == order->last.seq",
    ),
    "a RESET from before": ("scan", ORDER, "beyond < FURTHEST", "beyond != 1u"),
    "a count of samples beyond the frame": (
        "steered", "fusion_app/app.c", "IMU_WIRE * count) : INT32_MAX", "IMU_WIRE * count) : 9 + 28",
    ),
    "an index without its check": (
        "scan", LOCALISER, "readings[i].index >= inputs", "readings[i].index > inputs + 65534",
    ),
    "silence that is not called so": ("house", "app/app.c", "heard >= least_heard", "heard > least_heard"),
    "no restart after a silence": ("steered", FILTER, "return passed > LONGEST_SILENCE_US;", "return false;"),
    "no restart of a time that went back": (
        "steered", FILTER, "f->backwards_in_a_row >= BACKWARDS_MOST", "f->backwards_in_a_row == 0",
    ),
    "a position that never grows stale": (
        "steered", FILTER, "tl_passed_us(time_us, f->fixed_us) >", "tl_passed_us(time_us, f->fixed_us) < -",
    ),
    "a walk that is not checked": ("steered", FILTER, "k > 0.0f && k <= K_MOST", "k == k"),
    "a frame that is taken twice": ("tagged-votes", TAGS, "counter <= tags.counter", "counter < tags.counter"),
    "a tag of which a byte is not looked at": (
        "tagged-votes", TAGS, "length + COUNTER, TL_TAG)", "length + COUNTER, TL_TAG - 1u)",
    ),
    "an answer that is not tagged": (
        "tagged-adaptive", TAGS, "tags.signs = true", "tags.signs = request->type != 0x20",
    ),
    "a nonce that is good twice": ("updatable", UPDATE, "update.challenged = false; /*", "/*"),
    "a version that goes back": ("updatable", UPDATE, "header.version <= slots", "header.version < slots"),
    "flash that is not looked at before the commit": (
        "updatable", UPDATE, "!tl_same(digest, update.header.digest, TL_DIGEST)", "false",
    ),
}  # fmt: skip
"""Target, file, what stands there, and what breaks it."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, file, sound, broken = FAULTS[name]
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE_DIR, firmware)
    text = (firmware / file).read_text()
    assert text.count(sound) == 1, f"{file}: the place of the fault has changed"
    (firmware / file).write_text(text.replace(sound, broken))
    monkeypatch.setattr("tests.firmware.fuzz_build.FIRMWARE_DIR", firmware)
    work = tmp_path / "work"
    work.mkdir()
    program = compile_fuzzer(target, work, "sanitized")
    done = subprocess.run(
        [program, "1", "200000"], capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "symbolize=0"}
    )
    assert done.returncode != 0, "the fuzzer found nothing"
    print(done.stderr[-600:])
