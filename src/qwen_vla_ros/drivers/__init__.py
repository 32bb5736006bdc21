"""Hardware interfaces: how a group of joints is read and commanded over ROS."""

from .base import Driver
from .factory import joint_state_topics, make_drivers

__all__ = ["Driver", "joint_state_topics", "make_drivers"]
