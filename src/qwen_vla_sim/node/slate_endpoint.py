"""A base as Interbotix's slate_base node shows it: velocities in, odometry out."""

import math

from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

from qwen_vla_core.embodiment.schema import TwistBase

from ..hardware.slate_base import SlateBase

ODOMETRY_PERIOD_S = 0.05
"""slate_base's loop runs at 20 Hz."""
ODOMETRY_DEPTH = 50
ESTOP_COVARIANCE = -1.0


class SlateEndpoint:
    """Subscribes and publishes for one base; Twist or TwistStamped, as its embodiment says."""

    def __init__(self, node: Node, driver: TwistBase, base: SlateBase) -> None:
        self._node, self._base, self._frame_id = node, base, driver.frame_id
        self._odometry = node.create_publisher(Odometry, driver.odometry_topic, ODOMETRY_DEPTH)
        if driver.stamped:
            node.create_subscription(
                TwistStamped, driver.topic, lambda message: self._on_twist(message.twist), 1
            )
        else:
            node.create_subscription(Twist, driver.topic, self._on_twist, 1)

    def publish(self) -> None:
        """Say where the base is since its start, and how fast."""
        x, y, yaw = self._base.pose.tolist()
        message = Odometry(child_frame_id=self._frame_id)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.header.frame_id = "odom"
        position, orientation = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y = x, y
        orientation.z, orientation.w = math.sin(yaw / 2.0), math.cos(yaw / 2.0)
        message.twist.twist.linear.x, message.twist.twist.angular.z = self._base.velocity.tolist()
        if self._base.estop_pressed:
            message.pose.covariance[0] = ESTOP_COVARIANCE
        self._odometry.publish(message)

    def _on_twist(self, twist: Twist) -> None:
        forward, turn = twist.linear.x, twist.angular.z
        if math.isfinite(forward) and math.isfinite(turn):
            self._base.command(forward, turn)
        else:
            self._node.get_logger().error(
                f"commanded {forward} m/s, {turn} rad/s; the real base does not check"
            )
