"""What the WidowX's tasks share: colours, where things and the arm may stand on its table."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.embodiment.rotation import matrix_from_euler

from ..hardware.xs_models import FINGER, WX250S
from ..worlds.objects_mjcf import HALF_M
from ..worlds.world import Colour, Placement

RGB: dict[str, Colour] = {
    "red": (0.85, 0.10, 0.08, 1.0),
    "green": (0.10, 0.62, 0.15, 1.0),
    "blue": (0.10, 0.22, 0.85, 1.0),
    "yellow": (0.95, 0.80, 0.08, 1.0),
    "purple": (0.45, 0.10, 0.58, 1.0),
    "pink": (0.95, 0.50, 0.68, 1.0),
}
BLOCK_COLOURS = ("red", "green", "blue")
PLATE_COLOURS = ("yellow", "purple", "pink")
"""In training; with ``Shift.COLOUR`` blocks wear the plates' colours and plates the blocks'."""

FINGERS = {FINGER, f"{FINGER}_mirror"}
"""Bodies of both fingers."""

Area = tuple[tuple[float, float], ...]
"""Lowest and highest of each coordinate, m."""

START_AREA_M: Area = ((0.20, 0.32), (-0.09, 0.09), (0.14, 0.20))
START_YAW_RAD = 0.3
_WILD_START = np.array([[0.18, 0.36], [-0.15, 0.15], [0.06, 0.22], [-0.5, 0.5]])
"""x, y, z m and yaw rad; down to where the fingertips clear the blocks by 2 mm."""
_NEUTRAL_RAD = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0])
"""Gripper pointing down in the middle of the area; where the search for start poses begins."""


def draw_apart(
    rng: np.random.Generator,
    count: int,
    area_m: Area,
    separation_m: Callable[[int, int], float],
    *,
    outside_m: Area | None = None,
) -> list[np.ndarray]:
    """Centres [2] in an area, apart from each other.

    Args:
        rng: what to draw from.
        count: how many.
        area_m: where.
        separation_m: how far the centres of two things have to be apart.
        outside_m: a part of the area where none shall be.
    """
    low_m, high_m = np.transpose(area_m)
    centres: list[np.ndarray] = []
    refused = 0
    while len(centres) < count:
        centre = rng.uniform(low_m, high_m)
        if not _inside(centre, outside_m) and all(
            math.dist(centre, other) >= separation_m(len(centres), index)
            for index, other in enumerate(centres)
        ):
            centres.append(centre)
        elif (refused := refused + 1) % 50 == 0:
            centres.clear()  # the first ones left no room
    return centres


def _inside(centre: np.ndarray, area_m: Area | None) -> bool:
    return area_m is not None and all(
        low <= value <= high for value, (low, high) in zip(centre, area_m, strict=True)
    )


def lay_objects(
    bodies: Sequence[str], centres: Sequence[np.ndarray], yaws_rad: Sequence[float]
) -> dict[str, Placement]:
    """Things on the table, whose top is at zero."""
    return {
        body: (*centre, HALF_M[body][2], yaw)
        for body, centre, yaw in zip(bodies, centres, yaws_rad, strict=True)
    }


def start_pose(rng: np.random.Generator, codec: EmbodimentCodec) -> np.ndarray:
    """Joint positions [7] with the gripper above the table, pointing down and open."""
    position = rng.uniform(*np.transpose(START_AREA_M))
    yaw_rad = rng.uniform(-START_YAW_RAD, START_YAW_RAD)
    return np.append(_joints(*position, yaw_rad, codec), WX250S.finger_limits_m[1])


def wild_pose(rng: np.random.Generator, codec: EmbodimentCodec) -> np.ndarray:
    """Joint positions [7] with the gripper anywhere over the table, pointing down, partly open."""
    joints = _joints(*rng.uniform(*_WILD_START.T), codec)
    return np.append(joints, rng.uniform(*WX250S.finger_limits_m))


def pointing_down(codec: EmbodimentCodec) -> np.ndarray:
    """Rotation of the tool [3, 3] with the gripper pointing down and no yaw."""
    arm = next(group for group in codec.embodiment.groups if group.name == "arm")
    return np.array(arm.action.kinematics.zero_rotation)


def _joints(
    x_m: float, y_m: float, z_m: float, yaw_rad: float, codec: EmbodimentCodec
) -> np.ndarray:
    """Joint positions [6] that put the tool there, pointing down."""
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_euler(np.array([0.0, 0.0, yaw_rad])) @ pointing_down(codec)
    pose[:3, 3] = x_m, y_m, z_m
    return codec.groups["arm"].kinematics.inverse(pose, _NEUTRAL_RAD)
