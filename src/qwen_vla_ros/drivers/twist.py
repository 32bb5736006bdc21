"""A differential-drive base through velocity commands, as Twist or TwistStamped.

A base stops by itself when it hears nothing for a while (SLATE after 300 ms), so a velocity goes
out in every control period, zero included.
"""

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node

from qwen_vla_core.embodiment import Group

from ..qos import RELIABLE

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
HEARD_S = 0.1
"""So long a last word waits at most for the base to have it: a publisher that is destroyed at once
takes what was not delivered with it. Less than the base's own time-out."""


class TwistDriver:
    """Sends a base its velocities ahead and turning."""

    def __init__(self, node: Node, group: Group) -> None:
        self._node, self._spec = node, group.driver
        kind = TwistStamped if self._spec.stamped else Twist
        self._type = f"geometry_msgs/msg/{kind.__name__}"
        self._publisher = node.create_publisher(kind, self._spec.topic, RELIABLE)
        self.problem: str | None = f"{self._publisher.topic_name}: not looked at yet"

    def verify(self) -> None:
        """Look whether the base listens for what we send, and says where it is."""
        self.problem = (
            self._listener_problem() or self._rival_problem() or self._odometry_problem()
        )

    def send(
        self, command_G: np.ndarray, velocity_G: np.ndarray, measured_G: np.ndarray | None
    ) -> None:
        """Drive at the velocities [3] ahead, m/s, (to the left: none) and turning, rad/s."""
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
        self.send(np.zeros(3), np.zeros(3), np.zeros(3))
        self._publisher.wait_for_all_acked(Duration(seconds=HEARD_S))

    def _listener_problem(self) -> str | None:
        topic = self._publisher.topic_name
        listeners = self._node.get_subscriptions_info_by_topic(topic)
        if any(listener.topic_type == self._type for listener in listeners):
            return None
        if not listeners:
            return f"{topic}: nobody listens; is the base's driver up?"
        others = ", ".join(f"{other.node_name} for {other.topic_type}" for other in listeners)
        return (
            f"{topic}: the embodiment sends {self._type}, but {others} listens; "
            "set 'stamped' of the base's driver"
        )

    def _rival_problem(self) -> str | None:
        topic, ours = self._publisher.topic_name, self._node.get_name()
        publishers = self._node.get_publishers_info_by_topic(topic)
        rivals = {publisher.node_name for publisher in publishers} - {ours}
        if not rivals:
            return None
        return (
            f"{topic}: {', '.join(sorted(rivals))} commands the base as well; stop it, or put a "
            "twist_mux between and name its input in the embodiment"
        )

    def _odometry_problem(self) -> str | None:
        topic = self._node.resolve_topic_name(self._spec.odometry_topic)
        types = [p.topic_type for p in self._node.get_publishers_info_by_topic(topic)]
        if ODOMETRY_TYPE in types:
            return None
        found = f"only {', '.join(types)}" if types else "nothing"
        return f"{topic}: {found} is published there, not {ODOMETRY_TYPE}"
