"""How the model acts on a group of joints: one file for each action convention."""

from .base_velocity import BaseVelocityCodec
from .base_waypoints import BaseWaypointsCodec
from .ee_delta import EeDeltaCodec
from .gripper import GripperCodec
from .joint_position import JointPositionCodec

CODECS = {
    "ee_delta": EeDeltaCodec,
    "joint_position": JointPositionCodec,
    "gripper": GripperCodec,
    "base_waypoints": BaseWaypointsCodec,
    "base_velocity": BaseVelocityCodec,
}

__all__ = [
    "CODECS",
    "BaseVelocityCodec",
    "BaseWaypointsCodec",
    "EeDeltaCodec",
    "GripperCodec",
    "JointPositionCodec",
]
