"""Robots as their drivers show them over ROS, without physics: they are where they were sent."""

import math
import time

from geometry_msgs.msg import Twist, TwistStamped
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RegisterValues, RobotInfo
from nav_msgs.msg import Odometry
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState

PERIOD_S = 0.02
ARM = ("waist", "elbow")
SERVO_RAD_S = 3.14
"""Firmware velocity limit of an X-series arm (interbotix motor configurations: 131)."""
FALL_RAD_S = 0.5
HORN_M, ROD_M = 0.022, 0.036
"""Linkage of the vx300s gripper (interbotix_xsarm_control/config/vx300s.yaml)."""
FINGER_M_S, FINGER_STOPS_M = 0.01, (0.02, 0.057)
"""How fast a pwm of 350 moves the finger, and where it cannot go on."""
NOWHERE = (-math.inf, math.inf)


def motor_rad(finger_m):
    """Where the gripper's motor is with a finger at ``finger_m``, from the law of cosines."""
    return math.asin((HORN_M**2 + finger_m**2 - ROD_M**2) / (2.0 * HORN_M * finger_m))


def finger_m(motor_angle_rad):
    """Where the finger is: the horn's tip, and the rod from there to the finger's rail."""
    across, along = HORN_M * math.cos(motor_angle_rad), HORN_M * math.sin(motor_angle_rad)
    return along + math.sqrt(ROD_M**2 - across**2)


class FakeServos:
    """The registers of an xs_sdk driver's servos, and its service that reads them.

    Attributes:
        registers: register -> motor -> value.
        gone: motors that do not answer; asked_while_gone: registers that were read meanwhile.
    """

    def __init__(self, motors):
        self.registers = {
            register: dict.fromkeys(motors, value)
            for register, value in (
                ("Torque_Enable", 1),
                ("Hardware_Error_Status", 0),
                ("Present_Temperature", 35),
                ("Profile_Velocity", 0),
                ("Profile_Acceleration", 0),
            )
        }
        self.gone, self.asked_while_gone = set(), []

    def read(self, motors, register):
        """The values of these motors up to the first that does not answer, as xs_sdk reads.

        None of a register that there is not.
        """
        values = []
        if self.gone:
            self.asked_while_gone.append(register)
        for motor in motors if register in self.registers else ():
            if motor in self.gone:
                break
            values.append(self.registers[register].get(motor, 0))
        return values


