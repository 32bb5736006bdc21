"""Robots as their drivers show them over ROS, without physics: they are where they were sent."""

import time

from geometry_msgs.msg import Twist, TwistStamped
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RobotInfo
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import JointState

PERIOD_S = 0.02
ARM = ("waist", "elbow")


class FakeArm:
    """One xs_sdk driver with two joints and a gripper.

    Attributes:
        positions: by joint name, as in its joint_states.
        group, single: the commands it heard.
        alive: whether it publishes.
    """

    def __init__(self, node, namespace, positions, gripper_mode="current_based_position"):
        self.positions = dict(zip((*ARM, "gripper", "left_finger"), positions, strict=True))
        self.group, self.single, self.alive = [], [], True
        self._node, self._gripper_mode = node, gripper_mode
        self._states = node.create_publisher(JointState, f"{namespace}/joint_states", 10)
        topic = f"{namespace}/commands/joint"
        node.create_subscription(JointGroupCommand, f"{topic}_group", self._on_group, 10)
        node.create_subscription(JointSingleCommand, f"{topic}_single", self._on_single, 10)
        node.create_service(RobotInfo, f"{namespace}/get_robot_info", self._answer)

    def publish(self):
        if self.alive:
            message = JointState(
                name=[*self.positions, "right_finger"],
                position=[*self.positions.values(), -self.positions["left_finger"]],
            )
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._states.publish(message)

    def _on_group(self, message):
        self.group.append(list(message.cmd))
        self.positions.update(zip(ARM, message.cmd, strict=True))

    def _on_single(self, message):
        self.single.append((message.name, message.cmd))
        self.positions["gripper"] = message.cmd

    def _answer(self, request, response):
        arm = request.cmd_type == "group"
        response.mode = "position" if arm else self._gripper_mode
        response.joint_names = list(ARM) if arm else ["left_finger"]
        return response


class FakeBase:
    """A base that takes Twist or TwistStamped.

    Attributes:
        heard: (steady time s, ahead, turning) of every command.
        stamps: headers of what was stamped.
        alive: whether it publishes odometry.
        estop, broken: what its odometry says.
    """

    def __init__(self, node, stamped=False):
        self.heard, self.headers, self.alive = [], [], True
        self.estop, self.broken = False, False
        self._node = node
        self._odometry = node.create_publisher(Odometry, "mobile_base/odom", 50)
        kind = TwistStamped if stamped else Twist
        node.create_subscription(kind, "mobile_base/cmd_vel", self._on_twist, 10)

    def publish(self):
        if self.alive:
            message = Odometry()
            message.header.stamp = self._node.get_clock().now().to_msg()
            message.pose.covariance[0] = -1.0 if self.estop else 0.0
            message.twist.twist.linear.x = float("nan") if self.broken else 0.0
            self._odometry.publish(message)

    def _on_twist(self, message):
        if isinstance(message, TwistStamped):
            self.headers.append(message.header)
            message = message.twist
        self.heard.append((time.monotonic(), message.linear.x, message.angular.z))


class FakeRobot(Node):
    """Arms by namespace, and perhaps a base; all publish at 50 Hz."""

    def __init__(self, arms, base=False, stamped=False):
        super().__init__("robot")
        self.arms = {name: FakeArm(self, name, start) for name, start in arms.items()}
        self.base = FakeBase(self, stamped) if base else None
        self.create_timer(PERIOD_S, self._publish)

    def _publish(self):
        for part in (*self.arms.values(), *([self.base] if self.base else [])):
            part.publish()
