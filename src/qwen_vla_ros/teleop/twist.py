"""Velocities of one arm's tool or of the base, from the standard teleoperation packages.

Their dead-man is that they publish: silence is a release. What is published when teleop_node
starts counts only after a zero or after silence.
"""

import time
from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import TwistInput
from qwen_vla_core.errors import NonFiniteError
from qwen_vla_core.teleop import Hands, Wish

from ..bounded import INPUT_BYTES
from ..stream_meter import StreamMeter
from .base import DeadManDevice, receive


class TwistDevice(DeadManDevice):
    """geometry_msgs/Twist or TwistStamped: m/s and rad/s."""

    def __init__(
        self,
        node: Node,
        section: TwistInput,
        embodiment: Embodiment,
        refuse: Callable[[str], None],
        meter: StreamMeter,
    ) -> None:
        self._group, self._stamped = section.group, section.stamped
        self._is_base = embodiment.base is not None and embodiment.base.name == section.group
        self._silence_s = embodiment.watchdogs.teleop_s
        self._wish, self._at_s, self._released = Wish(), -np.inf, False
        kind = TwistStamped if section.stamped else Twist
        receive(node, kind, section.topic, INPUT_BYTES, self._on_twist, refuse, meter)

    def hands(self, now_s: float) -> Hands | None:
        if self._at_s == -np.inf:
            return None
        silent = now_s - self._at_s > self._silence_s
        self._released = self._released or silent
        return Hands(pressed=self._released and not silent, wish=self._wish)

    def _on_twist(self, message: Twist | TwistStamped) -> None:
        twist = message.twist if self._stamped else message
        linear, angular = twist.linear, twist.angular
        velocity_6 = np.array(
            [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z], dtype=float
        )
        if not np.isfinite(velocity_6).all():
            raise NonFiniteError(f"a velocity is not finite: {velocity_6.tolist()}")
        self._released = self._released or not velocity_6.any()
        if self._is_base:
            self._wish = Wish(base=(linear.x, angular.z))
        else:
            self._wish = Wish(tool_velocities={self._group: velocity_6})
        self._at_s = time.monotonic()
