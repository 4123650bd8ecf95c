"""Positions of all files in metres from one origin."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Frame:
    """How coordinates of the files become metres: counted from `corner`, times `scale`."""

    corner: npt.NDArray[np.float64]  # (3,)
    scale: npt.NDArray[np.float64]  # (3,) metres per unit

    def metres(self, points: Floats) -> Floats:
        """(N, 3) as the files say -> (N, 3) metres."""
        moved: Floats = (points - self.corner) * self.scale
        return moved


AS_IT_IS = Frame(np.zeros(3), np.ones(3))


def frame_of(files: Mapping[str, Scans], about: OwnData, findings: Findings) -> Frame:
    """Find the frame of all files.

    Longitude and latitude are projected (equirectangular, exact to 0.1 % within 10 km of the site at 60 degrees);
    they and coordinates far from 0 are counted from the smallest coordinates of the first file, which a note says.
    """
    if not about.columns.x:
        return AS_IT_IS
    flat = np.concatenate([known(scans.position[:, :2]) for scans in files.values()])
    if not len(flat):
        findings.problems.append("no row has a position; leave out columns.x and columns.y")
        return AS_IT_IS
    unit = about.coordinates
    if unit == "auto":
        unit = "degrees" if look_like_degrees(flat) else "m"
    first = known(next(iter(files.values())).position[:, :2])
    x, y = first.min(axis=0) if len(first) else flat.min(axis=0)
    if unit == "degrees":
        if (np.abs(flat) > (180.0, 90.0)).any():
            findings.problems.append("coordinates = degrees: x must be -180 to 180 (longitude), y -90 to 90 (latitude)")
            return AS_IT_IS
        findings.notes.append(f"positions are longitude and latitude, projected to metres from {x:.6f}, {y:.6f}")
        east = float(np.cos(np.radians(y))) * METRES_PER_DEGREE
        return Frame(np.array([x, y, 0.0]), np.array([east, METRES_PER_DEGREE, 1.0]))
    scale = np.full(3, METRES[unit])
    if np.abs(flat * scale[:2]).max() < FAR_M:
        return Frame(np.zeros(3), scale)
    findings.notes.append(f"positions are counted from {x:g}, {y:g}")
    return Frame(np.array([x, y, 0.0]), scale)


def in_metres(files: Mapping[str, Scans], about: OwnData, findings: Findings) -> tuple[dict[str, Scans], Frame]:
    """Return the files with positions in metres, and their frame."""
    frame = frame_of(files, about, findings)
    moved = {split: replace(scans, position=frame.metres(scans.position)) for split, scans in files.items()}
    findings.problems += _two_units(moved)
    return moved, frame


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
