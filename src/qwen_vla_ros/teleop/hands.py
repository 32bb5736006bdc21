"""What a person does with a device, as its messages: press, move to and fro, let go.

Each kind publishes what the real device does, at 50 Hz; `qwen-vla bench handover` holds them.
"""

import numpy as np
from geometry_msgs.msg import PoseStamped, Twist
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, Float32

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import ClutchedPose, Keyboard, Leader, TwistInput
from qwen_vla_core.embodiment.schema import Joy as JoySection
from qwen_vla_core.resources import share_directory
from qwen_vla_core.teleop import read_gamepad

from ..qos import RELIABLE

PERIOD_S = 0.02


class Hand:
    """A person's hand on one device.

    Attributes:
        pressed: whether the dead-man is held.
        along: how fast the hand moves, -1 to 1: a tool or a leader's first joint to the left, or a
            base that turns.
        by_service: whether it is engaged by teleop/engage, and not by pressing.
    """

    by_service = False

    def __init__(self, node: Node, robot: Embodiment) -> None:
        self.pressed, self.along = False, 0.0
        self._node, self._robot = node, robot
        self._timer = node.create_timer(PERIOD_S, self.say)

    def say(self) -> None:
        """Publish what the device says now."""
        raise NotImplementedError


class GamepadHand(Hand):
    """A gamepad, or the keys of a terminal."""

    def __init__(self, node: Node, robot: Embodiment, section: JoySection | Keyboard) -> None:
        super().__init__(node, robot)
        path = share_directory() / "config" / "teleop" / f"{section.gamepad}.yaml"
        self._pad = read_gamepad(path)
        self._publisher = node.create_publisher(Joy, section.topic, RELIABLE)

    def say(self) -> None:
        axes, buttons = [0.0] * 8, [0] * 21
        axes[self._pad.sticks["left"].axis] = self.along
        buttons[self._pad.deadman] = int(self.pressed)
        self._publisher.publish(Joy(axes=axes, buttons=buttons))


class TwistHand(Hand):
    """One of the standard teleoperation packages: it publishes while it is pressed.

    It says once that nobody presses it, as those do when it is let go: what teleop_node knows
    nothing of could have been pressed all the time, and is not accepted.
    """

    def __init__(self, node: Node, robot: Embodiment, section: TwistInput) -> None:
        super().__init__(node, robot)
        self._is_base = robot.base is not None and robot.base.name == section.group
        self._publisher = node.create_publisher(Twist, section.topic, RELIABLE)
        self._known = False

    def say(self) -> None:
        if not self._known and self._publisher.get_subscription_count():
            self._known = True
            self._publisher.publish(Twist())
            return
        message = Twist()
        message.linear.y = self.along * self._robot.teleop.tool_m_s
        if self._is_base:
            message.angular.z = self.along * self._robot.teleop.base_rad_s
        if self.pressed:
            self._publisher.publish(message)


class LeaderHand(Hand):
    """A leader arm: it stays where the person left it, or follows the robot if it is absolute."""

    by_service = True

    def __init__(self, node: Node, robot: Embodiment, section: Leader) -> None:
        super().__init__(node, robot)
        self._arms = {
            arm: node.create_publisher(JointState, arm.topic, RELIABLE) for arm in section.arms
        }
        self._ours = dict(zip(robot.joint_names, robot.start_D, strict=True))
        self._first = section.arms[0].joints[0].joint
        row = robot.joint_names.index(self._first)
        self._step = 0.5 * robot.joints[row].velocity * PERIOD_S
        if section.absolute:
            node.create_subscription(JointState, "teleop/feedback", self._on_feedback, RELIABLE)

    def _on_feedback(self, message: JointState) -> None:
        if not self.pressed:
            self._ours = dict(zip(message.name, message.position, strict=True))

    def say(self) -> None:
        self._ours[self._first] += self.along * self._step
        for arm, publisher in self._arms.items():
            message = JointState()
            for entry in arm.joints:
                message.name.append(entry.leader)
                ours = self._ours[entry.joint]
                message.position.append(entry.sign * (ours - entry.offset))
            if arm.gripper is not None and arm.gripper.leader is not None:
                message.name.append(arm.gripper.leader)
                message.position.append(arm.gripper.leader_open)
            publisher.publish(message)


class PoseHand(Hand):
    """A VR controller with a clutch."""

    def __init__(self, node: Node, robot: Embodiment, section: ClutchedPose) -> None:
        super().__init__(node, robot)
        self._pose = node.create_publisher(PoseStamped, section.pose_topic, RELIABLE)
        self._clutch = node.create_publisher(Bool, section.clutch_topic, RELIABLE)
        self._gripper = None
        if section.gripper_topic is not None:
            self._gripper = node.create_publisher(Float32, section.gripper_topic, RELIABLE)
        self._left_m = np.linalg.inv(np.array(section.rotation)) @ [0.0, 1.0, 0.0]
        self._at_m = np.zeros(3)

    def say(self) -> None:
        self._at_m = (
            self._at_m + self._left_m * self.along * self._robot.teleop.tool_m_s * PERIOD_S
        )
        message = PoseStamped()
        position = message.pose.position
        position.x, position.y, position.z = self._at_m.tolist()
        self._pose.publish(message)
        self._clutch.publish(Bool(data=self.pressed))
        if self._gripper is not None:
            self._gripper.publish(Float32(data=0.5))


HANDS = {
    "joy": GamepadHand,
    "keyboard": GamepadHand,
    "twist": TwistHand,
    "leader": LeaderHand,
    "clutched_pose": PoseHand,
}
"""Type of a device -> the hand on it."""
