"""Where one arm of the simulated ALOHA can put its gripper, and how it moves there."""

from functools import lru_cache

import numpy as np

from qwen_vla_core.embodiment import Group
from qwen_vla_core.embodiment.kinematics import ArmKinematics

from ..worlds.aloha_mjcf import BASES_M

START_RAD = np.array([0.0, -0.96, 1.16, 0.0, -0.3, 0.0])
"""START_ARM_POSE of Interbotix/aloha: elbows up, grippers level before the bases."""
START_FINGER_M = 0.02239

_DOWN_RAD = np.array([0.0, 0.2, 0.3, 0.0, 1.07, 0.0])
_LEVEL_RAD = np.array([0.0, -0.3, 0.9, 0.0, -0.6, 0.0])
"""Near which the inverse kinematics searches, with the waist turned towards the place."""

Place = tuple[float, float, float]
"""x, y, z in the world, m."""


def down(yaw_rad: float) -> np.ndarray:
    """Rotation [3, 3] of a gripper that points down; it closes along y turned by the yaw."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[0.0, -sin, cos], [0.0, cos, sin], [-1.0, 0.0, 0.0]])


def level(heading_rad: float) -> np.ndarray:
    """Rotation [3, 3] of a gripper that points ahead along the heading; it closes sideways."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


class AlohaArm:
    """The geometry of one arm, in the world instead of its base_link."""

    def __init__(self, group: Group, side: str) -> None:
        self._kinematics = ArmKinematics(group)
        self._base = np.array(BASES_M[side])
        # Plans ask for the same few poses over and over.
        self._solved = lru_cache(maxsize=256)(self._solve)

    def tool(self, joints: np.ndarray) -> np.ndarray:
        """Pose [4, 4] of the tool with the joints at [6] rad."""
        pose = self._kinematics.forward(joints)
        pose[:3, 3] += self._base
        return pose

    def heading(self, place: Place) -> float:
        """Direction from the base to a place, rad."""
        return float(np.arctan2(place[1] - self._base[1], place[0] - self._base[0]))

    def joints_down(self, place: Place, yaw_rad: float) -> np.ndarray:
        """Joint positions [6] with the tool at a place, pointing down.

        Raises:
            KinematicsError: out of reach.
        """
        return self._solved(*_rounded(place), round(yaw_rad, 3), False)

    def joints_level(self, place: Place, heading_rad: float) -> np.ndarray:
        """Joint positions [6] with the tool at a place, pointing ahead.

        Raises:
            KinematicsError: out of reach.
        """
        return self._solved(*_rounded(place), round(heading_rad, 3), True)

    def _solve(self, x: float, y: float, z: float, angle: float, is_level: bool) -> np.ndarray:
        pose = np.eye(4)
        pose[:3, :3] = level(angle) if is_level else down(angle)
        pose[:3, 3] = np.array([x, y, z]) - self._base
        near = (_LEVEL_RAD if is_level else _DOWN_RAD).copy()
        near[0] = self.heading((x, y, z))
        near[5] = 0.0 if is_level else near[0] - angle
        return self._kinematics.inverse(pose, near)


def _rounded(place: Place) -> Place:
    """To 0.1 mm."""
    x, y, z = (round(float(coordinate), 4) for coordinate in place)
    return x, y, z
