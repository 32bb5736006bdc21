"""Where a camera of a world sees a place."""

import numpy as np

from .world import World

NEAREST_M = 0.01
"""What is nearer to the camera's plane, or behind it, has no place in its image."""


def project(world: World, camera: str, points_N3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Places in the world, m, as a camera sees them now: columns and rows, pixels, [N, 2].

    Args:
        size: width and height of the image. Its left top corner is (0, 0), the middle of its
            first pixel (0.5, 0.5).
    Returns:
        Also places outside the image; NaN behind the camera.
    """
    width, height = size
    seen = world.data.camera(camera)
    # MuJoCo's cameras look along -z, x to the right and y up.
    right, up, back = ((points_N3 - seen.xpos) @ seen.xmat.reshape(3, 3)).T
    ahead = np.where(-back > NEAREST_M, -back, np.nan)
    half_angle = np.radians(world.model.camera(camera).fovy.item()) / 2.0
    focal_px = height / 2.0 / np.tan(half_angle)
    return np.stack(
        [width / 2.0 + focal_px * right / ahead, height / 2.0 - focal_px * up / ahead], axis=1
    )
