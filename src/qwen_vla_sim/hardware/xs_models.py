"""The Interbotix X-series arms that can be simulated, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

ARM_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
FINGER = "left_finger"
"""Interbotix's names."""
_FULL_TURN = (-pi + 1e-5, pi - 1e-5)


@dataclass(frozen=True, kw_only=True)
class XsModel:
    """One type of arm.

    Attributes:
        limits_rad: range of each arm joint, by name (URDF).
        finger_limits_m: half of the gripper's opening (URDF, left_finger).
        horn_m, rod_m: servo horn and connecting rod of the gripper (motor configuration).
        sleep_rad: sleep pose of the arm joints.
    """

    name: str
    limits_rad: Mapping[str, tuple[float, float]]
    finger_limits_m: tuple[float, float]
    horn_m: float
    rod_m: float
    sleep_rad: tuple[float, ...]


WX250S = XsModel(
    name="wx250s",
    limits_rad={
        "waist": _FULL_TURN,
        "shoulder": (-1.884956, 1.989675),
        "elbow": (-2.146755, 1.605703),
        "forearm_roll": _FULL_TURN,
        "wrist_angle": (-1.745329, 2.146755),
        "wrist_rotate": _FULL_TURN,
    },
    finger_limits_m=(0.015, 0.037),
    horn_m=0.014,
    rod_m=0.024,
    sleep_rad=(0.0, -1.80, 1.55, 0.0, 0.8, 0.0),
)
VX300S = XsModel(
    name="vx300s",
    limits_rad={
        "waist": _FULL_TURN,
        "shoulder": (-1.850049, 1.256637),
        "elbow": (-1.762783, 1.605703),
        "forearm_roll": _FULL_TURN,
        "wrist_angle": (-1.867502, 2.234021),
        "wrist_rotate": _FULL_TURN,
    },
    finger_limits_m=(0.021, 0.057),
    horn_m=0.022,
    rod_m=0.036,
    sleep_rad=(0.0, -1.85, 1.55, 0.0, 0.8, 0.0),
)
"""Limits and lengths from Interbotix's URDF, motor configurations and descriptions."""
