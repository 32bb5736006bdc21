"""Depth as an image: the form that a vision tower trained on colours uses best."""

from functools import cache

import cv2
import numpy as np

LEVELS = 255
"""Distinct distances; a range of 2 m gives steps of 8 mm, about a depth camera's noise."""


def render_depth(depth_HW: np.ndarray, near_m: float, far_m: float) -> np.ndarray:
    """Colour a depth image: near is red, far is blue, black is not measured.

    Linear over OpenCV's Turbo map, in which neighbouring distances differ more than in grey. As
    in REP 117 and 118, NaN and 0 were not measured, -inf is too near and +inf too far to measure;
    distances beyond the range get its ends' colours.

    Args:
        depth_HW: distance along the camera's axis, m, any float type; what is negative was not
            measured either.
        near_m, far_m: the range that the colours span, m, near < far.
    Returns:
        uint8 RGB [H, W, 3].
    """
    steps_per_m = (LEVELS - 1) / (far_m - near_m)
    with np.errstate(over="ignore"):  # beyond any range, as infinity is
        level = depth_HW * np.float32(-steps_per_m)
    level += np.float32(LEVELS + near_m * steps_per_m + 0.5)  # to be cut off to whole levels
    np.clip(level, 1.0, LEVELS, out=level)
    level[~((depth_HW > 0.0) | np.isneginf(depth_HW))] = 0.0
    return cv2.applyColorMap(level.astype(np.uint8), _palette())


@cache
def _palette() -> np.ndarray:
    """RGB of level 0 (not measured), 1 (far) to 255 (near), uint8 [256, 1, 3]."""
    ramp = np.arange(LEVELS + 1, dtype=np.uint8)[:, None]
    colours = cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    colours[0] = 0
    return colours
