"""Hardware interfaces: how a group of joints is commanded over ROS."""

from .base import Driver
from .factory import make_drivers

__all__ = ["Driver", "make_drivers"]
