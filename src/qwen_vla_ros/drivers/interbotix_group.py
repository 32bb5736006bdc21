"""An arm in position mode, as a group of an Interbotix driver."""

import numpy as np
from interbotix_xs_msgs.msg import JointGroupCommand
from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment, Group

from ..qos import RELIABLE
from .interbotix import InterbotixDriver
from .robot_info import ExpectedInfo

MODE = "position"


class InterbotixGroupDriver(InterbotixDriver):
    """Sends JointGroupCommand, in the driver's own joint order."""

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        spec = group.driver
        whole = ExpectedInfo(cmd_type="group", name=spec.group, mode=MODE, joints=group.joints)
        single = [
            ExpectedInfo(cmd_type="single", name=joint.driver_name, mode=MODE, joints=[joint])
            for joint in group.joints
        ]
        super().__init__(
            node,
            spec.namespace,
            [whole, *single],
            command_hz=embodiment.command_hz,
            compare_profile=group.joints,
        )
        self._group = spec.group
        self._names = [joint.driver_name for joint in group.joints]
        self._publisher = node.create_publisher(
            JointGroupCommand, f"{spec.namespace}/commands/joint_group", RELIABLE
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the arm's joints [G], rad, embodiment order."""
        if not self._is_verified():
            return
        order = [self._names.index(name) for name in self._info.joint_names]
        self._publisher.publish(JointGroupCommand(name=self._group, cmd=command_G[order].tolist()))
