"""Interbotix's published kinematics, sharing no code with Pinocchio or MuJoCo."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class PublishedArm:
    """Product of exponentials of one arm, from mr_descriptions.py.

    Attributes:
        screws: axis [w | v] of each joint in the base frame, with all joints at zero.
        home_m: ee_gripper_link then; its axes are those of the base.
    """

    screws: np.ndarray
    home_m: tuple[float, float, float]

    def pose(self, positions_rad: np.ndarray) -> np.ndarray:
        """Pose [4, 4] of ee_gripper_link in base_link (Lynch and Park, 4.1)."""
        pose = np.eye(4)
        for screw, angle in zip(self.screws, positions_rad, strict=True):
            pose = pose @ _exponential(screw[:3], screw[3:], angle)
        home = np.eye(4)
        home[:3, 3] = self.home_m
        return pose @ home


def _exponential(w: np.ndarray, v: np.ndarray, angle: float) -> np.ndarray:
    """Transform [4, 4] of a rotation about a screw axis (Lynch and Park, 3.88)."""
    hat = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    slide = np.eye(3) * angle + (1 - np.cos(angle)) * hat + (angle - np.sin(angle)) * hat @ hat
    transform = np.eye(4)
    transform[:3, :3] += np.sin(angle) * hat + (1 - np.cos(angle)) * hat @ hat
    transform[:3, 3] = slide @ v
    return transform


PUBLISHED_WX250S = PublishedArm(
    screws=np.array(
        [
            [0, 0, 1, 0, 0, 0],
            [0, 1, 0, -0.11065, 0, 0],
            [0, 1, 0, -0.36065, 0, 0.04975],
            [1, 0, 0, 0, 0.36065, 0],
            [0, 1, 0, -0.36065, 0, 0.29975],
            [1, 0, 0, 0, 0.36065, 0],
        ]
    ),
    home_m=(0.458325, 0.0, 0.36065),
)
PUBLISHED_VX300S = PublishedArm(
    screws=np.array(
        [
            [0, 0, 1, 0, 0, 0],
            [0, 1, 0, -0.12705, 0, 0],
            [0, 1, 0, -0.42705, 0, 0.05955],
            [1, 0, 0, 0, 0.42705, 0],
            [0, 1, 0, -0.42705, 0, 0.35955],
            [1, 0, 0, 0, 0.42705, 0],
        ]
    ),
    home_m=(0.536494, 0.0, 0.42705),
)
