"""What the drivers of Interbotix X-series arms share (xs_sdk).

Commands are streamed as JointGroupCommand and JointSingleCommand; commands/joint_trajectory is
not used because the driver refuses a trajectory while one is running. The driver checks neither
limits nor NaN and keeps its last goal for ever: all of that is control_node's job.
"""

import time
from collections.abc import Mapping, Sequence

from rclpy.node import Node

from qwen_vla_core.embodiment.schema import Joint
from qwen_vla_core.safety import RobotLimits

from ..graph import rival_problem, twins_problem
from .driver_run import DriverRun
from .motor_registers import MotorRegisters
from .robot_info import ExpectedInfo, RobotInfoWatch

COMMAND_TOPICS = ("joint_group", "joint_single", "joint_trajectory")
"""Below <namespace>/commands: each of them moves every joint of the arm, whoever carries it."""


class InterbotixDriver:
    """Nothing is sent unless the driver is as described and nobody else commands the same arm.

    Attributes:
        problem, warning, limits: as base.Driver has them.
    """

    def __init__(
        self,
        node: Node,
        namespace: str,
        expected: Sequence[ExpectedInfo],
        *,
        command_hz: float,
        compare_profile: Sequence[Joint] = (),
        moves_by_profile: bool = True,
    ) -> None:
        """Connect; nothing is sent.

        Args:
            node: the node to do it with. namespace: of the driver.
            expected: what get_robot_info has to answer; the first is about what is commanded.
            command_hz: rate of commands.
            compare_profile: joints whose servos must be allowed the embodiment's speed.
            moves_by_profile: whether the servos' operating mode does.
        """
        self._node = node
        self._topics = [f"{namespace}/commands/{name}" for name in COMMAND_TOPICS]
        self._run = DriverRun(node, f"{namespace}/joint_states")
        self._states_topic = self._run.topic
        self._info = RobotInfoWatch(node, namespace, expected)
        self._registers = MotorRegisters(
            node,
            namespace,
            expected[0].cmd_type,
            expected[0].name,
            command_hz=command_hz,
            joints=compare_profile,
            moves_by_profile=moves_by_profile,
        )
        self.problem, self.warning = self._info.problem, self._registers.warning

    def verify(self) -> None:
        """Ask the driver and its servos, and look who else publishes commands."""
        now_s = time.monotonic()
        if self._run.is_new():
            self._forget()
        self._info.poll(now_s)
        self._registers.poll(now_s, self._info.joint_names, self._info.profile_type)
        twins = twins_problem(self._node, self._states_topic, self._topics[0])
        self.problem = (
            twins or self._info.problem or self._registers.problem or self._rival_problem()
        )
        self.warning = self._registers.warning

    @property
    def limits(self) -> Mapping[str, RobotLimits]:
        """What the driver says of its joints, from its robot_description."""
        return self._info.limits

    def stop(self) -> None:
        """Nothing to send: servos in a position mode hold their last goal."""

    def _is_verified(self) -> bool:
        """Whether the driver that was verified is still there, to be asked before each command.

        One that was just started may have other modes: in its sight an effort is an angle.
        """
        if self._run.is_new(quick=True):
            self._forget()
        return self.problem is None

    def _forget(self) -> None:
        self._info.forget()
        self._registers.forget()
        self.problem = self._run.words

    def _rival_problem(self) -> str | None:
        problems = (
            rival_problem(self._node, topic, "stop it; two programs must not command one arm")
            for topic in self._topics
        )
        return next(filter(None, problems), None)
