"""Particle filter over position, heading error and step scale: an offline reference that knows walls and every range.

Too large for a microcontroller; it tells what the readings hold to somebody who knows how they came about. Bootstrap
filter after Gordon, Salmond, Smith (1993), systematic resampling; each particle expects of each range the delay and the
exponential tail of what stands between it and the anchor; particles that pass a wall lose their weight.
"""

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.batch import K_DEFAULT
from tinyloc.training.fusion.filters.dead_reckoning import reckon
from tinyloc.training.fusion.filters.trilaterate import trilaterate
from tinyloc.training.fusion.simulation.ranging import BODY, BODY_ANGLE, SIGHT_NOISE_M
from tinyloc.training.fusion.simulation.simulate import Walk
from tinyloc.training.fusion.simulation.sites import Site, crossings

Floats = npt.NDArray[np.float64]
STD_M = 2.5 * SIGHT_NOISE_M
FLOOR = 1e-3
"""Least likelihood of one range: no single range decides."""
INDEPENDENT = 0.3
"""Successive ranges share their multipath: their log likelihoods count for this part."""


def particle_track(walk: Walk, site: Site, seed: int, particles: int = 400) -> Floats:
    """Positions (N, 2) of the weighted mean; before the first fix 0."""
    assert walk.imu is not None
    generator = np.random.default_rng(seed)
    reckoning = reckon(walk.imu, walk.time_s, K_DEFAULT, walk.start_heading)
    fixes = trilaterate(walk.anchors_m, walk.ranges_m)
    walls = np.array([(w.x0, w.y0, w.x1, w.y1) for w in site.walls])
    count = len(walk.time_s)
    track = np.zeros((count, 2))
    first = int(np.argmax(fixes.good))
    p = fixes.position_m[first] + generator.normal(0, 1.0, (particles, 2))
    turn, scale = generator.normal(0, 0.05, particles), 1 + generator.normal(0, 0.04, particles)
    logs = np.zeros(particles)
    for n in range(first, count):
        dt = float(walk.time_s[n] - walk.time_s[n - 1]) if n else 0.0
        if reckoning.fresh[n]:
            velocity = reckoning.velocity_mps[n]
        moving = not reckoning.still[n]
        if n > first and dt > 0:
            spread = 0.25 if moving else 0.03
            v = velocity if moving and reckoning.fresh[: n + 1].any() else np.zeros(2)
            c, s = np.cos(turn), np.sin(turn)
            step = np.stack([c * v[0] - s * v[1], s * v[0] + c * v[1]], 1) * scale[:, None] * dt
            moved = p + step + generator.normal(0, spread * dt**0.5 * 0.5, p.shape)
            logs[_blocked(p, moved, walls)] -= 8.0
            p = moved
            turn += generator.normal(0, 0.01 * dt**0.5, particles)
        r = walk.ranges_m[n]
        heard = np.isfinite(r) & (r >= 0)
        logs += INDEPENDENT * _likelihood(p, r[heard], heard, reckoning.heading[n], site)
        weight = np.exp(logs - logs.max())
        weight /= weight.sum()
        track[n] = weight @ p
        if 1.0 / (weight**2).sum() < particles / 2:
            places = np.searchsorted(np.cumsum(weight), (np.arange(particles) + generator.random()) / particles)
            chosen = np.minimum(places, particles - 1)
            p, turn, scale = p[chosen], turn[chosen], scale[chosen] + generator.normal(0, 0.002, particles)
            logs = np.zeros(particles)
        else:
            logs = np.log(np.maximum(weight, 1e-300))
    return track


def _likelihood(p: Floats, ranges: Floats, heard: npt.NDArray[np.bool_], heading: float, site: Site) -> Floats:
    """Log likelihood (P,) of the ranges that were heard, from each particle's place."""
    towards = site.anchors[None] - p[:, None]
    distance = np.linalg.norm(towards, axis=2)
    excess, tail = np.zeros(distance.shape), np.full(distance.shape, 1e-3)
    crossed = crossings(site, p)
    behind = np.cos(np.arctan2(towards[..., 1], towards[..., 0]) - heading) < np.cos(BODY_ANGLE)
    obstacles = [(crossed[:, :, i], wall.material) for i, wall in enumerate(site.walls)] + [(behind, BODY)]
    for blocked, material in obstacles:
        excess += blocked * material.excess_m
        tail = np.where(blocked, np.hypot(tail, material.tail_m), tail)
    away = ranges[None] - (distance + excess)[:, heard]
    late = np.maximum(away, 0.0) / np.maximum(tail[:, heard], STD_M)
    shape = np.where(away > 0, late, 0.5 * (away / STD_M) ** 2)  # exponential after, Gaussian before
    density = np.exp(-shape) / np.maximum(tail[:, heard], STD_M) + FLOOR
    result: Floats = np.log(density).sum(axis=1)
    return result


def _blocked(start: Floats, end: Floats, walls: Floats) -> npt.NDArray[np.bool_]:
    """Which steps (P,) cross a wall (W, 4)."""
    if not len(walls):
        return np.zeros(len(start), dtype=bool)
    a, b = walls[None, :, :2], walls[None, :, 2:]
    p, q = start[:, None], end[:, None]

    def side(origin: Floats, tip: Floats, point: Floats) -> Floats:
        one, two = tip - origin, point - origin
        result: Floats = one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]
        return result

    crossed = (side(p, q, a) * side(p, q, b) <= 0) & (side(a, b, p) * side(a, b, q) < 0)
    return np.asarray(crossed.any(axis=1))
