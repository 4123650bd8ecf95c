"""The wearable's own loop on the emulated board: what it draws on average when it sleeps between samples.

The image is firmware/duty with a replay of test scans in the place of a radio. Between two sleeps the emulator counts
cycles; sleep, wake-up and the current of the awake core are board.toml's. Every answer is compared with the host's.
"""

import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.bundle.schema import TestSet, load_bundle, load_test_set
from tinyloc.codegen.manifest import read_manifest
from tinyloc.codegen.verify.integer_localiser import LocaliserReference
from tinyloc.device.emulator.families import port_directory
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.image.build import (
    Extras,
    Optimise,
    compile_and_link,
    find_compiler,
    firmware_sources,
    model_sources,
    source_name,
)
from tinyloc.device.image.footprint import flash_bytes
from tinyloc.errors import UserError

PROGRAM = ("duty", "localise")
RESULT = "tl_replay_result"
_RESULT = struct.Struct("<IiI")
_REPLAY = """\
/* Generated: scans of a test set in the place of a radio, and the last answer where the emulator looks for it. */
#include "duty/duty.h"

static const tl_reading_t readings[] = {{{readings}}};
static const uint16_t counts[] = {{{counts}}};

volatile struct {{
    uint32_t done;
    int32_t class_index;
    uint32_t status;
    int32_t scores[TL_CLASSES];
}} tl_replay_result;

static uint32_t scan, place;

void tl_scan_init(void) {{
    scan = place = 0;
}}

uint16_t tl_scan(const tl_reading_t **found) {{
{start}    if (scan == {samples}u) {{
        scan = place = 0;
    }}
    *found = &readings[place];
    place += counts[scan];
    return counts[scan++];
}}

void tl_publish(tl_status_t status, const tl_estimate_t *estimate) {{
    tl_replay_result.status = (uint32_t)status;
    tl_replay_result.class_index = estimate->class_index;
    for (uint32_t i = 0; i < TL_CLASSES; i++) {{
        tl_replay_result.scores[i] = estimate->scores[i];
    }}
    tl_replay_result.done++;
}}
"""

_START_ANEW = """\
    extern tl_localiser_t tl_localiser;
    tl_localiser_init(&tl_localiser); /* scans that do not follow one another */
"""


class DutyError(UserError):
    """A board whose port cannot sleep, or a rate that its timer cannot keep."""


@dataclass(frozen=True)
class Duty:
    """What the loop costs at one rate. Currents are estimates from modelled cycles and board.toml."""

    samples: int
    rate_hz: float
    mode: str  # of the sleep
    mismatches: int  # answers that differ from the host's
    inference_cycles: float  # of the localiser, a sample on average
    awake_cycles: float  # from wake to sleep, a sample on average
    wake_us: float
    sleep_microamp: float
    inference_microamp: float  # the localiser alone
    average_microamp: float  # everything
    flash_bytes: int  # of the whole image, the replayed scans not counted

    @property
    def overhead(self) -> float:
        """By how much the average exceeds sleep and inference, as a share of these."""
        return self.average_microamp / (self.sleep_microamp + self.inference_microamp) - 1.0


def replay_source(test_set: TestSet, samples: int) -> str:
    """replay.c: the first scans of a test set. They must be of one recording, or each the only one of its own."""
    scans = [test_set.sparse(index) for index in range(samples)]
    readings = [f"{{{i}, {dbm}}}" for indices, row in scans for i, dbm in zip(indices, row, strict=True)]
    counts = [str(len(indices)) for indices, _ in scans]
    return _REPLAY.format(readings=", ".join(readings) or "{0, 0}", counts=", ".join(counts), samples=samples,
                          start=_START_ANEW if test_set.apart else "")  # fmt: skip


