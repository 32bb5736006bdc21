"""The embodiment description: what one YAML file says about one robot, checked strictly.

Unknown keys, missing limits, min >= max, NaN, and repeated names are errors. Nothing here reads
files (see loader.py) or computes motions (see kinematics.py, codec.py).
"""

from .action import BaseVelocity, BaseWaypoints, EeDelta, Gripper, JointPosition
from .camera import Camera, ViewTag
from .driver import (
    ForwardCommand,
    InterbotixGroup,
    InterbotixPositionGripper,
    InterbotixPwmGripper,
    JointTrajectoryController,
    TwistBase,
)
from .group import BASE_JOINTS, Group
from .hardware import Hardware, Started
from .joint import Joint, Quantiles
from .presets import with_presets
from .robot import Embodiment
from .teleop import ClutchedPose, Joy, Keyboard, Leader, LeaderArm, Teleop, TwistInput

__all__ = [
    "BASE_JOINTS",
    "BaseVelocity",
    "BaseWaypoints",
    "Camera",
    "ClutchedPose",
    "EeDelta",
    "Embodiment",
    "ForwardCommand",
    "Gripper",
    "Group",
    "Hardware",
    "InterbotixGroup",
    "InterbotixPositionGripper",
    "InterbotixPwmGripper",
    "Joint",
    "JointPosition",
    "JointTrajectoryController",
    "Joy",
    "Keyboard",
    "Leader",
    "LeaderArm",
    "Quantiles",
    "Started",
    "Teleop",
    "TwistBase",
    "TwistInput",
    "ViewTag",
    "with_presets",
]
