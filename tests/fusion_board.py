"""firmware/fusion on an emulated core: a small image that takes inertial samples and ranges over its UART."""

import json
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from fusion_host import FIRMWARE, SOURCES, WARNINGS

from tinyloc.boards import load_board
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator import machine as machine_module
from tinyloc.device.emulator.profile import RunCost
from tinyloc.training.fusion.c_source import fusion_source
from tinyloc.training.fusion.quantised import IntegerStudent
from tinyloc.training.fusion.settings import FilterSettings
from tinyloc.training.fusion.simulate import Walk

ENTRIES = frozenset({"tl_fusion_imu", "tl_fusion_ranges"})
CORES = {
    "cortex-m4f": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "cortex-m3": ("-mcpu=cortex-m3", "-mfloat-abi=soft"),
}
"""The M3 runs the same floating point in software (libgcc)."""
LINKER_SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64K
         RAM (rw) : ORIGIN = 0x20000000, LENGTH = 64K }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
  .bss (NOLOAD) : { *(.bss*) *(COMMON) } > RAM
}
__stack_start = 0x20000000 + 0x10000 - 2048;
"""
MAIN = """
#include <stddef.h>
extern const tl_fusion_settings_t tl_fusion_settings;
extern const uint8_t tl_fusion_anchor_count;
extern const tl_point_t tl_fusion_anchors[];
tl_fusion_t fusion;
void start(void);
void *memset(void *to, int value, size_t count);
void *memset(void *to, int value, size_t count) {
    volatile uint8_t *byte = to;
    while (count--) { *byte++ = (uint8_t)value; }
    return to;
}
void *memcpy(void *to, const void *from, size_t count);
void *memcpy(void *to, const void *from, size_t count) {
    volatile uint8_t *byte = to;
    const uint8_t *source = from;
    while (count--) { *byte++ = *source++; }
    return to;
}
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20010000, (void *)start};
#define REG(address) (*(volatile uint32_t *)(address))
static uint8_t get(void) { while (!(REG(0x4000441C) & 0x20)) {} return (uint8_t)REG(0x40004424); }
static void put(uint8_t byte) { while (!(REG(0x4000441C) & 0x80)) {} REG(0x40004428) = byte; }
static uint32_t word(void) { uint32_t w = 0; for (int i = 0; i < 4; i++) { w |= (uint32_t)get() << 8 * i; } return w; }
static float real(void) { union { uint32_t w; float f; } u = {.w = word()}; return u.f; }
static void say(float f) {
    union { float f; uint32_t w; } u = {.f = f};
    for (int i = 0; i < 4; i++) { put((uint8_t)(u.w >> 8 * i)); }
}
void start(void) {
#if defined(__ARM_FP)
    REG(0xE000ED88) = 0xFu << 20;
    __asm volatile("isb");
#endif
    REG(0x4002104C) |= 1;
    REG(0x40021058) |= 1 << 17;
    REG(0x48000000) = (REG(0x48000000) & ~0xC0000030u) | 0x80000020u;
    REG(0x48000020) |= 7 << 8;
    REG(0x48000024) |= 3u << 28;
    REG(0x4000440C) = 35;
    REG(0x40004400) = 0xD;
    float k = real(), heading = real();
    tl_fusion_init(&fusion, &tl_fusion_settings, &tl_fusion_student, tl_fusion_anchors, tl_fusion_anchor_count, k,
                   heading);
    for (;;) {
        uint8_t kind = get();
        uint32_t time = word();
        float values[16];
        uint8_t count = kind == 'I' ? 6 : tl_fusion_anchor_count;
        for (uint8_t i = 0; i < count; i++) { values[i] = real(); }
        if (kind == 'I') {
            tl_fusion_imu(&fusion, time, values, values + 3);
        } else {
            tl_fused_t out;
            tl_fusion_ranges(&fusion, time, values, &out);
            say((float)out.valid);
            say(out.x);
            say(out.y);
        }
    }
}
"""


@dataclass(frozen=True)
class Costs:
    """What an emulated walk cost. Cycles are modelled."""

    positions: npt.NDArray[np.float64]  # (n, 3) valid, x, y
    imu: list[RunCost]
    ranges: list[RunCost]
    flash_bytes: int
    ram_bytes: int
    """State of the fusion; the stack apart."""
    stack_bytes: int
    """Deepest frames below tl_fusion_ranges, from the compiler's report."""


