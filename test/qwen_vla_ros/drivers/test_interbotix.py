"""Interbotix's drivers against nodes that answer as xs_sdk does: verified, and verified again."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy
from interbotix_xs_msgs.msg import (
    JointGroupCommand,
    JointSingleCommand,
    JointTrajectoryCommand,
)
from interbotix_xs_msgs.srv import RegisterValues, RobotInfo
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.task import Future
from sensor_msgs.msg import JointState

from fake_robot import FakeArm, FakeServos
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema.teleop import LeaderArm, LeaderJoint, LeaderMotors
from qwen_vla_ros.drivers import DRIVERS, make_drivers
from qwen_vla_ros.teleop.leader_drive import LeaderDrive
from robots import robot as robot_from
from robots import two_arms_text

WIDOWX = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
ARM = tuple(joint.name for joint in WIDOWX.groups[0].joints)
WAIT_S = 10.0
WITHIN_1_S = 5
"""Checks of control_node in a second. They are counted: how long they take depends on the load."""


class FakeXsSdk:
    """Answers get_robot_info and keeps the commands that it receives.

    Attributes:
        modes: of each motor; ``group_mode``: what it remembers of the group.
        narrower: how much narrower its lower and upper limits are than the embodiment's.
        speed: its velocity limit; None to say nothing.
        profile_type: of everything. servos: what their registers say.
        mute: whether it takes requests and never answers.
    """

    def __init__(self, node, arm_joints=ARM):
        self.asked, self.group, self.single = [], [], []
        self.modes, self.group_mode = (
            dict.fromkeys(ARM, "position") | {"gripper": "pwm"},
            "position",
        )
        self.narrower, self.speed, self.mute = (0.0, 0.0), None, False
        self.profile_type = "velocity"
        self.servos = FakeServos((*ARM, "gripper"))
        self._arm, self._node = arm_joints, node
        node.create_subscription(
            JointGroupCommand, "wx250s/commands/joint_group", self.group.append, 10
        )
        node.create_subscription(
            JointSingleCommand, "wx250s/commands/joint_single", self.single.append, 10
        )
        self.start()

    def start(self):
        self._states = self._node.create_publisher(JointState, "wx250s/joint_states", 10)
        self._services = [
            # A request without an answer must not keep the node from everything else.
            self._node.create_service(
                kind, f"wx250s/{name}", answer, callback_group=ReentrantCallbackGroup()
            )
            for kind, name, answer in (
                (RobotInfo, "get_robot_info", self._answer),
                (RegisterValues, "get_motor_registers", self._read),
            )
        ]

    def die(self):
        self._node.destroy_publisher(self._states)
        for service in self._services:
            self._node.destroy_service(service)

    async def _answer(self, request, response):
        self.asked.append((request.cmd_type, request.name))
        if self.mute:
            await Future()  # which nobody completes
        arm = request.cmd_type == "group"
        response.profile_type = self.profile_type
        response.mode = self.group_mode if arm else self.modes[request.name]
        single = "left_finger" if request.name == "gripper" else request.name
        response.joint_names = list(self._arm) if arm else [single]
        joints = {joint.name: joint for joint in WIDOWX.joints}
        known = [joints.get(name, WIDOWX.joints[0]) for name in response.joint_names]
        response.joint_lower_limits = [joint.lower + self.narrower[0] for joint in known]
        response.joint_upper_limits = [joint.upper - self.narrower[1] for joint in known]
        response.joint_velocity_limits = [self.speed] * len(known) if self.speed else []
        return response

    async def _read(self, request, response):
        if self.mute:
            await Future()  # which nobody completes
        motors = self._arm if request.cmd_type == "group" else [request.name]
        response.values = self.servos.read(motors, request.reg)
        return response


@pytest.fixture
def node(ros):
    node = ros.create_node("driver_test")
    yield node
    node.destroy_node()


@pytest.fixture
def elsewhere(ros_domain):
    """Makes nodes of other processes, as far as ROS can tell."""
    made = []

    def make(name):
        context = Context()
        rclpy.init(context=context, domain_id=ros_domain)
        made.append((rclpy.create_node(name, context=context), context))
        return made[-1][0]

    yield make
    for node, context in made:
        node.destroy_node()
        rclpy.shutdown(context=context)


def spin_until(ros, node, condition, limit_s=WAIT_S):
    deadline_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline_s:
        ros.spin_once(node, timeout_sec=0.05)
    return condition()


def verifying(ros, node, drivers, condition, limit_s=WAIT_S, checks=math.inf):
    """Whether the condition comes true while control_node would go on verifying, at 5 Hz."""
    due_s, done, fulfilled = 0.0, 0, False

    def verified():
        nonlocal due_s, done, fulfilled
        if time.monotonic() >= due_s:
            due_s, done = time.monotonic() + 0.2, done + 1
            for driver in drivers.values():
                driver.verify()
        fulfilled = condition()
        return fulfilled or done > checks

    spin_until(ros, node, verified, limit_s)
    return fulfilled


def verified(ros, node, drivers, limit_s=WAIT_S):
    return verifying(
        ros, node, drivers, lambda: not any(d.problem for d in drivers.values()), limit_s
    )


def says(ros, node, drivers, group, words, limit_s=WAIT_S, checks=math.inf):
    """Whether a group's problem comes to contain these words."""
    said = lambda: words in (drivers[group].problem or "")  # noqa: E731
    return verifying(ros, node, drivers, said, limit_s, checks)


