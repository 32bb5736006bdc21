"""Leader arms: sensor_msgs/JointState of Interbotix leaders, GELLO, SO-101 and others.

A leader has no dead-man: a person engages it by the service teleop/engage or, where the embodiment
says so, by closing all its grippers. One that has motors can follow the robot meanwhile.
"""

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Leader
from qwen_vla_core.teleop import Hands, LeaderReader, Wish

from ..bounded import FLAG_BYTES, JOINTS_BYTES
from ..stream_meter import StreamMeter
from .base import receive


class LeaderDevice:
    """All arms of one leader."""

    def __init__(
        self,
        node: Node,
        section: Leader,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
        meter: StreamMeter,
    ) -> None:
        self._reader = LeaderReader(embodiment, section)
        self._silence_s = embodiment.watchdogs.teleop_s
        self._at_s: dict[str, float] = {}
        self._engaged = False
        self._drives = _drives(node, section, embodiment)
        self.has_motors = bool(self._drives)
        for topic in self._reader.joint_topics:
            receive(node, JointState, topic, JOINTS_BYTES, self._on_joints(topic), refuse, meter)
        for topic in self._reader.gripper_topics:
            receive(node, Float32, topic, FLAG_BYTES, self._on_gripper(topic), refuse, meter)

    def hands(self, now_s: float) -> Hands | None:
        positions = self._reader.positions
        if positions is None or now_s - min(self._at_s.values()) > self._silence_s:
            self.release()
            return None
        return Hands(pressed=self._engaged, wish=Wish(positions=positions))

    def engage(self) -> str:
        self._engaged = True
        return ""

    def release(self) -> None:
        self._engaged = False
        self._reader.forget_gesture()

    def follow(self, command_D: np.ndarray | None, now_s: float) -> str:
        leader = self._reader.positions
        for drive in self._drives:
            drive.follow(command_D if leader else None, leader or {}, now_s)
        return "; ".join(filter(None, (drive.problem for drive in self._drives)))

    def _on_joints(self, topic: str) -> Callable[[JointState], None]:
        def on_joints(message: JointState) -> None:
            self._reader.add(topic, message.name, message.position)
            self._received(topic)

        return on_joints

    def _on_gripper(self, topic: str) -> Callable[[Float32], None]:
        def on_gripper(message: Float32) -> None:
            self._reader.add_gripper(topic, message.data)
            self._received(topic)

        return on_gripper

    def _received(self, topic: str) -> None:
        self._at_s[topic] = time.monotonic()
        if self._reader.gesture():
            self._engaged = True


def _drives(node: Node, section: Leader, embodiment: Embodiment) -> list:
    """The motors of those arms that have some."""
    arms = [arm for arm in section.arms if arm.drive is not None]
    if not arms:
        return []
    from .leader_drive import LeaderDrive  # needs Interbotix's messages

    return [LeaderDrive(node, embodiment, arm, section.agreement_rad) for arm in arms]