def run_on(
    core: str, folder: Path, student: IntegerStudent, settings: FilterSettings, walk: Walk, k: float, seconds: float,
    optimise: str = "-O2",
) -> Costs:  # fmt: skip
    """Run the first seconds of a walk on a core and profile it. Skips without the cross compiler."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("arm-none-eabi-gcc is not installed: the emulator is not tested")
    elf = _build(compiler, core, folder, student, settings, walk, optimise)
    board = load_board("stm32l4").model_copy(update={"core": core})
    before, machine_module.ENTRIES = machine_module.ENTRIES, ENTRIES
    try:
        device = EmulatedDevice(elf, board, measure=True, check_alignment=False)
    finally:
        machine_module.ENTRIES = before
    positions, kinds = _feed(device, walk, k, seconds)
    runs = device.runs
    assert len(runs) == len(kinds)
    return Costs(
        positions=positions,
        imu=[run for run, kind in zip(runs, kinds, strict=True) if kind == "I"],
        ranges=[run for run, kind in zip(runs, kinds, strict=True) if kind == "R"],
        flash_bytes=_flash(compiler, folder),
        ram_bytes=_symbol(compiler, elf, "fusion"),
        stack_bytes=_stack(folder),
    )


def _build(
    compiler: str, core: str, folder: Path, student: IntegerStudent, settings: FilterSettings, walk: Walk, optimise: str
) -> Path:
    (folder / "test.ld").write_text(LINKER_SCRIPT)
    constants = fusion_source(student, settings, walk.anchors_m)
    (folder / "constants.c").write_text(constants)
    extern = '#include "fusion/fusion.h"\nextern const tl_student_t tl_fusion_student;\n'
    (folder / "main.c").write_text(extern + MAIN)
    objects = []
    for source in [*SOURCES, folder / "constants.c", folder / "main.c"]:
        target = folder / f"{source.stem}.o"
        warnings = WARNINGS if source in SOURCES else ()
        flags = ["-std=c11", *warnings, "-mthumb", *CORES[core], optimise, "-ffreestanding", "-g", "-fstack-usage"]
        # tail calls would hide a function's callers from the stack's depth
        flags += ["-ffunction-sections", "-fno-optimize-sibling-calls", f"-I{FIRMWARE}"]
        subprocess.run(
            [compiler, *flags, "-c", source, "-o", target],
            check=True, cwd=folder,
        )  # fmt: skip
        objects.append(target)
    elf = folder / "fusion.elf"
    link = [compiler, *CORES[core], "-mthumb", "-nostdlib", "-Wl,--gc-sections,--no-warn-rwx-segments", "-Wl,-estart"]
    subprocess.run([*link, "-T", folder / "test.ld", *objects, "-lgcc", "-o", elf], check=True)
    return elf


def _feed(device: EmulatedDevice, walk: Walk, k: float, seconds: float) -> tuple[npt.NDArray[np.float64], list[str]]:
    imu = walk.imu
    assert imu is not None
    device.write(struct.pack("<ff", k, walk.start_heading))
    device.read(0)
    positions, kinds, at = [], [], 0
    for time, ranges in zip(walk.time_s, walk.ranges_m, strict=True):
        if time > seconds:
            break
        while at < len(imu.time_s) and imu.time_s[at] <= time:
            device.write(b"I" + struct.pack("<I6f", round(imu.time_s[at] * 1e6), *imu.acceleration[at], *imu.rate[at]))
            kinds.append("I")
            at += 1
        device.write(b"R" + struct.pack(f"<I{len(ranges)}f", round(time * 1e6), *ranges))
        kinds.append("R")
        answer = b""
        while len(answer) < 12:
            answer += device.read(1.0)
        positions.append(struct.unpack("<3f", answer))
    return np.array(positions), kinds


def _flash(compiler: str, folder: Path) -> int:
    """Code and constants of the fusion, libgcc's software floating point included where it is linked."""
    size = compiler.replace("gcc", "size")
    listing = subprocess.run([size, folder / "fusion.elf"], check=True, capture_output=True, text=True).stdout
    main = subprocess.run([size, folder / "main.o"], check=True, capture_output=True, text=True).stdout
    return int(listing.splitlines()[1].split()[0]) - int(main.splitlines()[1].split()[0])