def run_duty(
    bundle_dir: Path, generated_dir: Path, board: Board, rate_hz: float = 5.0, samples: int = 100,
    optimise: Optimise = "O2",
) -> Duty:  # fmt: skip
    """Build the loop, run it for so many samples of the test set's first recording, and reckon its current.

    Where every sample is a recording of its own, the loop takes so many of these and starts anew at each.
    Raises DutyError, BuildError, and EmulatorCrash for a sleep that would not end.
    """
    energy = board.energy
    if energy is None or energy.wake_us is None or energy.awake_hz is None:
        raise DutyError(
            f"board {board.name}: its port has no sleep (no energy.wake_us in board.toml, no sleep.c in "
            f"{port_directory(board.facts.family)}); the battery life in the report uses the sleep current alone"
        )
    period_ms = round(1e3 / rate_hz)
    if not 10 <= period_ms <= 3000:
        raise DutyError(f"{rate_hz:g} Hz: the rate must be between 0.34 and 100 Hz, for timer and watchdog")
    bundle = load_bundle(bundle_dir)
    test_set = load_test_set(bundle_dir, bundle)
    first = next(test_set.recordings())
    count = min(samples, len(test_set.label) if test_set.apart else first.stop - first.start)
    generated = generated_dir.resolve()
    manifest = read_manifest(generated)
    with tempfile.TemporaryDirectory(prefix="tinyloc-duty-") as name:
        work = Path(name).resolve()
        replay = work / "replay.c"
        replay.write_text(replay_source(test_set, count), encoding="utf-8", newline="\n")
        image = work / "image"
        image.mkdir()
        sources = {source_name(path): path for path in firmware_sources(board, PROGRAM)}
        sources |= model_sources(generated) | {"generated/replay": replay}
        extras = Extras(flags=(f"-DTL_PERIOD_MS={period_ms}u",))
        compile_and_link(find_compiler(), image, sources, generated, board, optimise, extras)
        elf = image / "firmware.elf"
        machine = Machine(elf, board, measure=True)
        flash = flash_bytes(elf) - 4 * sum(len(test_set.sparse(i)[0]) for i in range(count)) - 2 * count
        answers = list(_run(machine, count, manifest.classes, period_ms))
    arithmetic = next(model.arithmetic for model in bundle.models if model.arithmetic == manifest.arithmetic)
    reference = LocaliserReference(bundle_dir, arithmetic, reference=manifest.reference)
    reference.reset()
    mismatches = 0
    for index, (class_index, scores, _, _) in enumerate(answers):
        if test_set.apart:
            reference.reset()
        expected = reference.sample(*test_set.sparse(index))
        mismatches += expected.class_index != class_index or not np.array_equal(expected.scores, scores)
    awake = float(np.mean([cycles for _, _, cycles, _ in answers]))
    inference = float(np.mean([run.cycles for run in machine.profiler.runs[-count:]]))
    run_ua = energy.run_ma_per_mhz * energy.awake_hz / 1e6 * 1e3
    awake_s = awake / energy.awake_hz + energy.wake_us * 1e-6
    rate = 1e3 / period_ms
    return Duty(
        samples=count,
        rate_hz=rate,
        mode=answers[-1][3],
        mismatches=mismatches,
        inference_cycles=inference,
        awake_cycles=awake,
        wake_us=energy.wake_us,
        sleep_microamp=energy.sleep_ua,
        inference_microamp=inference / energy.awake_hz * run_ua * rate,
        average_microamp=awake_s * rate * run_ua + (1.0 - awake_s * rate) * energy.sleep_ua,
        flash_bytes=flash,
    )


def _run(
    machine: Machine, samples: int, classes: int, period_ms: int
) -> Iterator[tuple[int, npt.NDArray[np.int32], int, str]]:
    """Class, scores, awake cycles and sleep mode of each sample."""
    result = machine.image.symbols[RESULT]
    machine.run()
    for sample in range(samples):
        found = machine.part.sleep()
        slept = machine.wake()
        if abs(slept - period_ms / 1e3) > 1e-3 or isinstance(found, str):
            raise DutyError(f"the timer was set to {slept:.4f} s instead of {period_ms} ms")
        before = machine.profiler.cycles
        machine.run()
        awake = machine.profiler.cycles - before
        done, class_index, status = _RESULT.unpack(machine.read_memory(result, _RESULT.size))
        if done != sample + 1 or status != 0:
            raise DutyError(f"sample {sample}: the loop answered {done} scans, status {status}")
        scores = np.frombuffer(machine.read_memory(result + _RESULT.size, 4 * classes), np.int32)
        yield class_index, scores, awake, found.mode
