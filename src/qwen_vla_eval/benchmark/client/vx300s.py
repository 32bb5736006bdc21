"""Where the tools of gym-aloha's two arms are, and which joint angles bring them somewhere."""

import numpy as np

from .rotations import rotation_vector, turn

# gym_aloha/assets/vx300s_{left,right}.xml: each joint's axis, and where it sits in the one before.
_AXES = ("z", "y", "y", "x", "y", "x")
_ORIGINS_M = (
    (0.0, 0.0, 0.079),
    (0.0, 0.0, 0.04805),
    (0.05955, 0.0, 0.3),
    (0.2, 0.0, 0.0),
    (0.1, 0.0, 0.0),
    (0.069744, 0.0, 0.0),
)
LOWER = np.array([-3.14158, -1.85005, -1.76278, -3.14158, -1.8675, -3.14158])
UPPER = np.array([3.14158, 1.25664, 1.6057, 3.14158, 2.23402, 3.14158])
_TOOL_M = 0.14
"""From gripper_link to the middle between the fingers' pads, ahead along x."""
_DAMPING, _ITERATIONS, _LONGEST_STEP_RAD = 1e-2, 20, 0.2


class Arm:
    """One arm at its place in the scene. Poses are (position m [3], rotation [3, 3]), world."""

    def __init__(self, base_m: tuple[float, float, float], yaw_rad: float) -> None:
        self._base_m, self._base = np.array(base_m), turn("z", yaw_rad)

    def forward(self, joints_6: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the tool is."""
        position, rotation, _ = self._chain(joints_6)
        return position, rotation

    def inverse(
        self, position: np.ndarray, rotation: np.ndarray, near_6: np.ndarray
    ) -> np.ndarray:
        """Joint angles within the limits, near ``near_6``, that come closest to a pose."""
        joints = np.array(near_6, float)
        for _ in range(_ITERATIONS):
            at, turned, jacobian = self._chain(joints)
            error = np.concatenate([position - at, rotation_vector(rotation @ turned.T)])
            if np.abs(error).max() < 1e-4:
                break
            damped = jacobian @ jacobian.T + _DAMPING**2 * np.eye(6)
            step = jacobian.T @ np.linalg.solve(damped, error)
            step *= min(1.0, _LONGEST_STEP_RAD / max(np.abs(step).max(), 1e-12))
            joints = np.clip(joints + step, LOWER, UPPER)
        return joints

    def _chain(self, joints_6: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position, rotation = self._base_m.copy(), self._base.copy()
        places, axes = [], []
        for axis, origin, angle in zip(_AXES, _ORIGINS_M, joints_6, strict=True):
            position = position + rotation @ origin
            places.append(position)
            axes.append(rotation[:, "xyz".index(axis)])
            rotation = rotation @ turn(axis, angle)
        position = position + rotation @ [_TOOL_M, 0.0, 0.0]
        lever = position - np.array(places)
        jacobian = np.concatenate([np.cross(axes, lever).T, np.array(axes).T])
        return position, rotation, jacobian


LEFT = Arm((-0.469, 0.5, 0.0), 0.0)
RIGHT = Arm((0.469, 0.5, 0.0), np.pi)
