"""What can be seen of hand-overs from outside: modes, the person's target, the first plan."""

import json
import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.from_messages import chunk_from_message
from qwen_vla_core.modes import split_mode
from qwen_vla_core.observation import match_joints
from qwen_vla_core.types import ActionChunk

from .qos import LATCHED, RELIABLE


class HandoverWatch:
    """What was received since the last ``clear``.

    Attributes:
        target_D: the person's last target, [D], rad or m; None before the first.
    """

    def __init__(self, node: Node, robot: Embodiment) -> None:
        self.target_D: np.ndarray | None = None
        self._modes: list[tuple[float, str]] = []
        self._plans: list[tuple[float, ActionChunk]] = []
        self._names, self._since_s = robot.joint_names, -np.inf
        for kind, topic, callback, qos in (
            (JointState, "teleop/command", self._on_target, RELIABLE),
            (String, "control/mode", self._on_mode, LATCHED),
            (String, "control/intervention_reason", self._on_reason, LATCHED),
            (JointTrajectory, "policy/chunk", self._on_plan, RELIABLE),
        ):
            node.create_subscription(kind, topic, callback, qos)

    def clear(self) -> None:
        """Forget modes and plans."""
        self._modes, self._plans = [], []

    def entered_s(self, mode: str) -> float | None:
        """When a mode was first received, steady time, s."""
        return next((at_s for at_s, received in self._modes if received == mode), None)

    def left_s(self, mode: str) -> float:
        """When another mode was received after it, steady time, s; inf for never."""
        entered_s = self.entered_s(mode)
        later = (at_s for at_s, received in self._modes if at_s > entered_s and received != mode)
        return next(later, np.inf)

    def plan(self) -> tuple[float, ActionChunk] | None:
        """When the first plan came that was observed after the intervention, and that plan."""
        return next((plan for plan in self._plans if plan[1].stamp_s >= self._since_s), None)

    def _on_target(self, message: JointState) -> None:
        self.target_D = match_joints(message.name, message.position, self._names)

    def _on_mode(self, message: String) -> None:
        self._modes.append((time.monotonic(), split_mode(message.data)[0]))

    def _on_reason(self, message: String) -> None:
        said = json.loads(message.data)
        self._since_s = np.inf if said["intervention"] else said["since_s"]

    def _on_plan(self, message: JointTrajectory) -> None:
        self._plans.append((time.monotonic(), chunk_from_message(message, self._names)))
