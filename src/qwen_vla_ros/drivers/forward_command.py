"""An arm or gripper under a forward_command_controller of ros2_control.

forward_position_controller and position_controllers/JointGroupPositionController are such. It
hands each command on as it is: an array of positions in the order of its own parameter ``joints``,
with nothing to tell one joint from another. So the order is asked, and compared with that of the
interfaces in use, which a parameter that was set later does not change.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from qwen_vla_core.embodiment import Embodiment, Group

from .ros2_control import ControllerDriver

INTERFACE = "interface_name"
POSITION = "position"


class ForwardCommandDriver(ControllerDriver):
    """Sends Float64MultiArray, in the controller's own order of joints."""

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        super().__init__(
            node,
            group,
            embodiment,
            topic="commands",
            message_type=Float64MultiArray,
            parameters=(INTERFACE,),
        )
        self._order: list[str] = []

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the joints [G], rad or m."""
        rows = [self._names.index(name) for name in self._order]
        self._publish(Float64MultiArray(data=command_G[rows].tolist()))

    def compare(
        self, joints: Sequence[str], values: Mapping[str, object], interfaces: Sequence[str] | None
    ) -> str | None:
        """Whether it takes one position for each joint of the group, and in which order."""
        if others := [name for name in joints if name not in self._names]:
            return f"also has {', '.join(others)}; add them to the group: each needs a command"
        if values[INTERFACE] != POSITION:
            return f"has {INTERFACE} '{values[INTERFACE]}'; only '{POSITION}' can be commanded"
        expected = [f"{name}/{POSITION}" for name in joints]
        if interfaces is not None and interfaces != expected:
            return (
                f"drives {', '.join(interfaces)}, and its parameter 'joints' says "
                f"{', '.join(joints)}; configure it again"
            )
        self._order = list(joints)
        return None