def test_when_an_embodiment_names_a_driver_expect_one_class_for_each_type_and_a_group_s_own(node):
    drivers = make_drivers(node, WIDOWX)
    assert [type(driver).__name__ for driver in drivers.values()] == [
        "InterbotixGroupDriver",
        "InterbotixPwmGripperDriver",
    ]
    described = type(WIDOWX.groups[0]).model_fields["driver"].annotation.__args__
    types = {kind.model_fields["type"].annotation.__args__[0] for kind in described}
    assert set(DRIVERS) == types


def test_when_nothing_answers_expect_a_problem_that_names_the_service(ros, node):
    drivers = make_drivers(node, WIDOWX)
    assert "wx250s/get_robot_info" in drivers["arm"].problem
    assert not verified(ros, node, drivers, 0.5)
    assert "/wx250s/get_robot_info has not answered" in drivers["arm"].problem


def test_when_the_robot_is_as_described_expect_every_motor_queried_again_and_again(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    every = {("group", "arm"), ("single", "gripper"), *[("single", name) for name in ARM]}
    assert set(robot.asked) == every
    robot.asked.clear()
    assert verifying(ros, node, drivers, lambda: set(robot.asked) == every)
    assert drivers["arm"].problem is drivers["gripper"].problem is None


@pytest.mark.parametrize(
    ("group", "change", "words"),
    [
        ("arm", {"group_mode": "velocity"}, "'arm' is in mode 'velocity'"),
        ("arm", {"modes": {"elbow": "pwm"}}, "'elbow' is in mode 'pwm'"),
        ("gripper", {"modes": {"gripper": "position"}}, "'gripper' is in mode 'position'"),
    ],
)
def test_when_the_robot_comes_to_differ_expect_it_said_within_1_s_and_gone_once_it_is_mended(
    ros, node, group, change, words
):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    before = {name: getattr(robot, name) for name in change}
    for name, value in change.items():
        setattr(robot, name, before[name] | value if isinstance(value, dict) else value)
    assert says(ros, node, drivers, group, words, checks=WITHIN_1_S)
    for name, value in before.items():
        setattr(robot, name, value)
    assert verified(ros, node, drivers)


def test_when_the_robot_says_its_limits_expect_them_by_joint_and_anew_when_they_change(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert drivers["arm"].limits == drivers["gripper"].limits == {}
    assert verified(ros, node, drivers)
    for group in WIDOWX.groups:
        limits = drivers[group.name].limits
        assert set(limits) == {joint.name for joint in group.joints}
        for joint in group.joints:
            said = limits[joint.name]
            assert (said.lower, said.upper) == pytest.approx((joint.lower, joint.upper))
            assert said.velocity == math.inf  # it says nothing of them
    robot.narrower, robot.speed = (0.01, 0.02), 1.0

    def said():
        waist, finger = drivers["arm"].limits["waist"], drivers["gripper"].limits["left_finger"]
        return waist.velocity == finger.velocity == 1.0 and waist.lower > -3.14

    assert verifying(ros, node, drivers, said)
    assert drivers["arm"].limits["waist"].upper == pytest.approx(3.141583 - 0.02)
    assert drivers["gripper"].limits["left_finger"].lower == pytest.approx(0.015 + 0.01)
    assert drivers["arm"].problem is None  # control_node obeys the tighter ones


@pytest.mark.parametrize(
    ("group", "register", "motor", "value", "words"),
    [
        ("arm", "Torque_Enable", "elbow", 0, "'arm': the torque of elbow is off; hold the arm"),
        ("arm", "Hardware_Error_Status", "elbow", 32, "elbow has switched itself off: overload"),
    ],
)
def test_when_a_servo_lets_go_expect_it_named_with_the_reason_until_it_holds_again(
    ros, node, group, register, motor, value, words
):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    before, robot.servos.registers[register][motor] = (
        robot.servos.registers[register][motor],
        value,
    )
    # One register after the other is read, twice a second.
    assert says(ros, node, drivers, group, words, checks=2 * WITHIN_1_S + 2)
    robot.servos.registers[register][motor] = before
    assert verified(ros, node, drivers)


def test_when_a_servo_no_longer_answers_expect_it_named_unless_it_is_one_lost_packet(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.servos.gone = {"elbow"}
    assert says(ros, node, drivers, "arm", "'arm': elbow does not answer; look at its cable")
    assert len(robot.servos.asked_while_gone) > 1
    robot.servos.gone = {}
    assert verified(ros, node, drivers)


@pytest.mark.parametrize(
    ("kind", "velocity", "acceleration", "words"),
    [
        ("time", 2000, 300, "stretches each command over 2000 ms, and at most 40 ms can be"),
        ("time", 25, 300, None),
        ("velocity", 20, 0, "Profile_Velocity 20 keeps waist below 0.48 rad/s, the embodiment"),
        ("velocity", 131, 15, None),  # Interbotix: 3.14 rad/s, 5.6 rad/s^2
        ("velocity", 0, 5, "Profile_Acceleration 5 keeps waist below 1.87 rad/s^2"),
    ],
)
def test_when_the_profile_is_slower_than_the_commands_expect_it_refused_with_what_to_change(
    ros, node, kind, velocity, acceleration, words
):
    robot = FakeXsSdk(node)
    robot.profile_type = kind
    for register, value in (("Velocity", velocity), ("Acceleration", acceleration)):
        servos = robot.servos.registers[f"Profile_{register}"]
        servos.update(dict.fromkeys(servos, value))
    drivers = make_drivers(node, WIDOWX)
    if words is None:
        assert verified(ros, node, drivers)
        return
    assert says(ros, node, drivers, "arm", words)
    if kind == "time":
        assert "config/interbotix_modes/" in drivers["arm"].problem
        assert "set_motor_registers" in drivers["arm"].problem
    assert verifying(ros, node, drivers, lambda: drivers["gripper"].problem is None)  # pwm mode


def test_when_interbotix_s_simulator_knows_two_registers_expect_it_taken_and_no_power_said(
    ros, node
):
    robot = FakeXsSdk(node)
    for register in ("Torque_Enable", "Hardware_Error_Status", "Present_Temperature"):
        del robot.servos.registers[register]
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.servos.gone = {*ARM, "gripper"}
    drivers = make_drivers(node, WIDOWX)
    assert says(ros, node, drivers, "arm", "waist does not answer; is its power on?")


def test_when_a_servo_is_hot_expect_a_warning_before_it_switches_itself_off(ros, node):
    robot = FakeXsSdk(node)
    robot.servos.registers["Present_Temperature"]["elbow"] = 70
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    assert "elbow has 70 degrees Celsius" in drivers["arm"].warning
    assert drivers["gripper"].warning is None


@pytest.mark.parametrize(
    ("joints", "words"),
    [(ARM[:-1], "the embodiment"), ((*ARM[:-1], "wrist_spin"), "wrist_spin")],
)
def test_when_the_group_has_other_joints_expect_them_named(ros, node, joints, words):
    FakeXsSdk(node, arm_joints=joints)
    drivers = make_drivers(node, WIDOWX)
    assert says(ros, node, drivers, "arm", "has joints") and words in drivers["arm"].problem


def test_when_the_driver_dies_and_returns_in_another_mode_expect_both_said(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.die()
    assert says(ros, node, drivers, "gripper", "has not answered", checks=WITHIN_1_S)
    robot.modes = robot.modes | {"gripper": "position"}
    robot.start()
    assert says(ros, node, drivers, "gripper", "mode 'position'", checks=WITHIN_1_S)
    robot.modes = robot.modes | {"gripper": "pwm"}
    assert verified(ros, node, drivers)


def test_when_it_restarts_between_two_checks_expect_it_queried_before_anything_is_sent(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.die()
    robot.modes = robot.modes | {"gripper": "position"}
    robot.start()
    assert spin_until(ros, node, lambda: node.count_publishers("wx250s/joint_states") == 1)
    drivers["gripper"].verify()
    assert drivers["gripper"].problem is not None


def test_when_a_killed_driver_is_back_before_a_check_expect_no_command_to_the_new_one(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.modes = robot.modes | {"gripper": "position"}
    robot.start()  # the one that was killed stays in the graph for a while
    assert spin_until(ros, node, lambda: node.count_publishers("wx250s/joint_states") == 2)
    for group, measured_G in (("arm", np.zeros(6)), ("gripper", np.array([0.03]))):
        drivers[group].send(np.zeros(len(measured_G)), np.zeros(len(measured_G)), measured_G)
        assert "it is being verified" in drivers[group].problem
    spin_until(ros, node, lambda: False, 0.2)
    assert robot.group == robot.single == []


def test_when_a_leaders_killed_driver_is_back_expect_no_goal_before_its_mode_is_known(ros, node):
    robot, here = FakeXsSdk(node), dict.fromkeys(ARM, 0.0)
    joints = tuple(LeaderJoint(joint=name, leader=name) for name in ARM)
    motors = LeaderMotors(namespace="wx250s")
    arm = LeaderArm(topic="wx250s/joint_states", joints=joints, drive=motors)
    drive, now_s = LeaderDrive(node, WIDOWX, arm, 0.15), iter(np.arange(0.0, 1e3, 0.02))

    def follows(condition):
        def period():
            drive.follow(np.full(len(WIDOWX.joints), 0.1), here, next(now_s))
            return condition()

        return spin_until(ros, node, period)

    assert follows(lambda: robot.group)
    robot.group_mode = "velocity"
    robot.start()  # the one that was killed stays in the graph for a while
    assert spin_until(ros, node, lambda: node.count_publishers("wx250s/joint_states") == 2)
    spin_until(ros, node, lambda: False, 0.2)
    robot.group.clear()
    assert follows(lambda: "mode 'velocity'" in drive.problem) and not robot.group
    robot.group_mode = "position"
    assert follows(lambda: robot.group)


def test_when_it_dies_while_it_answers_expect_it_reported_and_the_query_repeated(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    robot.mute = True
    assert says(ros, node, drivers, "arm", "has not answered for", 4.0)
    robot.mute = False
    assert verified(ros, node, drivers)


def test_when_it_was_mute_from_the_start_expect_it_queried_again_once_it_answers(ros, node):
    robot = FakeXsSdk(node)
    robot.mute = True
    drivers = make_drivers(node, WIDOWX)
    assert verifying(ros, node, drivers, lambda: len(robot.asked) == 8)
    assert drivers["arm"].problem is not None
    robot.mute = False
    assert verified(ros, node, drivers)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (JointGroupCommand, "joint_group"),
        (JointSingleCommand, "joint_single"),
        (JointTrajectoryCommand, "joint_trajectory"),
    ],
)
def test_when_another_program_commands_the_arm_expect_it_found_within_1_s_until_it_ends(
    ros, node, elsewhere, kind, name
):
    FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    rival = elsewhere("interbotix_teleop")
    publisher = rival.create_publisher(kind, f"wx250s/commands/{name}", 10)
    # How long DDS takes to discover it depends on the machine, so the second begins there.
    ours = sum(p.topic_name == f"/wx250s/commands/{name}" for p in node.publishers)
    count = lambda: node.count_publishers(f"wx250s/commands/{name}")  # noqa: E731
    assert spin_until(ros, node, lambda: count() == ours + 1)
    assert says(ros, node, drivers, "arm", "publishes commands, too", checks=WITHIN_1_S)
    # Discovery finds the publisher before the name of its node.
    assert says(ros, node, drivers, "arm", f"commands/{name}: /interbotix_teleop")
    assert "two programs" in drivers["arm"].problem
    rival.destroy_publisher(publisher)
    assert verified(ros, node, drivers)


def test_when_a_second_node_of_our_name_commands_the_arm_expect_it_found_all_the_same(
    ros, node, elsewhere
):
    FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    make_drivers(elsewhere("driver_test"), WIDOWX)
    topic = "wx250s/commands/joint_group"
    assert spin_until(ros, node, lambda: node.count_publishers(topic) == 2)
    assert says(ros, node, drivers, "arm", "commands, too", checks=WITHIN_1_S)
    assert says(ros, node, drivers, "arm", "another /driver_test publishes commands, too")


def test_when_the_driver_orders_joints_differently_expect_commands_by_name(ros, node):
    robot = FakeXsSdk(node, arm_joints=ARM[::-1])
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    targets = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])

    def received():
        drivers["arm"].send(targets, np.zeros(6), None)
        return bool(robot.group)

    assert spin_until(ros, node, received)
    assert robot.group[0].name == "arm"
    np.testing.assert_allclose(robot.group[0].cmd, targets[::-1], rtol=1e-6)
    spin_until(ros, node, lambda: False, 0.3)
    count = len(robot.group)
    drivers["arm"].stop()  # its servos hold their goals
    assert not spin_until(ros, node, lambda: len(robot.group) > count, 0.3)


CLOSED, OPEN = np.array([0.015]), np.array([0.037])
MOVING = [np.array([0.037 - 4e-4 * period]) for period in range(30)]
HELD = [np.array([0.026])] * 30
PERIOD_S = 0.02


@pytest.fixture
def widowx(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    assert spin_until(ros, node, lambda: node.count_subscribers("wx250s/commands/joint_single"))
    return robot, drivers["gripper"], drivers


def play(ros, node, gripper, command_G, measured):
    """Send at 50 Hz, as control_node does."""
    for measured_G in measured:
        gripper.send(command_G, np.zeros(1), measured_G)
        spin_until(ros, node, lambda: False, PERIOD_S)


def last_efforts(ros, node, robot, count=1):
    """The last commands, once nothing more comes."""
    spin_until(ros, node, lambda: False, 0.2)
    return [(message.name, message.cmd) for message in robot.single[-count:]]


def test_when_a_closing_gripper_is_stopped_expect_its_effort_taken_away(ros, node, widowx):
    robot, gripper, _ = widowx
    play(ros, node, gripper, CLOSED, MOVING)
    gripper.stop()
    assert last_efforts(ros, node, robot, 2) == [("gripper", -350.0), ("gripper", 0.0)]


def test_when_a_gripper_that_holds_something_is_stopped_expect_its_effort_to_stay(
    ros, node, widowx
):
    robot, gripper, _ = widowx
    play(ros, node, gripper, CLOSED, HELD)
    gripper.stop()
    assert last_efforts(ros, node, robot, 5) == [("gripper", -350.0)] * 5


def test_when_measurements_end_while_it_closes_expect_the_effort_to_end(ros, node, widowx):
    robot, gripper, _ = widowx
    play(ros, node, gripper, CLOSED, [*MOVING, None])
    assert last_efforts(ros, node, robot) == [("gripper", 0.0)]


def test_when_nothing_was_commanded_expect_stop_to_send_nothing(ros, node, widowx):
    robot, gripper, _ = widowx
    gripper.stop()
    play(ros, node, gripper, CLOSED, MOVING)
    gripper.stop()
    count = len(robot.single)
    gripper.stop()
    assert last_efforts(ros, node, robot) == [("gripper", 0.0)]
    assert 0 < count <= len(robot.single) <= count + 3


def test_when_its_driver_answers_no_more_expect_stop_to_take_the_effort_away_all_the_same(
    ros, node, widowx
):
    robot, gripper, drivers = widowx
    play(ros, node, gripper, CLOSED, MOVING)
    robot.mute = True
    assert says(ros, node, drivers, "gripper", "has not answered for", 4.0)
    gripper.stop()
    assert last_efforts(ros, node, robot) == [("gripper", 0.0)]


def test_when_its_mode_was_changed_expect_stop_to_send_no_effort_that_would_be_an_angle(
    ros, node, widowx
):
    robot, gripper, drivers = widowx
    play(ros, node, gripper, CLOSED, MOVING)
    robot.modes = robot.modes | {"gripper": "position"}
    assert says(ros, node, drivers, "gripper", "mode 'position'", checks=WITHIN_1_S)
    count = len(robot.single)
    gripper.stop()
    last_efforts(ros, node, robot)
    assert len(robot.single) == count


TWO_ARMS = robot_from(two_arms_text())
AT = [0.0, 0.0, 0.0, 0.03]


class TwoArms:
    """Both followers, publishing in turn with whatever the test does."""

    def __init__(self, ros, node, gripper_mode="current_based_position"):
        self.ros, self.node = ros, node
        self.arms = [
            FakeArm(node, f"follower_{side}", AT, gripper_mode) for side in ("left", "right")
        ]
        self.drivers = make_drivers(node, TWO_ARMS)
        node.create_timer(0.02, self._publish)

    def _publish(self):
        for arm in self.arms:
            arm.publish()


def test_when_a_position_gripper_is_in_another_mode_expect_the_difference_in_words(ros, node):
    robot = TwoArms(ros, node, gripper_mode="linear_position")
    assert says(ros, node, robot.drivers, "right_gripper", "'linear_position'")
    problem = robot.drivers["right_gripper"].problem
    assert "follower_right" in problem and "current_based_position" in problem


def test_when_a_finger_is_sent_anywhere_expect_motor_angles_between_both_ends_once_it_moves(
    ros, node
):
    robot = TwoArms(ros, node)
    assert verified(ros, node, robot.drivers)
    gripper, received = robot.drivers["left_gripper"], robot.arms[0].single
    for finger_m in (0.03, 0.03, 0.03 + 1e-9, 0.05, 0.03, 0.2, -0.2):
        gripper.send(np.array([finger_m]), np.zeros(1), np.array([0.03]))
    assert spin_until(ros, node, lambda: len(received) == 4)
    assert {name for name, _ in received} == {"gripper"}
    ends = TWO_ARMS.groups[1].gripper_ends
    wanted = [ends.motor_rad(0.05), ends.motor_rad(0.03), 1.4910, -0.6213]
    np.testing.assert_allclose([angle for _, angle in received], wanted, rtol=1e-6)
    gripper.stop()
    gripper.send(np.array([0.04]), np.zeros(1), np.array([0.04]))
    gripper.send(np.array([0.045]), np.zeros(1), None)
    assert spin_until(ros, node, lambda: len(received) > 4)
    assert len(received) == 5 and robot.arms[1].single == []


def test_when_a_gripper_reports_as_another_robot_model_expect_the_preset_refused_and_one_named(
    ros, node
):
    robot = TwoArms(ros, node)
    assert verified(ros, node, robot.drivers)
    # What aloha_vx300s (horn 0.0275 m, rod 0.035 m) reports at 1.2 rad.
    robot.arms[1].false = {"gripper": 1.2, "left_finger": 0.05919}
    assert says(ros, node, robot.drivers, "right_gripper", "use preset aloha_vx300s", 1.0)
    assert "/follower_right/joint_states: gripper:" in robot.drivers["right_gripper"].problem
    assert robot.drivers["left_gripper"].problem is None
    robot.arms[1].false = {}
    assert verified(ros, node, robot.drivers, 1.0)


def test_when_joint_states_are_unusable_expect_them_named(ros, node):
    robot = TwoArms(ros, node)
    assert verified(ros, node, robot.drivers)
    robot.arms[0].false = {"gripper": float("nan")}
    assert says(ros, node, robot.drivers, "left_gripper", "gripper", 1.0)
    robot.arms[0].false = {f"joint_{k}": 0.0 for k in range(3000)}
    assert says(ros, node, robot.drivers, "left_gripper", "too large", 1.0)
