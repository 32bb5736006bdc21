"""A differential-drive base through velocity commands, as Twist or TwistStamped.

A base stops by itself when it receives nothing for a while (SLATE after 300 ms, Create 3 and
diff_drive_controller after 500 ms), so a velocity goes out in every control period, zero included.
What receives it may be the base itself, a velocity_smoother or an input of a twist_mux; it may be
best effort, as micro-ROS bases are, since a reliable publisher serves both.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.from_messages import NS_PER_S
from qwen_vla_core.observation.stream import SINCE_BOOT_S
from qwen_vla_core.safety import RobotLimits

from ..every_publisher import subscribe_to_stream
from ..graph import node_of, publishers_of, rival_problem, type_name
from ..newest import stamp_in
from ..qos import RELIABLE

DELIVERY_S = 0.1
"""Longest wait for the zero at the end to be acknowledged: a publisher that is destroyed at once
takes what was not delivered with it. Less than the base's own time-out."""

CLOCKS_S = 0.25
"""The clocks of base and control_node may differ by this much, s: half of the time-out of
diff_drive_controller, which judges a TwistStamped by its stamp. Where ours is ahead the base goes
on for as much longer when commands end; where it is behind our commands are old to it."""

STAMPS = 10
"""Stamps of odometry that must all be off: some may have waited for us."""


class TwistDriver:
    """Sends a base its velocities ahead and turning.

    Attributes:
        problem, warning, limits: as base.Driver has them; a base says nothing of its limits.
    """

    limits: Mapping[str, RobotLimits] = {}

    def __init__(self, node: Node, group: Group, embodiment: Embodiment) -> None:
        self._node, self._spec = node, group.driver
        kind = TwistStamped if self._spec.stamped else Twist
        self._type = type_name(kind)
        self._publisher = node.create_publisher(kind, self._spec.topic, RELIABLE)
        self._sent = False
        self._ages_s: deque[float] = deque(maxlen=STAMPS)
        if self._spec.stamped:
            topic = self._spec.odometry_topic
            subscribe_to_stream(node, Odometry, topic, self._on_odometry, depth=1, raw=True)
        self.problem: str | None = f"{self._publisher.topic_name}: not verified yet"
        self.warning: str | None = None

    def verify(self) -> None:
        """Is there a base that takes what we send and says where it is, and no other commander?"""
        self.problem = (
            self._subscriber_problem()
            or rival_problem(
                self._node,
                self._spec.topic,
                "stop it, or put a twist_mux between and name its input in the embodiment",
            )
            or self._odometry_problem()
            or self._clocks_problem()
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Drive at the velocities [3] ahead, m/s, (to the left: none) and turning, rad/s."""
        self._sent = True
        message = Twist()
        message.linear.x, message.angular.z = float(velocity_G[0]), float(velocity_G[2])
        if self._spec.stamped:
            stamped = TwistStamped(twist=message)
            stamped.header.stamp = self._node.get_clock().now().to_msg()
            stamped.header.frame_id = self._spec.frame_id
            message = stamped
        self._publisher.publish(message)

    def stop(self) -> None:
        """Zero, rather than leave the last velocity to the base's time-out."""
        if not self._sent:
            return
        self.send(np.zeros(3), np.zeros(3), None)
        self._sent = False
        self._publisher.wait_for_all_acked(Duration(seconds=DELIVERY_S))

    def _subscriber_problem(self) -> str | None:
        topic = self._publisher.topic_name
        subscribers = self._node.get_subscriptions_info_by_topic(topic)
        if any(subscriber.topic_type == self._type for subscriber in subscribers):
            return None
        if not subscribers:
            return f"{topic}: nobody subscribes; is the base's driver up?"
        others = ", ".join(f"{node_of(other)} for {other.topic_type}" for other in subscribers)
        return (
            f"{topic}: the embodiment sends {self._type}, but {others} subscribes; "
            "set 'stamped' of the base's driver"
        )

    def _on_odometry(self, data: bytes) -> None:
        stamp_s = stamp_in(data)
        now_s = self._node.get_clock().now().nanoseconds / NS_PER_S
        if 0.0 < stamp_s and not stamp_s < SINCE_BOOT_S < now_s:  # else it is no time of day
            self._ages_s.append(now_s - stamp_s)

    def _clocks_problem(self) -> str | None:
        if len(self._ages_s) < STAMPS:
            return None
        age_s = min(self._ages_s, key=abs)
        if abs(age_s) <= CLOCKS_S:
            return None
        return (
            f"{self._node.resolve_topic_name(self._spec.odometry_topic)}: stamped {-age_s:+.2f} s "
            "from now, and a TwistStamped is only as good as the clocks agree: without commands "
            "the base may drive on; synchronise the clocks of the computers (chrony)"
        )

    def _several_problem(self) -> str | None:
        """One that stands still would not be noticed while the other says where it is."""
        topic = self._spec.odometry_topic
        nodes = sorted({publisher.node for publisher in publishers_of(self._node, topic)})
        if len(nodes) < 2:
            return None
        topic = self._node.resolve_topic_name(topic)
        return (
            f"{topic} is published by {' and '.join(nodes)}; end all but one: a simulation must "
            "not run beside the base's driver"
        )

    def _odometry_problem(self) -> str | None:
        topic, wanted = self._spec.odometry_topic, type_name(Odometry)
        types = sorted({publisher.type for publisher in publishers_of(self._node, topic)})
        if wanted in types:
            return self._several_problem()
        found = f"only {', '.join(types)}" if types else "nothing"
        topic = self._node.resolve_topic_name(topic)
        return f"{topic}: {found} is published there, not {wanted}"
