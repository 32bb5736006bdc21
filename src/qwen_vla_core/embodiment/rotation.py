"""Rotation matrices and the three ways a model may name a rotation.

``euler``: fixed-axis roll, pitch, yaw in rad (REP-103), R = Rz(yaw) Ry(pitch) Rx(roll).
``axis_angle``: the rotation vector in rad; its length, at most pi, is the angle.
``rot6d``: the first two columns of the matrix, the only one that never jumps (Zhou et al. 2019).
"""

import numpy as np
import pinocchio as pin

from ..errors import KinematicsError

SHORTEST_COLUMN = 0.1
"""What must be left of a 6-D rotation's columns for them to say a direction; in a rotation both
have length 1. Gram-Schmidt on less would blow noise up."""


def matrix_from_euler(rpy: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of roll, pitch, yaw in rad."""
    return pin.rpy.rpyToMatrix(np.asarray(rpy, dtype=float))


def euler_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw in rad; pitch lies in [-pi/2, pi/2].

    At its ends only the sum or difference of roll and yaw is defined; the angles returned give
    the matrix back there too, but they jump from one to the other side.
    """
    return pin.rpy.matrixToRpy(np.asarray(rotation, dtype=float))


def matrix_from_axis_angle(vector: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of a rotation vector in rad."""
    return pin.exp3(np.asarray(vector, dtype=float))


def axis_angle_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Rotation vector [3] in rad, no longer than pi."""
    return pin.log3(np.asarray(rotation, dtype=float))


def matrix_from_rot6d(columns_6: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] from its first two columns, made orthonormal by Gram-Schmidt.

    Raises:
        KinematicsError: a column is next to nothing, or both point along one line.
    """
    first, second = np.asarray(columns_6, dtype=float).reshape(2, 3)
    x = _unit(first)
    y = _unit(second - x * (x @ second))
    return np.stack([x, y, np.cross(x, y)], axis=1)


def rot6d_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """The first two columns [6] of a rotation matrix, one after the other."""
    return np.asarray(rotation, dtype=float)[:, :2].T.flatten()


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    if not SHORTEST_COLUMN <= length < np.inf:  # also where it is NaN
        raise KinematicsError(f"{vector} is no column of a rotation matrix")
    return vector / length


TO_MATRIX = {
    "euler": matrix_from_euler,
    "axis_angle": matrix_from_axis_angle,
    "rot6d": matrix_from_rot6d,
}
FROM_MATRIX = {
    "euler": euler_from_matrix,
    "axis_angle": axis_angle_from_matrix,
    "rot6d": rot6d_from_matrix,
}
