"""A base behind sim_node: does it pass for Trossen's SLATE?"""

import time
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from std_srvs.srv import SetBool

from sim_node_process import SimNodeProcess

BASE = Path(__file__).parents[3] / "embodiments" / "mobile_base.yaml"
TOPIC = "mobile_base/cmd_vel"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def start(ros):
    robots = []

    def start(embodiment, kind):
        robot = SimNodeProcess(ros, embodiment)
        robots.append(robot)
        robot.odometry = []
        robot.node.create_subscription(
            Odometry,
            "mobile_base/odom",
            lambda message: robot.odometry.append((time.monotonic(), message)),
            50,
        )
        robot.command = robot.node.create_publisher(kind, TOPIC, 1)
        assert robot.wait(lambda: robot.odometry and robot.command.get_subscription_count() > 0)
        return robot

    yield start
    for robot in robots:
        robot.close()


def drive(robot, message, until, timeout_s=10.0):
    """Keep commanding at about 20 Hz until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not until() and time.monotonic() < deadline_s:
        robot.command.publish(message)
        robot.wait(lambda: False, 0.05)
    return until()


def last(robot):
    return robot.odometry[-1][1]


def test_when_the_base_is_driven_expect_odometry_at_20_hz_and_a_stop_when_commands_end(start):
    robot = start(BASE, Twist)
    robot.odometry.clear()
    assert robot.wait(lambda: len(robot.odometry) > 40)
    period_s = np.median(np.diff([received_s for received_s, _ in robot.odometry]))
    assert period_s == pytest.approx(0.05, rel=0.2)
    message = last(robot)
    assert (message.header.frame_id, message.child_frame_id) == ("odom", "base_link")
    assert abs(message.pose.pose.position.x) < 0.01 and message.pose.covariance[0] == 0.0
    forward = Twist()
    forward.linear.x = 0.4
    assert drive(robot, forward, lambda: last(robot).pose.pose.position.x > 0.15)
    assert last(robot).twist.twist.linear.x == pytest.approx(0.4, abs=0.05)
    assert robot.wait(lambda: abs(last(robot).twist.twist.linear.x) < 0.01, 2.0)
    wrong = Twist()
    wrong.linear.x = float("nan")
    # More than once: the base keeps one command only, and the turn would take its place.
    assert not drive(robot, wrong, lambda: abs(last(robot).twist.twist.linear.x) > 0.01, 0.5)
    turn = Twist()
    turn.angular.z = 0.5
    assert drive(robot, turn, lambda: last(robot).pose.pose.orientation.z > 0.1)
    assert "commanded nan m/s" in robot.errors_after_stop()


def test_when_the_base_s_own_stop_is_pressed_expect_it_in_the_covariance_and_no_motion(start):
    robot = start(BASE, Twist)
    assert robot.call(SetBool, "sim_node/press_base_estop", data=True).success
    assert robot.wait(lambda: last(robot).pose.covariance[0] == -1.0)
    forward = Twist()
    forward.linear.x = 0.4
    assert not drive(robot, forward, lambda: last(robot).pose.pose.position.x > 0.02, 1.0)
    assert robot.call(SetBool, "sim_node/press_base_estop", data=False).success
    assert robot.wait(lambda: last(robot).pose.covariance[0] == 0.0)
    assert drive(robot, forward, lambda: last(robot).pose.pose.position.x > 0.05)


def test_when_the_embodiment_says_stamped_expect_stamped_commands_to_be_obeyed(start, tmp_path):
    stamped = tmp_path / "stamped.yaml"
    text = BASE.read_text()
    assert "stamped: false" in text
    stamped.write_text(text.replace("stamped: false", "stamped: true"))
    robot = start(stamped, TwistStamped)
    forward = TwistStamped()
    forward.twist.linear.x = 0.4
    assert drive(robot, forward, lambda: last(robot).pose.pose.position.x > 0.05)
