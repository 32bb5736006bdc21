"""Leader arms: sensor_msgs/JointState of Interbotix leaders, GELLO, SO-101 and others.

A leader has no dead-man: a person engages it by the service teleop/engage or, where the embodiment
says so, by closing all its grippers.
"""

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import JointState

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Leader
from qwen_vla_core.teleop import Hands, LeaderReader, Wish

from ..bounded import JOINTS_BYTES
from .base import receive


class LeaderDevice:
    """All arms of one leader."""

    def __init__(
        self,
        node: Node,
        section: Leader,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
    ) -> None:
        self._reader = LeaderReader(embodiment, section)
        self._silence_s = embodiment.watchdogs.teleop_s
        self._at_s: dict[str, float] = {}
        self._engaged = False
        for topic in self._reader.topics:
            receive(node, JointState, topic, JOINTS_BYTES, self._on_joints(topic), refuse)

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

    def _on_joints(self, topic: str) -> Callable[[JointState], None]:
        def on_joints(message: JointState) -> None:
            self._reader.add(topic, message.name, message.position)
            self._at_s[topic] = time.monotonic()
            if self._reader.gesture():
                self._engaged = True

        return on_joints
