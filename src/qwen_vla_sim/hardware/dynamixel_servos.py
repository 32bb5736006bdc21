"""The DYNAMIXEL servos of an arm: goals, torque, operating modes and speed, as in the firmware.

A servo's goal stays in its registers, with and without torque: an arm that fell while its
torque was off goes back to its last goal when it comes on again (X series; owners of Reachy Mini
met it as pollen-robotics/reachy_mini#1136), at the firmware's speed and not at once. Changing the
operating mode makes the present position the goal.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # importing it for real would fix how it renders before gl.py has chosen
    import mujoco

FASTEST_RAD_S = 3.1415
"""Velocity_Limit 131 of every arm motor (interbotix_xsarm_control/config)."""
RAD_S_PER_UNIT = 0.229 * 2.0 * np.pi / 60.0
"""One unit of Profile_Velocity is 0.229 revolutions per minute (DYNAMIXEL X manual)."""
_FAR = 2.0
"""Beyond this many times the lag at full speed a goal is approached at the servo's own speed. What
the safety filter streams stays nearer, and goes to the physics as it is."""

POSITION_MODES = ("position", "ext_position", "current_based_position")
MODES = (*POSITION_MODES, "velocity", "pwm", "current")
PWM_FULL = 885.0
CURRENT_FULL_MA = 2300.0
"""Value at which pwm and current exert the joint's whole effort (XM430-W350 at 12 V)."""


class DynamixelServos:
    """Some joints of a MuJoCo model, each with a position actuator of gains kp and kv.

    Attributes:
        modes: operating mode of each servo.
        torque: whether each holds.
    """

    def __init__(
        self,
        model: "mujoco.MjModel",
        data: "mujoco.MjData",
        joints: Sequence[str],
    ) -> None:
        self._model, self._data = model, data
        handles = [model.joint(name) for name in joints]
        self._qpos = np.array([joint.qposadr[0] for joint in handles])
        self._dof = np.array([joint.dofadr[0] for joint in handles])
        self._actuators = np.array([model.actuator(name).id for name in joints])
        self._effort = model.actuator_forcerange[self._actuators].copy()
        self._stiffness = model.actuator_gainprm[self._actuators, 0].copy()
        self._lag_s = model.actuator_biasprm[self._actuators, 2] / -self._stiffness
        count = len(joints)
        self.modes = ["position"] * count
        self.torque = np.ones(count, dtype=bool)
        self._goal = np.zeros(count)
        self._value = np.zeros(count)
        self._speed = np.full(count, FASTEST_RAD_S)
        self._duration_s = np.zeros(count)
        self._busy = False

    def hold(self, positions: np.ndarray) -> None:
        """Make these positions [N], rad, the goals, as if they were the present ones."""
        self._goal[:] = positions
        self._data.ctrl[self._actuators] = positions
        self._value[:] = 0.0
        self._busy = self._special

    def command(self, index: int, value: float, mode: str | None = None) -> None:
        """Write one goal register.

        Args:
            index: of the servo.
            value: rad, rad/s, pwm or mA.
            mode: of which the register is; the servo's own if None. A register of another mode
                has no effect.
        """
        mode = mode or self.modes[index]
        if mode not in POSITION_MODES:
            self._value[index] = value if mode == self.modes[index] else self._value[index]
            return
        self._goal[index] = value
        far_rad = abs(value - self._data.qpos[self._qpos[index]])
        if self._duration_s[index] > 0.0:
            self._speed[index] = far_rad / self._duration_s[index]
        if self._busy or far_rad > _FAR * self._speed[index] * self._lag_s[index]:
            self._busy = True
        else:
            self._data.ctrl[self._actuators[index]] = value

    def set_torque(self, index: int, enabled: bool) -> None:
        """Hold or release one servo; its registers stay as they are."""
        self.torque[index] = enabled
        self._model.actuator_forcerange[self._actuators[index]] = (
            self._effort[index] if enabled else 0.0
        )
        self._busy = True

    def set_mode(self, index: int, mode: str, profile_type: str, profile_velocity: int) -> None:
        """Change the operating mode and the profile.

        Args:
            index: of the servo.
            mode: one of ``MODES``.
            profile_type, profile_velocity: of ``set_profile``.

        Raises:
            ValueError: no such mode.
        """
        if mode not in MODES:
            raise ValueError(f"mode '{mode}' is none of {', '.join(MODES)}")
        self.modes[index] = mode
        self._goal[index] = self._data.qpos[self._qpos[index]]
        self._value[index] = 0.0
        self.set_profile(index, profile_type, profile_velocity)

    def set_profile(self, index: int, profile_type: str, profile_velocity: int) -> None:
        """Change how position modes move.

        Args:
            index: of the servo.
            profile_type: 'time' or 'velocity'.
            profile_velocity: of 'time' the duration of each motion, ms; of 'velocity' the speed
                in units of 0.229 rev/min, 0 for the fastest.
        """
        timed = profile_type == "time"
        self._duration_s[index] = profile_velocity * 1e-3 if timed else 0.0
        wanted = FASTEST_RAD_S if timed else profile_velocity * RAD_S_PER_UNIT
        self._speed[index] = min(wanted or FASTEST_RAD_S, FASTEST_RAD_S)
        self._busy = True

    def before_step(self) -> None:
        """Turn registers into what the actuators pull towards at this instant."""
        if not self._busy:
            return
        here, moving = self._data.qpos[self._qpos], self._data.qvel[self._dof]
        reach = self._speed * self._lag_s
        towards = np.clip(self._goal, here - reach, here + reach)
        self._busy = self._special or bool((towards != self._goal).any())
        for index, mode in enumerate(self.modes):
            if mode == "velocity":
                towards[index] = here[index] + self._value[index] * self._lag_s[index]
            elif mode not in POSITION_MODES:
                full = PWM_FULL if mode == "pwm" else CURRENT_FULL_MA
                effort = self._value[index] / full * self._effort[index, 1]
                still = here[index] + moving[index] * self._lag_s[index]
                towards[index] = still + effort / self._stiffness[index]
        self._data.ctrl[self._actuators] = towards

    @property
    def _special(self) -> bool:
        """Whether a servo needs care at every step, whatever its goal."""
        return any(mode not in POSITION_MODES for mode in self.modes) or bool(
            (self._speed < FASTEST_RAD_S).any()
        )
