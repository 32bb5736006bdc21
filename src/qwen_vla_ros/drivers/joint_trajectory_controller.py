"""An arm or gripper under a joint_trajectory_controller of ros2_control, or one used like it.

Each command is a trajectory of one point that begins when it arrives and replaces the one before.
It is reached within 1.25 periods of ``command_hz`` and held from then on, so that an arm whose
commands end stops there. No velocities: Jazzy's controller refuses a trajectory that ends moving.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.duration import Duration
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.embodiment.schema.driver.ros2_control import TRAJECTORY_PERIODS

from .. import bounded
from ..qos import LATCHED
from .ros2_control import ControllerDriver

PARTIAL, INTERPOLATION = "allow_partial_joints_goal", "interpolation_method"
OPEN_LOOP, FROM_DESIRED = "open_loop_control", "interpolate_from_desired_state"
"""Either makes a trajectory begin at the last command. Humble has only the first, which Jazzy
deprecates and later releases lack."""

RUNNING = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)

STATUS_BYTES = 16 * 1024
"""The states of some 300 goals."""


class JointTrajectoryControllerDriver(ControllerDriver):
    """Sends JointTrajectory, by names of joints."""

    # The first update of a new trajectory is at its beginning (Humble), or goes two updates' way
    # (Jazzy): for that one the command moves at up to twice the joint's speed limit.
    updates = 2.0

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        super().__init__(
            node,
            group,
            embodiment,
            topic="joint_trajectory",
            message_type=JointTrajectory,
            parameters=(PARTIAL, INTERPOLATION, OPEN_LOOP, FROM_DESIRED),
        )
        self._lasts_s = TRAJECTORY_PERIODS / embodiment.command_hz
        goals = f"{group.driver.controller}/follow_joint_trajectory/_action/status"
        self._goals_topic = node.resolve_topic_name(goals)
        self._goal_problem: str | None = None
        node.create_subscription(
            GoalStatusArray,
            goals,
            bounded.bounded(GoalStatusArray, STATUS_BYTES, self._on_goals, self._on_large),
            LATCHED,
            raw=True,
        )

    def verify(self) -> None:
        """Also whether somebody commands the controller by its action."""
        super().verify()
        self.problem = self.problem or self._goal_problem

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Move the joints to the command [G], rad or m, within a period and a quarter."""
        self._publish(trajectory(self._names, command_G, self._lasts_s))

    def forget(self) -> None:
        """Its goals ended with it."""
        self._goal_problem = None

    def compare(
        self, joints: Sequence[str], values: Mapping[str, object], interfaces: Sequence[str] | None
    ) -> str | None:
        """Whether it moves by our trajectories, and begins them where the last one led."""
        wanted = OPEN_LOOP if values[FROM_DESIRED] is None else FROM_DESIRED
        if not (values[OPEN_LOOP] or values[FROM_DESIRED]):
            return (
                "begins each trajectory at the measured pose, behind the last command, and would "
                f"jerk with each of ours; set {wanted} to true, or "
                "use a forward_command_controller"
            )
        if values[INTERPOLATION] == "none":
            return f"has {INTERPOLATION} 'none' and would never move; set it to 'splines'"
        others = [name for name in joints if name not in self._names]
        if others and not values[PARTIAL]:
            return f"also has {', '.join(others)}; set {PARTIAL} to true or add them to the group"
        return None

    def _on_goals(self, message: GoalStatusArray) -> None:
        self._goal_problem = None
        if any(status.status in RUNNING for status in message.status_list):
            self._goal_problem = (
                f"{self._goals_topic}: {self._controller} executes a goal of another program; "
                "wait until it is over, or cancel it"
            )

    def _on_large(self, why: str) -> None:
        self._goal_problem = f"{self._goals_topic}: {why}"


def trajectory(names: Sequence[str], command_G: np.ndarray, lasts_s: float) -> JointTrajectory:
    """To a command [G], rad or m, from wherever the joints are now.

    It has no stamp, which means now: the controller's clock may differ from ours.
    """
    point = JointTrajectoryPoint(positions=command_G.tolist())
    point.time_from_start = Duration(seconds=lasts_s).to_msg()
    return JointTrajectory(joint_names=list(names), points=[point])
