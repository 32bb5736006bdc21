"""A hand's pose while a clutch is held, as bridges of VR controllers and phones publish it."""

import time
from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from std_msgs.msg import Bool, Float32

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import ClutchedPose
from qwen_vla_core.errors import NonFiniteError, ObservationError
from qwen_vla_core.teleop import Hands, Wish
from qwen_vla_core.teleop.hand import hand_pose

from ..bounded import FLAG_BYTES, INPUT_BYTES
from ..stream_meter import StreamMeter
from .base import DeadManDevice, receive


class ClutchedPoseDevice(DeadManDevice):
    """geometry_msgs/PoseStamped, std_msgs/Bool and, where there is one, std_msgs/Float32."""

    def __init__(
        self,
        node: Node,
        section: ClutchedPose,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
        meter: StreamMeter,
    ) -> None:
        self._group, self._axes = section.group, np.array(section.rotation, dtype=float)
        self._silence_s = embodiment.watchdogs.teleop_s
        self._pose: np.ndarray | None = None
        self._pressed, self._fingers = False, {}
        topics = (section.pose_topic, section.clutch_topic, section.gripper_topic)
        self._at_s = {topic: -np.inf for topic in topics if topic is not None}
        for topic, kind, largest, callback in zip(
            topics,
            (PoseStamped, Bool, Float32),
            (INPUT_BYTES, FLAG_BYTES, FLAG_BYTES),
            (self._on_pose, self._on_clutch, self._on_gripper),
            strict=True,
        ):
            if topic is not None:
                receive(node, kind, topic, largest, self._dated(topic, callback), refuse, meter)
        for group in embodiment.groups:
            if section.gripper_topic is not None and group.name == section.gripper:
                self._finger = group.joints[0].name
                self._closed, self._open = group.action.closed, group.action.open

    def hands(self, now_s: float) -> Hands | None:
        if self._pose is None or now_s - min(self._at_s.values()) > self._silence_s:
            return None
        wish = Wish(tool_poses={self._group: self._pose}, positions=self._fingers)
        return Hands(pressed=self._pressed, wish=wish)

    def _dated(self, topic: str, callback: Callable) -> Callable:
        def receive_dated(message: object) -> None:
            callback(message)
            self._at_s[topic] = time.monotonic()

        return receive_dated

    def _on_pose(self, message: PoseStamped) -> None:
        p, q = message.pose.position, message.pose.orientation
        self._pose = hand_pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w), self._axes)

    def _on_clutch(self, message: Bool) -> None:
        self._pressed = message.data

    def _on_gripper(self, message: Float32) -> None:
        if not np.isfinite(message.data):
            raise NonFiniteError("the gripper's share is not finite")
        if not -0.001 <= message.data <= 1.001:
            raise ObservationError(f"the gripper's share {message.data:g} is not within 0..1")
        share = float(message.data)
        self._fingers = {self._finger: self._closed + share * (self._open - self._closed)}
