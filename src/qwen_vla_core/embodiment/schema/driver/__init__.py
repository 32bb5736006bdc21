"""Which hardware interface carries a group.

A new driver is one file here and one line in ``AnyDriver``; its code is one file in
``qwen_vla_ros/drivers`` and one line in the dict there.
"""

from typing import Annotated

from pydantic import Field

from .interbotix import InterbotixGroup, InterbotixPositionGripper, InterbotixPwmGripper
from .ros2_control import ForwardCommand, JointTrajectoryController
from .twist import TwistBase

AnyDriver = Annotated[
    InterbotixGroup
    | InterbotixPwmGripper
    | InterbotixPositionGripper
    | JointTrajectoryController
    | ForwardCommand
    | TwistBase,
    Field(discriminator="type"),
]
"""What carries a group; ``qwen_vla_ros.drivers.DRIVERS`` has the code for each type."""

__all__ = [
    "AnyDriver",
    "ForwardCommand",
    "InterbotixGroup",
    "InterbotixPositionGripper",
    "InterbotixPwmGripper",
    "JointTrajectoryController",
    "TwistBase",
]
