"""The driver against a node that answers as xs_sdk does: verified first, then by name."""

from pathlib import Path

import numpy as np
import pytest
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RobotInfo

from fake_robot import FakeArm
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_ros.drivers import make_drivers
from robots import robot as robot_from
from robots import two_arms_text

WIDOWX = load_embodiment(Path(__file__).parents[2] / "embodiments" / "widowx.yaml")
ARM = tuple(joint.name for joint in WIDOWX.groups[0].joints)
WAIT_S = 10.0


class FakeXsSdk:
    """Answers get_robot_info and keeps the commands it hears."""

    def __init__(self, node, arm_joints=ARM, arm_mode="position", gripper_mode="pwm", narrow=0.0):
        self.asked, self.group, self.single = [], [], []
        self._arm, self._modes, self._narrow = arm_joints, (arm_mode, gripper_mode), narrow
        node.create_service(RobotInfo, "wx250s/get_robot_info", self._answer)
        node.create_subscription(
            JointGroupCommand, "wx250s/commands/joint_group", self.group.append, 10
        )
        node.create_subscription(
            JointSingleCommand, "wx250s/commands/joint_single", self.single.append, 10
        )

    def _answer(self, request, response):
        self.asked.append((request.cmd_type, request.name))
        arm = request.cmd_type == "group"
        response.mode = self._modes[0 if arm else 1]
        response.joint_names = list(self._arm) if arm else ["left_finger"]
        joints = {joint.name: joint for joint in WIDOWX.joints}
        known = [joints.get(name, WIDOWX.joints[0]) for name in response.joint_names]
        response.joint_lower_limits = [joint.lower + self._narrow for joint in known]
        response.joint_upper_limits = [joint.upper - self._narrow for joint in known]
        return response


@pytest.fixture
def node(ros):
    node = ros.create_node("driver_test")
    yield node
    node.destroy_node()


def spin_until(ros, node, condition):
    deadline = node.get_clock().now().nanoseconds + WAIT_S * 1e9
    while not condition() and node.get_clock().now().nanoseconds < deadline:
        ros.spin_once(node, timeout_sec=0.05)
    return condition()


def verified(ros, node, drivers):
    def done():
        for driver in drivers.values():
            driver.verify()
        return not any(driver.problem for driver in drivers.values())

    return spin_until(ros, node, done)


def problem_of(ros, node, drivers, group):
    def changed():
        drivers[group].verify()
        return "has not answered" not in (drivers[group].problem or "")

    assert spin_until(ros, node, changed)
    return drivers[group].problem


def test_when_nothing_answers_expect_a_problem_that_names_the_service(ros, node):
    drivers = make_drivers(node, WIDOWX)
    assert "wx250s/get_robot_info" in drivers["arm"].problem


def test_when_the_robot_is_as_described_expect_no_problem_and_one_question_each(ros, node):
    robot = FakeXsSdk(node)
    assert verified(ros, node, make_drivers(node, WIDOWX))
    assert sorted(robot.asked) == [("group", "arm"), ("single", "gripper")]


@pytest.mark.parametrize(
    ("group", "options", "words"),
    [
        ("arm", {"arm_mode": "velocity"}, "mode 'velocity'"),
        ("gripper", {"gripper_mode": "position"}, "mode 'position'"),
        ("arm", {"arm_joints": ARM[:-1]}, "joints"),
        ("arm", {"arm_joints": (*ARM[:-1], "wrist_spin")}, "wrist_spin"),
        ("arm", {"narrow": 0.01}, "the robot only"),
        ("gripper", {"narrow": 0.005}, "allows left_finger"),
    ],
)
def test_when_the_robot_differs_from_its_description_expect_the_difference_in_words(
    ros, node, group, options, words
):
    FakeXsSdk(node, **options)
    assert words in problem_of(ros, node, make_drivers(node, WIDOWX), group)


def test_when_the_driver_orders_joints_differently_expect_commands_by_name(ros, node):
    robot = FakeXsSdk(node, arm_joints=ARM[::-1])
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)
    targets = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])

    def heard():
        drivers["arm"].send(targets, np.zeros(6), targets)
        return bool(robot.group)

    assert spin_until(ros, node, heard)
    assert robot.group[0].name == "arm"
    np.testing.assert_allclose(robot.group[0].cmd, targets[::-1], rtol=1e-6)


def test_when_the_finger_is_too_far_closed_expect_positive_pwm_on_the_gripper(ros, node):
    robot = FakeXsSdk(node)
    drivers = make_drivers(node, WIDOWX)
    assert verified(ros, node, drivers)

    def heard():
        drivers["gripper"].send(np.array([0.037]), np.zeros(1), np.array([0.020]))
        return bool(robot.single)

    assert spin_until(ros, node, heard)
    assert (robot.single[0].name, robot.single[0].cmd) == ("gripper", 350.0)


TWO_ARMS = robot_from(two_arms_text())
AT = [0.0, 0.0, 0.0, 0.03]


def test_when_a_position_gripper_is_in_another_mode_expect_the_difference_in_words(ros, node):
    for side in ("left", "right"):
        FakeArm(node, f"follower_{side}", AT, gripper_mode="linear_position")
    drivers = make_drivers(node, TWO_ARMS)
    problem = problem_of(ros, node, drivers, "right_gripper")
    assert "follower_right" in problem and "'linear_position'" in problem
    assert "current_based_position" in problem


def test_when_a_finger_is_sent_anywhere_expect_motor_angles_between_both_ends_once_it_moves(
    ros, node
):
    arms = [FakeArm(node, f"follower_{side}", AT) for side in ("left", "right")]
    drivers = make_drivers(node, TWO_ARMS)
    assert verified(ros, node, drivers)
    gripper, heard = drivers["left_gripper"], arms[0].single
    for finger_m in (0.03, 0.03, 0.03 + 1e-9, 0.05, 0.03, 0.2, -0.2):
        gripper.send(np.array([finger_m]), np.zeros(1), np.array([0.03]))
    assert spin_until(ros, node, lambda: len(heard) == 4)
    assert {name for name, _ in heard} == {"gripper"}
    ends = TWO_ARMS.groups[1].gripper_ends
    wanted = [ends.motor_rad(0.05), ends.motor_rad(0.03), 1.4910, -0.6213]
    np.testing.assert_allclose([angle for _, angle in heard], wanted, rtol=1e-6)
    gripper.stop()
    gripper.send(np.array([0.04]), np.zeros(1), np.array([0.04]))
    gripper.send(np.array([0.045]), np.zeros(1), np.array([0.04]))
    assert spin_until(ros, node, lambda: len(heard) > 4)
    assert len(heard) == 5 and arms[1].single == []
