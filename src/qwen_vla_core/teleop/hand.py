"""The pose of a hand along the axes of an arm's base_link."""

from collections.abc import Sequence

import numpy as np
import pinocchio as pin

from ..errors import NonFiniteError, ObservationError

UNIT_TOLERANCE = 0.01
"""How far the length of a quaternion may be from 1; float32 and three digits are enough."""


def hand_pose(
    position_m: Sequence[float], quaternion_xyzw: Sequence[float], axes: np.ndarray
) -> np.ndarray:
    """The pose [4, 4], m, of a hand.

    Args:
        position_m: x, y, z in the hand's frame. quaternion_xyzw: its rotation there.
        axes: [3, 3]; its columns are that frame's axes in base_link.
    Raises:
        NonFiniteError: a number is NaN or infinite. ObservationError: the quaternion is none.
    """
    position, quaternion = np.array(position_m, float), np.array(quaternion_xyzw, float)
    if not (np.isfinite(position).all() and np.isfinite(quaternion).all()):
        raise NonFiniteError("the pose is not finite")
    length = np.linalg.norm(quaternion)
    if not abs(length - 1.0) <= UNIT_TOLERANCE:
        raise ObservationError(f"the quaternion has length {length:.3g}, and not 1")
    pose = np.eye(4)
    rotation = pin.Quaternion(quaternion / length).toRotationMatrix()
    pose[:3, :3] = axes @ rotation @ axes.T
    pose[:3, 3] = axes @ position
    return pose