def _symbol(compiler: str, elf: Path, name: str) -> int:
    listing = subprocess.run(
        [compiler.replace("gcc", "nm"), "-S", elf], check=True, capture_output=True, text=True
    ).stdout
    row = next(line.split() for line in listing.splitlines() if line.endswith(f" {name}"))
    return int(row[1], 16)


def _stack(folder: Path) -> int:
    """The sum of the frames on the deepest chain: ranges, epoch, correct, forecast, layer."""
    frames: dict[str, int] = {}
    for file in folder.glob("*.su"):
        for line in file.read_text().splitlines():
            place, size, _ = line.split("\t")
            frames[place.split(":")[-1]] = int(size)
    chains = (
        ("tl_fusion_ranges", "epoch", "correct", "tl_student_forecast", "layer", "four"),
        ("tl_fusion_ranges", "tl_trilaterate", "lines", "tl_sqrt"),
        ("tl_fusion_ranges", "epoch", "move", "tl_ekf_update"),
        ("tl_fusion_ranges", "epoch", "correct", "fix_variance", "adaptive_factor", "median"),
    )
    return max(sum(frames.get(name, 0) for name in chain) for chain in chains)


def summary(costs: Costs) -> dict[str, object]:
    """Figures of a run for a table."""
    cycles = [run.cycles for run in costs.ranges]
    parts: dict[str, int] = {}
    for run in costs.ranges[len(costs.ranges) // 2 :]:
        for function in run.functions:
            parts[function.name] = max(parts.get(function.name, 0), function.cycles)
    return {
        "ranges_cycles_most": max(cycles),
        "ranges_cycles_mean": round(float(np.mean(cycles))),
        "imu_cycles_most": max(run.cycles for run in costs.imu),
        "imu_cycles_mean": round(float(np.mean([run.cycles for run in costs.imu]))),
        "cycles_by_function": dict(sorted(parts.items(), key=lambda item: -item[1])[:8]),
        "flash_bytes": costs.flash_bytes,
        "state_bytes": costs.ram_bytes,
        "stack_bytes": costs.stack_bytes,
    }


def write_summary(results: Path, folder: Path) -> dict[str, dict[str, object]]:
    """Measure the committed student of the loop on both cores and write cycles.json beside it."""
    from tinyloc.training.fusion.batch import K_DEFAULT
    from tinyloc.training.fusion.simulate import simulate
    from tinyloc.training.fusion.sites import LOOP
    from tinyloc.training.fusion.storage import load_student
    from tinyloc.training.fusion.study import StudyRecord

    record = StudyRecord.model_validate_json((results / "loop.json").read_text())
    student, found = load_student(results / "loop-student.json"), {}
    for core in CORES:
        for method in ("fixed", "adaptive", "steered"):
            work = folder / f"{core}-{method}"
            work.mkdir(parents=True, exist_ok=True)
            costs = run_on(core, work, student, record.tuned[method], simulate(LOOP, 30_000), K_DEFAULT, 12.0)
            found[f"{core} {method}"] = summary(costs)
    (results / "cycles.json").write_text(json.dumps(found, indent=1) + "\n")
    return found
