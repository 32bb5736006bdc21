"""The scripted expert in the place of policy_node: it peeks into the world instead of looking.

Its chunks travel the way of a policy's: stamped with the moment of the observation, integrated
from what was commanded then. So everything behind the policy can be tried without one.
"""

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import InstructionError
from qwen_vla_ros.every_publisher import subscribe_to_state
from qwen_vla_ros.qos import LATCHED

from ..tasks.task import Expert

CHUNK = "policy/chunk"
POLL_S = 0.02
"""How often to look whether the next chunk is due."""


class ExpertEndpoint:
    """Publishes chunks for one robot, for as long as there is an instruction to follow."""

    def __init__(self, node: Node, embodiment: Embodiment, topic: str = CHUNK) -> None:
        self._node, self._codec = node, EmbodimentCodec(embodiment)
        self._names = embodiment.joint_names
        self._period = Duration(seconds=embodiment.replan_steps * embodiment.action_step_s)
        self._expert: Expert | None = None
        self._instruction = ""
        self._commanded_D: np.ndarray | None = None
        self._due = node.get_clock().now()
        self._chunk = node.create_publisher(JointTrajectory, topic, 10)
        subscribe_to_state(node, String, "policy/instruction", self._on_instruction)
        node.create_subscription(String, "control/mode", self._on_mode, LATCHED)
        node.create_subscription(JointState, "control/command", self._on_command, 10)

    def work_in(self, expert: Expert) -> None:
        """A new scene: instruction and commands of the old one no longer count."""
        self._expert, self._instruction, self._commanded_D = expert, "", None

    def poll(self) -> None:
        """Publish the next chunk if it is due."""
        now = self._node.get_clock().now()
        if now < self._due or not self._instruction or self._commanded_D is None:
            return
        self._due = now + self._period
        robot = self._codec.embodiment
        try:
            plan = self._expert.plan(self._commanded_D, self._instruction, robot.horizon)
        except InstructionError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        actions = self._codec.normalize_actions(plan)
        chunk = self._codec.decode(actions, self._commanded_D, now.nanoseconds * 1e-9)
        message = JointTrajectory(joint_names=self._names)
        message.header.stamp = now.to_msg()
        message.points = [
            JointTrajectoryPoint(
                positions=positions.tolist(),
                velocities=velocities.tolist(),
                time_from_start=Duration(seconds=k * chunk.step_s).to_msg(),
            )
            for k, (positions, velocities) in enumerate(
                zip(chunk.positions_TD, chunk.velocities_TD, strict=True)
            )
        ]
        self._chunk.publish(message)

    def follow(self, instruction: str) -> None:
        """Do something else from now on."""
        self._instruction = instruction
        self._due = self._node.get_clock().now()

    def _on_instruction(self, message: String) -> None:
        self.follow(message.data)

    def _on_mode(self, message: String) -> None:
        self._due = self._node.get_clock().now()  # chunks from before a mode are refused

    def _on_command(self, message: JointState) -> None:
        position_of = dict(zip(message.name, message.position, strict=True))
        self._commanded_D = np.array([position_of[name] for name in self._names])
