"""The gripper's DYNAMIXEL servo: what the driver's commands do in each operating mode.

In pwm mode the value is a force that keeps acting; at 0 the gear's friction holds the fingers
where they are. In the position modes the servo's own loop produces the pwm.
"""

from math import asin, cos, sin, sqrt

import numpy as np

from .xs_models import XsModel

PWM_FULL = 885
"""Full scale of the servo's PWM (DYNAMIXEL X manual, Goal PWM)."""
FORCE_PER_PWM_N = 0.1
"""35 N at Bridge's 350: below the linkage's ideal 115 N, as losses and current limits leave it."""
_FREE_RAD_S = 4.8
"""Full PWM turns at 46 rpm without load (XM430-W350 at 12 V)."""
_POSITION_GAIN_PWM_M = 150_000.0
"""Full PWM from 6 mm of error on."""
CURRENT_LIMITED_PWM = 350.0
"""Where current_based_position stops pushing; stands for the servo's Current_Limit."""

MODES = ("position", "current_based_position", "pwm", "linear_position")


def finger_from_angle(angle_rad: float, xs_model: XsModel) -> float:
    """Half the opening, m, for a motor angle (Interbotix xs_sdk, convert_angular_position)."""
    horn_m, rod_m = xs_model.horn_m, xs_model.rod_m
    lever = horn_m * sin(angle_rad)
    return lever + sqrt(rod_m**2 - (horn_m * cos(angle_rad)) ** 2)


def angle_from_finger(finger_m: float, xs_model: XsModel) -> float:
    """Motor angle, rad, for half the opening; inverse of ``finger_from_angle``."""
    horn_m, rod_m = xs_model.horn_m, xs_model.rod_m
    ratio = (horn_m**2 + finger_m**2 - rod_m**2) / (2.0 * horn_m * finger_m)
    return asin(min(1.0, max(-1.0, ratio)))


def gripper_damping_n_s_m(xs_model: XsModel) -> float:
    """What back-EMF does to the fingers' motion."""
    return FORCE_PER_PWM_N * PWM_FULL / (_FREE_RAD_S * xs_model.horn_m)


class DynamixelGripper:
    """Mode and last command of the gripper motor; ``force_n`` is its effect on the finger."""

    def __init__(self, xs_model: XsModel) -> None:
        self._xs_model = xs_model
        self.torque_enabled = True
        self.set_mode("pwm", 0.0)

    def set_mode(self, mode: str, finger_m: float) -> None:
        """Change the operating mode; the gripper stays where it is until the next command.

        Raises:
            ValueError: the mode is not one of ``MODES``.
        """
        if mode not in MODES:
            raise ValueError(
                f"gripper mode '{mode}' is not simulated; there are {', '.join(MODES)}"
            )
        self.mode = mode
        self._pwm, self._goal_m = 0.0, finger_m

    def command(self, value: float) -> None:
        """Take a command in the unit of the mode: pwm, rad, or m between both fingers."""
        if self.mode == "pwm":
            self._pwm = float(np.clip(value, -PWM_FULL, PWM_FULL))
        elif self.mode == "linear_position":
            self._goal_m = value / 2.0
        else:
            self._goal_m = finger_from_angle(value, self._xs_model)

    def force_n(self, finger_m: float) -> float:
        """Force that opens the fingers, N, with the left finger at ``finger_m``."""
        if not self.torque_enabled:
            return 0.0
        if self.mode == "pwm":
            return FORCE_PER_PWM_N * self._pwm
        limit = CURRENT_LIMITED_PWM if self.mode == "current_based_position" else PWM_FULL
        pwm = (self._goal_m - finger_m) * _POSITION_GAIN_PWM_M
        return FORCE_PER_PWM_N * float(np.clip(pwm, -limit, limit))
