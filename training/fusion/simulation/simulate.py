"""Walks: ranges, inertial readings and truth, simulated from a seed or read from a recording."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.simulation.gait import Inertial, inertial, stroll
from tinyloc.training.fusion.simulation.ranging import simulate_ranges
from tinyloc.training.fusion.simulation.sites import Site

Floats = npt.NDArray[np.float64]
HEADING_ERROR = np.deg2rad(3.0)
"""The filter is told the heading at the start with this standard deviation."""


@dataclass(frozen=True)
class Walk:
    """One recording. N epochs of ranging, A anchors."""

    name: str
    anchors_m: Floats  # (A, 2)
    time_s: Floats  # (N,) ascending in a sound recording
    ranges_m: Floats  # (N, A), NaN: no range
    truth_m: Floats  # (N, 2), NaN where unknown
    imu: Inertial | None = None
    start_heading: float = 0.0
    obstacles: npt.NDArray[np.int64] | None = None  # (N, A) what stands between, if known


def simulate(site: Site, seed: int) -> Walk:
    """The walk of that seed at a site. The same seed gives the same walk, bit for bit."""
    generator = np.random.default_rng([seed, *site.name.encode()])
    route = np.array(site.route_m)
    if site.wanders:
        order = generator.integers(0, len(route), 10)
        route = route[order[np.insert(np.diff(order) != 0, 0, True)]]
    elif generator.random() < 0.5:
        route = route[::-1]
    corners = route[:, :2] + route[:, 2:] * generator.uniform(-1, 1, (len(route), 2))
    motion = stroll(corners, generator, site.wanders)
    readings = inertial(motion, generator)
    time = np.arange(0.1, motion.time_s[-1], 1.0 / site.rate_hz)
    points = np.stack([np.interp(time, motion.time_s, motion.position_m[:, axis]) for axis in range(2)], axis=1)
    heading = np.interp(time, motion.time_s, motion.heading)
    ranges, obstacles = simulate_ranges(site, time, points, heading, generator)
    return Walk(
        name=f"{site.name}-{seed}",
        anchors_m=site.anchors,
        time_s=time,
        ranges_m=ranges,
        truth_m=points,
        imu=None if site.people else readings,
        start_heading=float(motion.heading[0] + generator.normal(0.0, HEADING_ERROR)),
        obstacles=obstacles,
    )
