"""Rotation matrices and fixed-axis roll-pitch-yaw (REP-103): R = Rz(yaw) Ry(pitch) Rx(roll)."""

import numpy as np
import pinocchio as pin


def matrix_from_euler(rpy: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of roll, pitch, yaw in rad."""
    return pin.rpy.rpyToMatrix(np.asarray(rpy, dtype=float))


def euler_from_matrix(rotation: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw in rad; pitch lies in [-pi/2, pi/2]."""
    return pin.rpy.matrixToRpy(np.asarray(rotation, dtype=float))
