"""The base's driver looks before it drives: is there a base, and does nobody else drive it?"""

import time

import pytest
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry

from qwen_vla_ros.drivers import make_drivers
from robots import base_text, robot

WAIT_S = 10.0
TOPIC, ODOMETRY = "mobile_base/cmd_vel", "mobile_base/odom"


@pytest.fixture
def nodes(ros):
    """Ours and the base's."""
    nodes = [ros.create_node(name) for name in ("control_node", "slate_base")]
    yield nodes
    for node in nodes:
        node.destroy_node()


def problem_when(ros, nodes, driver, words):
    """The driver's problem once it holds the words, or the last one in time."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        ros.spin_once(nodes[0], timeout_sec=0.02)
        driver.verify()
        if words in (driver.problem or "none"):
            break
    return driver.problem or "none"


def test_when_the_base_appears_bit_by_bit_expect_what_is_missing_and_then_no_problem(ros, nodes):
    (driver,) = make_drivers(nodes[0], robot(base_text())).values()
    assert "/mobile_base/cmd_vel" in driver.problem
    assert "nobody listens" in problem_when(ros, nodes, driver, "nobody listens")
    nodes[1].create_subscription(Twist, TOPIC, lambda message: None, 1)
    missing = problem_when(ros, nodes, driver, "odom")
    assert missing == "/mobile_base/odom: nothing is published there, not nav_msgs/msg/Odometry"
    nodes[1].create_publisher(Odometry, ODOMETRY, 50)
    assert problem_when(ros, nodes, driver, "none") == "none"


def test_when_someone_else_commands_the_base_expect_their_name(ros, nodes):
    (driver,) = make_drivers(nodes[0], robot(base_text())).values()
    nodes[1].create_subscription(Twist, TOPIC, lambda message: None, 1)
    nodes[1].create_publisher(Odometry, ODOMETRY, 50)
    joystick = ros.create_node("teleop_twist_joy")
    joystick.create_publisher(Twist, TOPIC, 1)
    assert "teleop_twist_joy commands" in problem_when(ros, nodes, driver, "teleop_twist_joy")
    joystick.destroy_node()
    assert problem_when(ros, nodes, driver, "none") == "none"
