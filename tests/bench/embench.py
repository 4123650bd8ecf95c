"""Check the cycle model against times that Embench publishes for an STM32F407 at 16 MHz, without wait states.

    EMBENCH_DIR=DIR python -m tests.bench.embench

EMBENCH_DIR names a clone of github.com/embench/embench-iot, bare or with a work tree. Its programs (GPL) are read from
the last commit, compiled below build/ and run on the virtual Cortex-M4; nothing of them is committed. The published
times (baseline-data/speed.json) are of 16 repetitions by GCC 14.1.0; here one repetition by the compiler of this
machine is modelled. Writes results/bench/embench.json.
"""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from tinyloc.boards import load_board
from tinyloc.device.emulator.crash import EmulatorCrash
from tinyloc.device.emulator.machine import Machine
from tinyloc.files import write_whole

ROOT = Path(__file__).resolve().parents[2]
RECORD, BUILD = ROOT / "results" / "bench" / "embench.json", ROOT / "build" / "embench"
CLONE = "EMBENCH_DIR"
COMPILER = "arm-none-eabi-gcc"
HZ, REPETITIONS = 16_000_000, 16
FLAGS = ["-O2", "-ffunction-sections", "-fdata-sections", "-mcpu=cortex-m4", "-mfloat-abi=soft", "-mthumb", "-w"]
"""Those of the published figures."""
ENTRY = "benchmark"
SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 4M
         RAM (rw) : ORIGIN = 0x20000000, LENGTH = 1M }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(8); } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .data : { data_start = .; *(.data*) . = ALIGN(8); data_end = .; } > RAM AT> FLASH
  data_load = LOADADDR(.data);
  .bss (NOLOAD) : { *(.bss*) *(COMMON) . = ALIGN(8); end = .; } > RAM
}
"""
START = """
#include <stdint.h>
#include <string.h>
#include "support.h"
void start(void);
extern char data_start[], data_end[], data_load[], end[];
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20100000, (void *)start};
void initialise_board(void) {}
void start_trigger(void) {}
void stop_trigger(void) {}
volatile int correct;
void start(void)
{
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(data_end, 0, (size_t)(end - data_end));
    initialise_benchmark();
    correct = verify_benchmark(benchmark());
    *(volatile uint32_t *)0x40004008 = 3; /* CMSDK UART 0: on; to wait for a byte ends the run */
    *(volatile uint32_t *)0x40004010 = 694;
    for (;;) {
        while (!(*(volatile uint32_t *)0x40004004 & 2)) {
        }
        (void)*(volatile uint32_t *)0x40004000;
    }
}
"""


def unpacked(clone: Path) -> Path:
    """The last commit's programs below build/."""
    out = BUILD / "source"
    out.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "-C", str(clone), "archive", "HEAD", "src", "support", "baseline-data"],
                             capture_output=True, check=True)  # fmt: skip
    subprocess.run(["tar", "-x", "-C", str(out)], input=archive.stdout, check=True)
    return out


def built(source: Path, name: str) -> Path:
    """The ELF file of a program."""
    (BUILD / "start.c").write_text(START)
    (BUILD / "embench.ld").write_text(SCRIPT)
    elf = BUILD / f"{name}.elf"
    files = [*sorted((source / "src" / name).glob("*.c")), source / "support" / "beebsc.c", BUILD / "start.c"]
    options = [*FLAGS, "-DGLOBAL_SCALE_FACTOR=1", "-DWARMUP_HEAT=0", f"-I{source / 'support'}", "-nostartfiles"]
    link = ["--specs=nosys.specs", "-Wl,--gc-sections,--no-warn-rwx-segments", "-T", str(BUILD / "embench.ld"), "-lm"]
    subprocess.run([COMPILER, *options, *map(str, files), *link, "-o", str(elf)], check=True, capture_output=True)
    return elf


def cycles_of(elf: Path) -> tuple[int, bool]:
    """(modelled cycles of one repetition, whether the program found its result right)."""
    machine = Machine(elf, load_board("cortex-m4"), measure=True, check_alignment=False, entries=frozenset({ENTRY}))
    machine.patience = 20
    machine.run()
    (run,) = machine.profiler.runs
    place = machine.image.symbols["correct"]
    return run.cycles, bool(int.from_bytes(machine.read_memory(place, 4), "little"))


def main() -> None:
    named = os.environ.get(CLONE)
    if not named:
        print(f"the cycle model is not checked: name a clone of embench-iot with {CLONE}")
        return
    source = unpacked(Path(named).resolve())
    published: dict[str, int] = json.loads((source / "baseline-data" / "speed.json").read_text())
    rows: list[dict[str, Any]] = []
    for name, milliseconds in published.items():
        row: dict[str, Any] = {"program": name, "published_ms": milliseconds}
        try:
            cycles, right = cycles_of(built(source, name))
        except (EmulatorCrash, subprocess.CalledProcessError) as error:
            told = error.stderr.decode() if isinstance(error, subprocess.CalledProcessError) else str(error)
            row["failed"] = told.strip().splitlines()[0][:200]
        else:
            ratio = cycles * REPETITIONS / (milliseconds * HZ / 1000)
            row |= {"cycles": cycles, "right": right, "modelled_to_measured": round(ratio, 3)}
        rows.append(row)
        print(row, flush=True)
    ratios = [row["modelled_to_measured"] for row in rows if row.get("right")]
    if not ratios:
        sys.exit("no program ran")
    compiler = subprocess.run([COMPILER, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    record = {
        "date": date.today().isoformat(), "compiler": f"gcc {compiler}", "programs": len(ratios),
        "median": round(median(ratios), 3), "least": min(ratios), "largest": max(ratios), "rows": rows,
    }  # fmt: skip
    write_whole(RECORD, json.dumps(record, indent=1) + "\n")
    print(f"{len(ratios)} programs: modelled / measured {record['median']} ({min(ratios)} to {max(ratios)})")


if __name__ == "__main__":
    main()
