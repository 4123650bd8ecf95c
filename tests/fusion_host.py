"""firmware/fusion compiled for the host and called through ctypes, and small students to run in it."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.fusion import compile_fusion
from tinyloc.training.fusion.filters.rules import CHANNELS
from tinyloc.training.fusion.filters.settings import HISTORY, FilterSettings
from tinyloc.training.fusion.simulation.simulate import Walk
from tinyloc.training.fusion.students.quantised import IntegerStudent, quantise
from tinyloc.training.fusion.students.scaling import INPUTS, OUTPUTS, Frame

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
SOURCES = sorted((FIRMWARE / "fusion").glob("*.c"))
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion", "-ffp-contract=off")
SHIM = """
#include "fusion/data.h"
static tl_fusion_t fusion;
tl_walk_status_t shim_init(float k, float heading);
tl_walk_status_t shim_init(float k, float heading) {
    return tl_fusion_init(&fusion, &tl_fusion_settings, STUDENT, tl_fusion_anchors, ANCHOR_COUNT, k, heading);
}
void shim_imu(tl_time_t time_us, const float *values);
void shim_imu(tl_time_t time_us, const float *values) { tl_fusion_imu(&fusion, time_us, values, values + 3); }
void shim_ranges(tl_time_t time_us, const float *ranges, float *out);
void shim_ranges(tl_time_t time_us, const float *ranges, float *out) {
    tl_fused_t fused;
    tl_fusion_ranges(&fusion, time_us, ranges, &fused);
    out[0] = fused.valid;
    out[1] = fused.x;
    out[2] = fused.y;
    out[3] = fused.fix_variance;
    out[4] = fused.xx;
    out[5] = fused.yy;
    out[6] = fused.stale;
    out[7] = fused.backwards;
    out[8] = fused.restarted;
}
void shim_counts(int32_t *out);
void shim_counts(int32_t *out) {
    const tl_fusion_counts_t *c = &fusion.counts;
    const tl_imu_counts_t *i = &fusion.reckoner.counts;
    int32_t all[13] = {c->backwards, c->gaps, c->diverged, c->bad_ranges, c->no_fix[1], c->no_fix[2], c->no_fix[3],
                       i->bad_samples, i->backwards, i->gaps, c->outside,
                       c->restarts, i->restarts};
    for (int n = 0; n < 13; n++) { out[n] = all[n]; }
}
float shim_heading(void);
float shim_heading(void) { return fusion.reckoner.heading; }
uint32_t shim_bytes(void);
uint32_t shim_bytes(void) { return sizeof fusion; }
"""
COUNTS = (
    "backwards",
    "gaps",
    "diverged",
    "bad_ranges",
    "few",
    "collinear",
    "far",
    "imu_bad",
    "imu_backwards",
    "imu_gaps",
    "outside",
    "restarts",
    "imu_restarts",
)


def any_student(seed: int = 0, frame: Frame | None = None) -> IntegerStudent:
    """A student of random weights that says about "on by the mean of the last moves"."""
    generator = np.random.default_rng(seed)
    first = generator.normal(0, 0.05, (24, INPUTS))
    first[0, (HISTORY - 2) * CHANNELS], first[1, (HISTORY - 2) * CHANNELS + 1] = -1.0, -1.0
    first[2, (HISTORY - 2) * CHANNELS], first[3, (HISTORY - 2) * CHANNELS + 1] = 1.0, 1.0
    last = generator.normal(0, 0.05, (OUTPUTS, 24))
    last[0, 0], last[0, 2], last[1, 1], last[1, 3] = 1.0, -1.0, 1.0, -1.0
    layers = [(first, generator.normal(0, 0.01, 24)), (last, np.array([0.0, 0.0, -1.0, -0.5]))]
    return quantise(layers, generator.normal(0, 1, (500, INPUTS)), frame or Frame((5.0, 5.0), 10.0))


class HostFusion:
    """The firmware's fusion for one walk."""

    def __init__(
        self, folder: Path, student: IntegerStudent | None, settings: FilterSettings,
        anchors: npt.NDArray[np.float64], k: float, heading: float, flags: tuple[str, ...] = (),
        anchor_count: str = "tl_fusion_anchor_count",
    ) -> None:  # fmt: skip
        given = "&tl_fusion_student" if student is not None else "0"
        generated, shim, library = folder / "generated", folder / "shim.c", folder / "fusion.so"
        compile_fusion(student or any_student(), settings, anchors, generated)
        shim.write_text(SHIM.replace("STUDENT", given).replace("ANCHOR_COUNT", anchor_count))
        sources = [*SOURCES, *sorted(generated.glob("*.c")), shim]
        command = ["cc", *WARNINGS, *flags, "-O2", "-shared", "-fPIC", f"-I{FIRMWARE}", f"-I{generated}"]
        command += map(str, sources)
        done = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self._c = ctypes.CDLL(str(library))
        self._c.shim_heading.restype = ctypes.c_float
        self._anchors = len(anchors)
        self.begin(k, heading)

    def begin(self, k: float, heading: float) -> int:
        """A new walk; tl_walk_status_t."""
        return int(self._c.shim_init(ctypes.c_float(k), ctypes.c_float(heading)))

    def imu(self, time_s: float, values: npt.ArrayLike) -> None:
        row = (ctypes.c_float * 6)(*np.asarray(values, dtype=float))
        self._c.shim_imu(ctypes.c_uint64(round(time_s * 1e6)), row)

    def ranges(self, time_s: float, ranges: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """valid, x, y, variance of the fix, variances of x and y, stale, backwards, restarted."""
        row, out = (ctypes.c_float * self._anchors)(*np.asarray(ranges, dtype=float)), (ctypes.c_float * 9)()
        self._c.shim_ranges(ctypes.c_uint64(round(time_s * 1e6)), row, out)
        return np.array(out, dtype=float)

    def walk(self, walk: Walk) -> npt.NDArray[np.float64]:
        """Feed a whole recording; (N, 9) as `ranges` gives them."""
        rows, position = [], 0
        imu = walk.imu
        for time, ranges in zip(walk.time_s, walk.ranges_m, strict=True):
            while imu is not None and position < len(imu.time_s) and imu.time_s[position] <= time:
                self.imu(imu.time_s[position], np.concatenate([imu.acceleration[position], imu.rate[position]]))
                position += 1
            rows.append(self.ranges(time, ranges))
        return np.array(rows)

    def counts(self) -> dict[str, int]:
        out = (ctypes.c_int32 * 13)()
        self._c.shim_counts(out)
        return dict(zip(COUNTS, out, strict=True))

    def heading(self) -> float:
        return float(self._c.shim_heading())

    def bytes(self) -> int:
        return int(self._c.shim_bytes())
