"""Positions of all files in metres from one origin."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.files import Floats
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
METRES_PER_DEGREE = 111_195.08
"""Of a great circle of the mean Earth radius, 6,371,009 m."""
DEGREES_SPAN = 0.1
"""No site is 10 cm wide in metres, and few are 11 km wide in degrees."""
FAR_M = 100_000.0
"""Coordinates beyond it lose centimetres in 32 bits and are counted from the site's corner."""
OTHER_UNIT = 20.0
"""Files whose sites differ in width by more than this factor have two units."""


def in_metres(files: Mapping[str, Scans], about: OwnData, findings: Findings) -> dict[str, Scans]:
    """Return the files with positions in metres.

    Longitude and latitude are projected (equirectangular, exact to 0.1 % within 10 km of the site at 60 degrees);
    they and coordinates far from 0 are counted from the smallest coordinates of the first file, which a note says.
    """
    if not about.columns.x:
        return dict(files)
    flat = np.concatenate([known(scans.position[:, :2]) for scans in files.values()])
    if not len(flat):
        findings.problems.append("no row has a position; leave out columns.x and columns.y")
        return dict(files)
    unit = about.coordinates
    if unit == "auto":
        unit = "degrees" if look_like_degrees(flat) else "m"
    first = next(iter(files.values()))
    corner = known(first.position[:, :2]).min(axis=0)
    if unit == "degrees":
        if (np.abs(flat) > (180.0, 90.0)).any():
            findings.problems.append("coordinates = degrees: x must be -180 to 180 (longitude), y -90 to 90 (latitude)")
            return dict(files)
        scale = np.array([np.cos(np.radians(corner[1])), 1.0]) * METRES_PER_DEGREE
        findings.notes.append(
            f"positions are longitude and latitude, projected to metres from {corner[0]:.6f}, {corner[1]:.6f}"
        )
    else:
        scale = np.full(2, METRES[unit])
        if np.abs(flat * scale).max() < FAR_M:
            corner = np.zeros(2)
        else:
            findings.notes.append(f"positions are counted from {corner[0]:g}, {corner[1]:g}")
    height = METRES.get(unit, 1.0)
    moved = {
        split: replace(
            scans,
            position=np.column_stack([(scans.position[:, :2] - corner) * scale, scans.position[:, 2] * height]),
        )
        for split, scans in files.items()
    }
    findings.problems += _two_units(moved)
    return moved


def known(flat: Floats) -> Floats:
    """Rows without NaN."""
    rows: Floats = flat[~np.isnan(flat).any(axis=1)]
    return rows


def look_like_degrees(flat: Floats) -> bool:
    """Whether x, y (N, 2) look like longitude and latitude: possible, several, not near 0, 0, close together."""
    if len(np.unique(flat, axis=0)) < 3 or (np.abs(flat) > (180.0, 90.0)).any():
        return False
    span = flat.max(axis=0) - flat.min(axis=0)
    return bool((span < DEGREES_SPAN).all() and (np.abs(flat).max(axis=0) > 1.0).any())


def _two_units(files: Mapping[str, Scans]) -> list[str]:
    """A sentence when sites of two files differ so much in width that their units must differ."""
    widths: dict[str, npt.NDArray[np.float64]] = {}
    for scans in files.values():
        flat = known(scans.position[:, :2])
        if len(flat) > 1:
            widths[scans.source] = np.ptp(flat, axis=0)
    wide = {source: float(np.hypot(*width)) for source, width in widths.items()}
    if len(wide) < 2 or min(wide.values()) <= 0:
        return []
    largest, smallest = max(wide, key=wide.__getitem__), min(wide, key=wide.__getitem__)
    if wide[largest] < OTHER_UNIT * wide[smallest]:
        return []
    return [
        f"positions of {largest} span {wide[largest]:,.1f} m, those of {smallest} {wide[smallest]:,.2f} m: two units? "
        "Use one unit in all files"
    ]
