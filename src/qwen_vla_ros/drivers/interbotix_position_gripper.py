"""A gripper in current_based_position mode: motor angles between two ends (ALOHA)."""

import numpy as np
from interbotix_xs_msgs.msg import JointSingleCommand
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.embodiment.gripper_presets import ends_problem
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import match_joints

from ..qos import RELIABLE
from .interbotix import InterbotixDriver
from .robot_info import ExpectedInfo

MOVED_M = 1e-4
"""A finger commanded this far away is meant to move: some three steps of the servo's encoder."""

LARGEST_STATES_BYTES = 16_384
"""Joint states of 100 joints fit; a larger one is not unpacked: it would delay the loop."""


class InterbotixPositionGripperDriver(InterbotixDriver):
    """Silent until the command leaves where it began.

    The servo holds its last goal anyway, and the angle for the finger's measured position would
    move it a little: the linkage is not linear.
    """

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        spec = group.driver
        # The limits of the finger say nothing about goals of the motor, which push beyond what is
        # held on purpose; the motor itself has none (it is continuous in the URDF).
        expected = ExpectedInfo(
            cmd_type="single",
            name=spec.motor,
            mode="current_based_position",
            joints=group.joints,
            limited=False,
        )
        super().__init__(node, spec.namespace, [expected], command_hz=embodiment.command_hz)
        self._motor, self._preset, self._ends = spec.motor, spec.preset, group.gripper_ends
        self._finger = group.joints[0].driver_name
        self._states = b""
        # Raw, because five times a second is often enough to unpack one.
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(JointState, self._states_topic, self._on_states, newest, raw=True)
        self._publisher = node.create_publisher(
            JointSingleCommand, f"{spec.namespace}/commands/joint_single", RELIABLE
        )
        self.stop()

    def verify(self) -> None:
        """Also compare the ends with where the driver says that motor and finger are."""
        super().verify()
        self.problem = self.problem or self._ends_problem()

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Command the motor for the finger's position [1], m."""
        if not self._is_verified():
            return
        finger_m = float(command_G[0])
        if self._began_at_m is None:
            self._began_at_m = finger_m
        self._moves = self._moves or abs(finger_m - self._began_at_m) > MOVED_M
        if not self._moves:
            return
        if not self._ends.reach(finger_m):
            self._node.get_logger().warning(
                f"{self._publisher.topic_name}: {self._motor} stays at its end; the finger is "
                f"commanded to {finger_m:.4f} m, beyond {self._ends}",
                throttle_duration_sec=1.0,
            )
        angle_rad = self._ends.motor_rad(finger_m)
        self._publisher.publish(JointSingleCommand(name=self._motor, cmd=angle_rad))

    def stop(self) -> None:
        """Nothing to send: the servo holds its last goal."""
        self._began_at_m: float | None = None
        self._moves = False

    def _on_states(self, message: bytes) -> None:
        if self._finger.encode() in message:  # else it is another publisher's
            self._states = message

    def _ends_problem(self) -> str | None:
        if not self._states:
            return f"{self._states_topic}: nothing received; is the driver up?"
        if len(self._states) > LARGEST_STATES_BYTES:
            return f"{self._states_topic}: a message of {len(self._states)} bytes is too large"
        states = deserialize_message(self._states, JointState)
        try:
            finger_m, motor_rad = match_joints(
                states.name, states.position, (self._finger, self._motor)
            )
        except QwenVlaError as error:
            return f"{self._states_topic}: {error}"
        problem = ends_problem(
            self._ends, finger_m=finger_m, motor_rad=motor_rad, preset=self._preset
        )
        return problem and f"{self._states_topic}: {self._motor}: {problem}"
