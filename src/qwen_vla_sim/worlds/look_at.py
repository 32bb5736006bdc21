"""Where a camera of a world stands and looks."""

import numpy as np

Point = tuple[float, float, float]
"""x, y, z, m."""


def look_at(eye: Point, target: Point) -> str:
    """MJCF attributes of a camera at ``eye`` that looks at ``target``, its horizon level."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    up = np.cross(right, forward)
    numbers = (" ".join(f"{v:.6f}" for v in part) for part in (eye, (*right, *up)))
    return 'pos="{}" xyaxes="{}"'.format(*numbers)
