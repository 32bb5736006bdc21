"""A differential-drive base that behaves like Trossen's SLATE: clamps, times out, stops."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # importing it for real would fix how it renders before gl.py has chosen
    import mujoco

COMMAND_TIMEOUT_S = 0.3
HIGHEST_SPEED, HIGHEST_TURN = 1.0, 1.0
"""Clamps of the real base, m/s and rad/s (Interbotix slate_base)."""


class SlateBase:
    """Velocities in, odometry out.

    The MJCF moves the base by two slides, ``base_x`` and ``base_y``, and the hinge ``base_yaw``
    above them, each with a velocity actuator of the same name.

    Attributes:
        estop_pressed: the emergency stop on the base; it stops, and its odometry says so.
    """

    def __init__(self, model: "mujoco.MjModel", data: "mujoco.MjData") -> None:
        names = ("base_x", "base_y", "base_yaw")
        self._data = data
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._dof = np.array([model.joint(name).dofadr[0] for name in names])
        self._actuators = np.array([model.actuator(name).id for name in names])
        self.estop_pressed = False
        self.reset((0.0, 0.0, 0.0))

    def reset(self, pose: tuple[float, float, float]) -> None:
        """Stand still at x m, y m, yaw rad in the world; odometry starts from zero there."""
        self._data.qpos[self._qpos] = pose
        self._origin = np.array(pose)
        self._goal = np.zeros(2)
        self._commanded_s = -np.inf

    def command(self, forward: float, turn: float) -> None:
        """New velocities, m/s and rad/s; they act until the time-out."""
        limit = (HIGHEST_SPEED, HIGHEST_TURN)
        self._goal = np.clip((forward, turn), np.negative(limit), limit)
        self._commanded_s = self._data.time

    def before_step(self) -> None:
        """Apply what the wheels do at this instant."""
        silent = self._data.time - self._commanded_s > COMMAND_TIMEOUT_S
        forward, turn = (0.0, 0.0) if silent or self.estop_pressed else self._goal
        yaw = self._data.qpos[self._qpos[2]]
        self._data.ctrl[self._actuators] = forward * np.cos(yaw), forward * np.sin(yaw), turn

    @property
    def pose(self) -> np.ndarray:
        """Odometry [3]: x m, y m, yaw rad since the start."""
        x, y, yaw = self._data.qpos[self._qpos] - self._origin
        cos, sin = np.cos(self._origin[2]), np.sin(self._origin[2])
        return np.array([cos * x + sin * y, cos * y - sin * x, yaw])

    @property
    def velocity(self) -> np.ndarray:
        """Measured forward speed, m/s, and turning rate, rad/s."""
        x, y, turn = self._data.qvel[self._dof]
        yaw = self._data.qpos[self._qpos[2]]
        return np.array([np.cos(yaw) * x + np.sin(yaw) * y, turn])
