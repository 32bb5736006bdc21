"""How an expert drives a differential-drive base: straight there, around what is in the way."""

from collections.abc import Sequence

import numpy as np

from ..worlds.base_mjcf import BASE_RADIUS_M
from ..worlds.world import World

HIGHEST_SPEED_M_S, HIGHEST_TURN_RAD_S = 0.4, 0.5
"""Below the limits of both simulated bases."""
CLEARANCE_M = 0.05
"""Between base and obstacle."""

STANDING = np.array([0.05, 0.1])
"""Slower than this a base counts as standing, m/s and rad/s."""

_SPEED_GAIN_1_S = 0.8
_TURN_GAIN_1_S = 1.5
_TURN_FIRST_RAD = 0.7
"""Farther off its heading than this the base turns on the spot; nearer it drives the faster."""
_ARRIVED_M = 0.02
"""Nearer to the stopping distance than this the base stands still instead of creeping on."""
_STEP_S = 0.1


def base_pose(world: World) -> np.ndarray:
    """Where the base stands in the world: [x m, y m, yaw rad]."""
    rotation = world.body_rotation("base_link")
    return np.array(
        [*world.body_position("base_link")[:2], np.arctan2(rotation[1, 0], rotation[0, 0])]
    )


def stands(world: World) -> bool:
    """Whether the base stands still."""
    return bool((np.abs(world.base.velocity) < STANDING).all())


def polar(pose: np.ndarray, place: np.ndarray) -> tuple[float, float]:
    """Distance, m, and bearing, rad, left is positive, of a place [2] as seen from a pose."""
    x, y = np.subtract(place, pose[:2])
    return float(np.hypot(x, y)), wrapped(np.arctan2(y, x) - pose[2])


def wrapped(angle_rad: float) -> float:
    """The same direction between -pi and pi."""
    return float((angle_rad + np.pi) % (2.0 * np.pi) - np.pi)


def drive(
    pose: np.ndarray,
    place: np.ndarray,
    *,
    stop_m: float,
    obstacles: Sequence[tuple[float, float, float]],
    duration_s: float,
) -> np.ndarray:
    """The pose [3] after driving for a while towards a place [2].

    Args:
        pose: where the base stands, [x, y, yaw] in the world.
        place: what to drive to.
        stop_m: how far from its centre to stop.
        obstacles: x m, y m and radius m of what is in the way.
        duration_s: a multiple of 0.1 s.
    """
    for _ in range(round(duration_s / _STEP_S)):
        pose = arc(pose, *steer(pose, place, stop_m=stop_m, obstacles=obstacles), _STEP_S)
    return pose


def arc(pose: np.ndarray, forward: float, turn: float, duration_s: float) -> np.ndarray:
    """The pose [3] after driving at these speeds, m/s and rad/s, for a short while."""
    middle = pose[2] + turn * duration_s / 2.0
    return pose + np.array([forward * np.cos(middle), forward * np.sin(middle), turn]) * duration_s


def steer(
    pose: np.ndarray,
    place: np.ndarray,
    *,
    stop_m: float,
    obstacles: Sequence[tuple[float, float, float]],
) -> tuple[float, float]:
    """Forward speed, m/s, and turning rate, rad/s, at this instant; arguments as ``drive``."""
    distance_m, bearing = polar(pose, place)
    left_m = distance_m - stop_m
    heading = _around(pose, bearing, left_m, obstacles) if left_m > _ARRIVED_M else bearing
    turn = np.clip(_TURN_GAIN_1_S * heading, -HIGHEST_TURN_RAD_S, HIGHEST_TURN_RAD_S)
    if left_m < _ARRIVED_M:
        return 0.0, float(turn)
    ahead = max(0.0, 1.0 - abs(heading) / _TURN_FIRST_RAD)
    return float(min(HIGHEST_SPEED_M_S, _SPEED_GAIN_1_S * left_m) * ahead), float(turn)


def _around(
    pose: np.ndarray,
    bearing: float,
    left_m: float,
    obstacles: Sequence[tuple[float, float, float]],
) -> float:
    """The bearing nearest to the wanted one along which nothing is in the way."""
    blocked = []
    for x, y, radius_m in obstacles:
        distance_m, there = polar(pose, np.array([x, y]))
        room_m = radius_m + BASE_RADIUS_M + CLEARANCE_M
        if distance_m - room_m < left_m:
            half = np.arcsin(room_m / distance_m) if distance_m > room_m else np.pi / 2.0
            blocked.append((there, half))
    ways = [bearing]
    for there, half in blocked:
        ways += [wrapped(there - half), wrapped(there + half)]
    free = [
        way
        for way in ways
        if all(abs(wrapped(way - there)) >= half - 1e-9 for there, half in blocked)
    ]
    return min(free, key=lambda way: abs(wrapped(way - bearing)), default=bearing)
