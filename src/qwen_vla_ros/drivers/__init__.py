"""Hardware interfaces: how a group of joints is commanded over ROS.

A new driver is one file here, its description in qwen_vla_core/embodiment/schema/driver/, and one
line in ``DRIVERS``.
"""

import importlib

from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment

from .base import Driver

DRIVERS = {
    "interbotix_group": "interbotix_group:InterbotixGroupDriver",
    "interbotix_pwm_gripper": "interbotix_pwm_gripper:InterbotixPwmGripperDriver",
    "interbotix_position_gripper": "interbotix_position_gripper:InterbotixPositionGripperDriver",
    "joint_trajectory_controller": "joint_trajectory_controller:JointTrajectoryControllerDriver",
    "forward_command": "forward_command:ForwardCommandDriver",
    "twist": "twist:TwistDriver",
}
"""The embodiment's driver.type -> module in this folder and class, made of (node, group,
embodiment)."""


def make_drivers(node: Node, embodiment: Embodiment) -> dict[str, Driver]:
    """One driver per group, by group name. Nothing is sent yet."""
    return {
        group.name: _load(group.driver.type)(node, group, embodiment)
        for group in embodiment.groups
    }


def _load(driver_type: str) -> type[Driver]:
    """Imported on demand: the messages of hardware that a robot lacks need not be installed."""
    module, name = DRIVERS[driver_type].split(":")
    return getattr(importlib.import_module(f".{module}", __name__), name)


__all__ = ["DRIVERS", "Driver", "make_drivers"]
