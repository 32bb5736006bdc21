"""What the driver of each group makes of a command, in a world and without ROS.

A new driver is one class here, and one line in ``GROUP_DRIVERS``.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from qwen_vla_core.embodiment import Group
from qwen_vla_core.embodiment.gripper_drive import pwm_for

from .slate_base import SlateBase
from .xs_arm import XsArm


class GroupDriver(Protocol):
    """Carries one group's commands to its simulated hardware.

    Attributes:
        gripper_mode: operating mode in which it finds its gripper; None where it drives none.
    """

    gripper_mode: str | None

    def __init__(self, group: Group, arms: Mapping[str, XsArm], base: SlateBase | None) -> None:
        """Find the group's hardware among arms, by namespace, and base."""

    def command(self, command_G: np.ndarray, velocity_G: np.ndarray) -> None:
        """Positions [G], rad or m, and velocities of the command [G], as ros.drivers have them."""


class _Arm:
    gripper_mode = None

    def __init__(self, group: Group, arms: Mapping[str, XsArm], base: SlateBase | None) -> None:
        self._arm = arms[group.driver.namespace]
        self._joints = [joint.driver_name for joint in group.joints]

    def command(self, command_G: np.ndarray, velocity_G: np.ndarray) -> None:
        for joint, goal_rad in zip(self._joints, command_G, strict=True):
            self._arm.command_joint(joint, goal_rad)


class _PwmGripper:
    gripper_mode = "pwm"

    def __init__(self, group: Group, arms: Mapping[str, XsArm], base: SlateBase | None) -> None:
        self._arm, self._spec = arms[group.driver.namespace], group.driver

    def command(self, command_G: np.ndarray, velocity_G: np.ndarray) -> None:
        error_m = command_G[0] - self._arm.positions[-1]
        self._arm.gripper.command(pwm_for(error_m, self._spec.gain_per_m, self._spec.pwm_limit))


class _PositionGripper:
    gripper_mode = "current_based_position"

    def __init__(self, group: Group, arms: Mapping[str, XsArm], base: SlateBase | None) -> None:
        self._arm, self._ends = arms[group.driver.namespace], group.gripper_ends

    def command(self, command_G: np.ndarray, velocity_G: np.ndarray) -> None:
        self._arm.gripper.command(self._ends.motor_rad(command_G[0]))


class _Base:
    gripper_mode = None

    def __init__(self, group: Group, arms: Mapping[str, XsArm], base: SlateBase | None) -> None:
        self._base = base

    def command(self, command_G: np.ndarray, velocity_G: np.ndarray) -> None:
        ahead, _, turn = velocity_G
        self._base.command(ahead, turn)


GROUP_DRIVERS: dict[str, type[GroupDriver]] = {
    "interbotix_group": _Arm,
    "interbotix_pwm_gripper": _PwmGripper,
    "interbotix_position_gripper": _PositionGripper,
    "twist": _Base,
}
"""The embodiment's driver.type -> class."""
