"""What the drivers of Interbotix X-series arms share (xs_sdk).

Commands are streamed as JointGroupCommand and JointSingleCommand; commands/joint_trajectory is
not used because the driver refuses a trajectory while one is running. The driver checks neither
limits nor NaN and keeps its last goal for ever: all of that is control_node's job.
"""

import time
from collections.abc import Mapping, Sequence

from rclpy.node import Node

from qwen_vla_core.safety import RobotLimits

from ..graph import rival_problem
from .robot_info import Question, RobotInfoWatch

COMMAND_TOPICS = ("joint_group", "joint_single", "joint_trajectory")
"""Below <namespace>/commands: each of them moves every joint of the arm, whoever carries it."""


class InterbotixDriver:
    """Nothing is sent unless the driver is as described and nobody else commands the same arm.

    Attributes:
        problem, limits: as base.Driver has them.
    """

    def __init__(self, node: Node, namespace: str, questions: Sequence[Question]) -> None:
        self._node = node
        self._topics = [f"{namespace}/commands/{name}" for name in COMMAND_TOPICS]
        self._info = RobotInfoWatch(node, namespace, questions)
        self.problem = self._info.problem

    def verify(self) -> None:
        """Ask get_robot_info, and look who else publishes commands."""
        self._info.poll(time.monotonic())
        self.problem = self._info.problem or self._rival_problem()

    @property
    def limits(self) -> Mapping[str, RobotLimits]:
        """What the driver says of its joints, from its robot_description."""
        return self._info.limits

    def stop(self) -> None:
        """Nothing to send: servos in a position mode hold their last goal."""

    def _rival_problem(self) -> str | None:
        problems = (
            rival_problem(self._node, topic, "stop it; two programs must not command one arm")
            for topic in self._topics
        )
        return next(filter(None, problems), None)