class FakeArm:
    """One xs_sdk driver with two joints and a gripper. Its faults are attributes to be set.

    Attributes:
        positions: where it truly is, by joint name; ``gripper`` is the motor, rad.
        goals: of its servos, by joint name; like real ones they keep them without torque.
        group, single: the commands it received; times_s: when those of the group, steady, s.
        alive: whether it publishes.
        torque: whether the arm's servos hold; without it the arm falls, elbow first.
        obstacles: joint -> (lowest, highest) position that something in the way allows.
        false: joint -> what its joint states say instead of the truth.
        modes: motor -> operating mode; ``group_mode``: what it has for the group.
        servos: what their registers say.
        silent: whether requests are taken and never answered.
        asked: (cmd_type, name) of every request to get_robot_info.
        limits: joint -> (lower, upper, velocity) that it says; empty for none at all.
        pwm: what pushes the gripper while its mode is pwm.
    """

    def __init__(self, node, namespace, positions, gripper_mode="current_based_position"):
        self.positions = dict(zip((*ARM, "gripper", "left_finger"), positions, strict=True))
        self.positions["gripper"] = motor_rad(self.positions["left_finger"])
        self.goals = {name: self.positions[name] for name in ARM}
        self.group, self.single, self.asked, self.times_s = [], [], [], []
        self.alive, self.torque, self.silent = True, True, False
        self.obstacles, self.false, self.limits, self.pwm = {}, {}, {}, 0.0
        self.servos = FakeServos((*ARM, "gripper"))
        self._node, self._namespace = node, namespace
        self.start(gripper_mode)

    def start(self, gripper_mode="current_based_position"):
        """The driver comes up with the modes of its configuration."""
        self.modes = dict.fromkeys(ARM, "position") | {"gripper": gripper_mode}
        self.group_mode = "position"
        node, topic = self._node, f"{self._namespace}/commands/joint"
        self._states = node.create_publisher(JointState, f"{self._namespace}/joint_states", 10)
        self._subscriptions = [
            node.create_subscription(JointGroupCommand, f"{topic}_group", self._on_group, 10),
            node.create_subscription(JointSingleCommand, f"{topic}_single", self._on_single, 10),
        ]
        self._services = [
            # A request without an answer must not keep the node from everything else.
            node.create_service(
                kind,
                f"{self._namespace}/{name}",
                answer,
                callback_group=ReentrantCallbackGroup(),
            )
            for kind, name, answer in (
                (RobotInfo, "get_robot_info", self._answer),
                (RegisterValues, "get_motor_registers", self._read),
            )
        ]

    def die(self):
        """The driver's process ends; the servos keep their goals."""
        self._node.destroy_publisher(self._states)
        self._states = None
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for service in self._services:
            self._node.destroy_service(service)

    def publish(self):
        self._move()
        if self.alive and self._states is not None:
            reported = self.positions | self.false
            message = JointState(
                name=[*reported, "right_finger"],
                position=[*reported.values(), -reported["left_finger"]],
            )
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._states.publish(message)

    def _move(self):
        reach = SERVO_RAD_S * PERIOD_S
        for joint in ARM:
            step = min(max(self.goals[joint] - self.positions[joint], -reach), reach)
            if not self.torque:
                step = FALL_RAD_S * PERIOD_S if joint == "elbow" else 0.0
            lowest, highest = self.obstacles.get(joint, NOWHERE)
            self.positions[joint] = min(max(self.positions[joint] + step, lowest), highest)
        if self.modes["gripper"] == "pwm":
            lowest, highest = self.obstacles.get("left_finger", FINGER_STOPS_M)
            moved_m = self.positions["left_finger"] + self.pwm / 350.0 * FINGER_M_S * PERIOD_S
            self.positions["left_finger"] = min(max(moved_m, lowest), highest)
            self.positions["gripper"] = motor_rad(self.positions["left_finger"])

    def _on_group(self, message):
        self.times_s.append(time.monotonic())
        self.group.append(list(message.cmd))
        self.goals.update(zip(ARM, message.cmd, strict=True))

    def _on_single(self, message):
        self.single.append((message.name, message.cmd))
        if self.modes["gripper"] == "current_based_position":
            self.positions["gripper"] = message.cmd
            self.positions["left_finger"] = finger_m(message.cmd)
        elif self.modes["gripper"] == "pwm":
            self.pwm = message.cmd

    async def _answer(self, request, response):
        self.asked.append((request.cmd_type, request.name))
        if self.silent:
            await Future()  # which nobody ever completes
        arm = request.cmd_type == "group"
        response.mode = self.group_mode if arm else self.modes[request.name]
        single = "left_finger" if request.name == "gripper" else request.name
        response.joint_names = list(ARM) if arm else [single]
        if self.limits:
            names = response.joint_names
            limits = [self.limits.get(joint, (*NOWHERE, math.inf)) for joint in names]
            response.joint_lower_limits = [lower for lower, _, _ in limits]
            response.joint_upper_limits = [upper for _, upper, _ in limits]
            response.joint_velocity_limits = [velocity for _, _, velocity in limits]
        return response

    async def _read(self, request, response):
        if self.silent:
            await Future()  # which nobody ever completes
        motors = ARM if request.cmd_type == "group" else [request.name]
        response.values = self.servos.read(motors, request.reg)
        return response


class FakeBase:
    """A base that takes Twist or TwistStamped.

    Attributes:
        received: (steady time s, ahead, turning) of every command.
        stamps: headers of what was stamped.
        alive: whether it publishes odometry.
        withdrawn: whether another program publishes it from now on.
        frozen: whether its odometry repeats the last message.
        estop, broken: what its odometry says; behind_s: how far its clock is behind ours.
    """

    def __init__(self, node, stamped=False):
        self.received, self.headers, self.alive = [], [], True
        self.frozen, self._said = False, Odometry()
        self.estop, self.broken, self.withdrawn, self.behind_s = False, False, False, 0.0
        self._node = node
        self._odometry = node.create_publisher(Odometry, "mobile_base/odom", 50)
        kind = TwistStamped if stamped else Twist
        node.create_subscription(kind, "mobile_base/cmd_vel", self._on_twist, 10)

    def publish(self):
        if self.withdrawn and self.alive:  # by the thread that spins it
            self.alive = False
            self._node.destroy_publisher(self._odometry)
        if self.alive and self.frozen:
            self._odometry.publish(self._said)
        elif self.alive:
            message = self._said = Odometry()
            now = self._node.get_clock().now() - Duration(seconds=self.behind_s)
            message.header.stamp = now.to_msg()
            message.pose.covariance[0] = -1.0 if self.estop else 0.0
            message.twist.twist.linear.x = float("nan") if self.broken else 0.0
            self._odometry.publish(message)

    @property
    def last(self):
        """The last command's velocities ahead and turning; None before the first."""
        return self.received[-1][1:] if self.received else None

    def _on_twist(self, message):
        if isinstance(message, TwistStamped):
            self.headers.append(message.header)
            message = message.twist
        self.received.append((time.monotonic(), message.linear.x, message.angular.z))


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
