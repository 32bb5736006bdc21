"""From a person's hands to a target for the robot: pure, with time and devices as arguments.

A device (``qwen_vla_ros.teleop``) says what the hands want (``Hands``), ``Session`` whether they
have the robot, and ``Mover`` what that means for the joints. Whatever a device says, a target
moves no faster than a joint may.
"""

from .gamepad import Gamepad, GamepadReader, describe_gamepad, read_gamepad
from .leader import LeaderReader
from .leader_goals import LeaderGoals
from .mover import Mover
from .session import Ask, Session
from .wish import Hands, Wish

__all__ = [
    "Ask",
    "Gamepad",
    "GamepadReader",
    "Hands",
    "LeaderGoals",
    "LeaderReader",
    "Mover",
    "Session",
    "Wish",
    "describe_gamepad",
    "read_gamepad",
]
