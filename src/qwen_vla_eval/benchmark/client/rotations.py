"""Rotation matrices."""

import numpy as np


def turn(axis: str, angle_rad: float) -> np.ndarray:
    """Rotation matrix [3, 3] about x, y or z."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Axis times angle, rad, of a rotation matrix; short of half a turn."""
    skew = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    angle = np.arctan2(np.linalg.norm(skew), np.trace(rotation) - 1.0)
    return skew * (0.5 if angle < 1e-6 else angle / np.linalg.norm(skew))
