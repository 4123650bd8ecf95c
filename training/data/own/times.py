"""Times of recordings: order, pauses, and whether they agree with the rate."""

from dataclasses import replace

import numpy as np

from tinyloc.errors import counted
from tinyloc.training.data.files import Floats, some
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.data.own.reading import SECONDS
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans, runs

TOLERANCE = 1.25
"""By so much may the median step differ from 1 / rate_hz."""
LIKELY_HZ = (1 / 300, 1000.0)
"""A rate outside that nobody declared is a wrong time_unit."""
PAUSE_STEPS = 3.0
"""A step longer than so many median steps is a pause."""


def steps_of(scans: Scans) -> tuple[Floats, "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Seconds from each scan to the next of its recording, and the index of the next."""
    after = np.flatnonzero(scans.recording[1:] == scans.recording[:-1]) + 1
    return scans.time_s[after] - scans.time_s[after - 1], after


def ordered(scans: Scans, about: OwnData, findings: Findings) -> Scans:
    """Sort each recording by time and cut it at pauses longer than `pause_s`; says what was moved."""
    if not about.columns.time:
        return scans
    back = int((steps_of(scans)[0] < 0).sum())
    if back:
        findings.notes.append(
            f"{scans.source}: time goes back at {counted(back, 'row')}; recordings are sorted by time"
        )
    scans = scans.in_time_order()
    if about.pause_s is None:
        return scans
    pause = np.zeros(len(scans), np.int64)
    step, after = steps_of(scans)
    pause[after[step > about.pause_s]] = 1
    owner = runs(scans.recording)
    number = np.cumsum(pause) - np.cumsum(pause)[np.searchsorted(owner, owner)]
    names = [f"{name} {part + 1}" if part else name for name, part in zip(scans.recording, number, strict=True)]
    cut = replace(scans, recording=np.array(names, object))
    findings.notes.append(
        f"{scans.source}: {counted(int(pause.sum()), 'pause')} longer than {about.pause_s:g} s; "
        f"{counted(int(owner[-1]) + 1, 'recording')} became {int(runs(cut.recording)[-1]) + 1}"
    )
    return cut


def check_times(scans: Scans, about: OwnData, findings: Findings) -> float | None:
    """Compare times with `rate_hz`; the rate that was seen (Hz), None where no times say it.

    Problems and notes go to the findings; only sequences have a rate.
    """
    if not about.columns.time:
        return None
    step, after = steps_of(scans)
    span = scans.time_s.max() - scans.time_s.min()
    if not len(step) or not about.sequential:
        findings.notes.append(f"{scans.source}: times span {span:,.1f} s")
        return None
    still = sorted(
        {str(scans.recording[row]) for row in after} - {str(scans.recording[row]) for row in after[step > 0]}
    )
    if still:
        findings.problems.append(
            f"{scans.source}: all times of recording {some(still)} are equal; correct column {about.columns.time}, or "
            "leave it out and name rate_hz"
        )
        return None
    median = float(np.median(step))
    if median <= 0:
        findings.problems.append(
            f"{scans.source}: most rows have the time of the row before; a finer time_unit, or a recording column for "
            "each device?"
        )
        return None
    seen = 1.0 / median
    findings.notes.append(f"{scans.source}: times span {span:,.1f} s; median step {median:g} s ({seen:g} Hz)")
    same = int((step == 0).sum())
    if same:
        findings.notes.append(f"{scans.source}: {counted(same, 'row')} with the same time as the row before")
    if about.rate_hz and not 1 / TOLERANCE < seen / about.rate_hz < TOLERANCE:
        findings.problems.append(
            f"{scans.source}: times step by {median:g} s (median), rate_hz = {about.rate_hz:g} expects "
            f"{1 / about.rate_hz:g} s; {_unit_hint(median * about.rate_hz, about)}"
        )
    if not about.rate_hz and not LIKELY_HZ[0] <= seen <= LIKELY_HZ[1]:
        findings.problems.append(
            f'{scans.source}: times step by {median:g} s (median) with time_unit = "{about.time_unit}"; correct the '
            "unit, or name rate_hz if that is so"
        )
    pauses = np.flatnonzero(step > PAUSE_STEPS * median)
    if len(pauses):
        longest = pauses[step[pauses].argmax()]
        findings.notes.append(
            f"{scans.source}: {counted(len(pauses), 'pause')} longer than {PAUSE_STEPS:g} steps inside recordings, the "
            f"longest {step[longest]:,.1f} s before {scans.at(int(after[longest]))}; pause_s begins another recording "
            "after a longer one"
        )
    return seen


def _unit_hint(factor: float, about: OwnData) -> str:
    """What to do about steps that are `factor` times as long as the rate says."""
    for unit, seconds in SECONDS.items():
        ratio = factor * seconds / SECONDS.get(about.time_unit, 1.0)
        if unit != about.time_unit and 1 / TOLERANCE < ratio < TOLERANCE:
            return f'the times seem to be in {unit}: declare time_unit = "{unit}"'
    return "declare the rate of the file, or leave rate_hz out"
