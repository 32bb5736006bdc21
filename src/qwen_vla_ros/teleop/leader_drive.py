"""The motors of an Interbotix leader arm: it goes where the robot is commanded.

Torque is not switched here: a leader whose torque is off stays in the person's hand, and one whose
torque is on stays where it is when it is let go. Nothing is sent unless the driver has the joints
of the embodiment in position mode, and nobody else commands them.
"""

from collections.abc import Mapping

import numpy as np
from interbotix_xs_msgs.msg import JointGroupCommand
from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import LeaderArm
from qwen_vla_core.teleop import LeaderGoals

from ..drivers.driver_run import DriverRun
from ..drivers.robot_info import ExpectedInfo, RobotInfoWatch
from ..graph import rival_problem
from ..qos import RELIABLE

VERIFY_S = 0.2
"""How often driver and topic are looked at, s."""

LONGEST_S = 0.1
"""A period that comes later than this counts as this long, s."""


class LeaderDrive:
    """One arm of a leader.

    Attributes:
        problem: why nothing is sent, in words; "" while nothing is in the way.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, arm: LeaderArm, agreement_rad: float
    ) -> None:
        """Connect; nothing is sent. ``arm`` has a ``drive`` section."""
        section, joints = arm.drive, {joint.name: joint for joint in embodiment.joints}
        motors = [
            joints[entry.joint].model_copy(update={"hardware_name": entry.leader})
            for entry in arm.joints
        ]
        expected = ExpectedInfo(
            cmd_type="group",
            name=section.group,
            mode="position",
            joints=motors,
            limited=False,
        )
        self._node, self._group = node, section.group
        self._info = RobotInfoWatch(node, section.namespace, [expected])
        self._run = DriverRun(node, f"{section.namespace}/joint_states")
        self._goals = LeaderGoals(embodiment, arm, agreement_rad)
        topic = f"{section.namespace}/commands/joint_group"
        self._publisher = node.create_publisher(JointGroupCommand, topic, RELIABLE)
        self._verified_s = self._sent_s = -np.inf
        self.problem = ""

    def follow(
        self, command_D: np.ndarray | None, leader: Mapping[str, float], now_s: float
    ) -> None:
        """Send the next goal; None for ``command_D`` leaves the leader alone."""
        due = now_s - self._verified_s >= VERIFY_S
        if self._run.is_new(quick=not due):
            self._info.forget()
            self.problem = self._run.words
        if due:
            self._verified_s = now_s
            self._info.poll(now_s)
            advice = "stop it; two programs must not command one arm"
            rival = rival_problem(self._node, self._publisher.topic_name, advice)
            self.problem = self._info.problem or rival or ""
        if command_D is None or self.problem:
            self._goals.forget()
            return
        goals = self._goals.step(command_D, leader, min(now_s - self._sent_s, LONGEST_S))
        self._sent_s = now_s
        command = [goals[name] for name in self._info.joint_names]
        self._publisher.publish(JointGroupCommand(name=self._group, cmd=command))
