"""A scripted person, whose hands do what the simulator's expert would.

The person's targets go the way of anybody's: teleop/command, control_node, limits, driver. Only
what to do next is known from the simulator, which publishes the expert's plans.
"""

import numpy as np
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.execution import Timeline
from qwen_vla_core.from_messages import NS_PER_S, chunk_from_message

from ..operator import Operator
from ..qos import RELIABLE

PLAN = "sim_node/plan"
"""Topic of the expert's plans; see sim_node's parameter ``expert_topic``."""


class ScriptedPerson:
    """A person beside a simulated robot; acts while the operator's time passes.

    Attributes:
        pressed: whether the hands have the robot: then there is a target at command_hz.
    """

    def __init__(self, operator: Operator, robot: Embodiment) -> None:
        self._operator, self._names = operator, robot.joint_names
        self._timeline = Timeline(
            robot.joint_names,
            step_s=robot.action_step_s,
            points=robot.horizon + 1,
            jump_limit=np.inf,  # control_node limits what a person does
            base=None if robot.base is None else robot.group_slice(robot.base.name),
        )
        self._pressed, self._here_D = False, None
        operator.create_subscription(JointTrajectory, PLAN, self._on_plan, 10)
        operator.create_subscription(JointState, "teleop/feedback", self._on_feedback, RELIABLE)
        operator.create_timer(1.0 / robot.command_hz, self._move)

    @property
    def pressed(self) -> bool:
        return self._pressed

    @pressed.setter
    def pressed(self, pressed: bool) -> None:
        if pressed and not self._pressed:
            self._timeline.clear(self._now_s())  # what was planned before is of another moment
        self._pressed = pressed

    def _on_plan(self, message: JointTrajectory) -> None:
        if self._here_D is not None:
            chunk = chunk_from_message(message, self._names)
            self._timeline.offer(chunk, now_s=self._now_s(), command_D=self._here_D)

    def _on_feedback(self, message: JointState) -> None:
        self._here_D = np.array(message.position)

    def _move(self) -> None:
        """Until there is a plan, hold the robot where it is."""
        if not self._pressed or self._here_D is None:
            return
        target = self._timeline.sample(self._now_s())
        if target is None:
            self._operator.take_over(self._here_D)
        else:
            self._operator.take_over(target.positions_D, target.velocities_D)

    def _now_s(self) -> float:
        return self._operator.get_clock().now().nanoseconds / NS_PER_S
