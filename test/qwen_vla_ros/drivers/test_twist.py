"""The base's driver looks before it drives, and as long as it drives: is there a base that takes
what we send, and does nobody else drive it?"""

import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

from qwen_vla_ros.drivers import make_drivers
from robots import base_text, robot

WAIT_S = 10.0
TOPIC, ODOMETRY = "mobile_base/cmd_vel", "mobile_base/odom"
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def make_node(ros_domain):
    """Makes nodes, each a process of its own as far as ROS can tell; ``spin`` runs them all."""
    made, executors = [], []

    def make(name):
        context = Context()
        rclpy.init(context=context, domain_id=ros_domain)
        made.append((rclpy.create_node(name, context=context), context))
        executors.append(SingleThreadedExecutor(context=context))
        executors[-1].add_node(made[-1][0])
        return made[-1][0]

    def spin():
        for executor in executors:
            executor.spin_once(timeout_sec=0.01)

    make.spin = spin
    yield make
    for executor in executors:
        executor.shutdown()
    for node, context in made:
        node.destroy_node()
        rclpy.shutdown(context=context)


class Base:
    """A base as it stands in the graph; ``received`` are the velocities that it was sent."""

    def __init__(self, make_node, kind=Twist, qos=1, odometry_qos=50):
        self.spin, self.node, self.received = make_node.spin, make_node("base"), []
        self.subscription = self.node.create_subscription(kind, TOPIC, self._on_twist, qos)
        self.node.create_publisher(Odometry, ODOMETRY, odometry_qos)

    def _on_twist(self, message):
        twist = message.twist if isinstance(message, TwistStamped) else message
        self.received.append((twist.linear.x, twist.angular.z))

    def receives(self, velocities, limit_s=2.0, driver=None):
        """Whether it comes to receive these; a driver goes on sending them, as in its loop."""
        deadline_s = time.monotonic() + limit_s
        while velocities not in self.received and time.monotonic() < deadline_s:
            if driver is not None:
                driver.send(np.zeros(3), np.array([velocities[0], 0.0, velocities[1]]), None)
            self.spin()
        return velocities in self.received


def driver_of(make_node, stamped=False):
    node = make_node("control_node")
    (driver,) = make_drivers(node, robot(base_text(stamped))).values()
    driver.node = node
    return driver


def discovered(make_node, driver_node, count):
    """How long DDS takes depends on the machine: what has to be found in a second begins here."""
    deadline_s = time.monotonic() + WAIT_S
    while driver_node.count_publishers(TOPIC) != count and time.monotonic() < deadline_s:
        make_node.spin()
    return driver_node.count_publishers(TOPIC) == count


def problem_when(make_node, driver, words, limit_s=WAIT_S):
    """The driver's problem once it holds the words, or the last one in time."""
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        make_node.spin()
        driver.verify()
        if words in (driver.problem or "none"):
            break
    return driver.problem or "none"


def test_when_the_base_appears_bit_by_bit_expect_what_is_missing_and_then_no_problem(make_node):
    driver, base = driver_of(make_node), make_node("slate_base")
    assert "/mobile_base/cmd_vel" in driver.problem
    assert "nobody subscribes" in problem_when(make_node, driver, "nobody subscribes")
    base.create_subscription(Twist, TOPIC, lambda message: None, 1)
    missing = problem_when(make_node, driver, "odom")
    assert missing == "/mobile_base/odom: nothing is published there, not nav_msgs/msg/Odometry"
    odometry = base.create_publisher(Odometry, ODOMETRY, 50)
    assert problem_when(make_node, driver, "none") == "none"
    base.destroy_publisher(odometry)
    assert "odom: nothing is published" in problem_when(make_node, driver, "odom")


def test_when_a_second_base_says_where_it_is_expect_both_named_until_one_has_ended(make_node):
    driver, base = driver_of(make_node), Base(make_node)
    assert problem_when(make_node, driver, "none") == "none"
    second = make_node("sim_node")
    odometry = second.create_publisher(Odometry, ODOMETRY, 50)
    problem = problem_when(make_node, driver, "/base and /sim_node")
    assert problem.startswith("/mobile_base/odom is published by /base and /sim_node; end all")
    second.destroy_publisher(odometry)
    assert problem_when(make_node, driver, "none") == "none" and base.received == []


@pytest.mark.parametrize("driving", [False, True])
def test_when_someone_else_starts_to_command_the_base_later_expect_their_name_within_1_s(
    make_node, driving
):
    driver, base = driver_of(make_node), Base(make_node)
    assert problem_when(make_node, driver, "none") == "none"
    if driving:
        assert base.receives((0.3, 0.0), driver=driver)
    joystick = make_node("teleop_twist_joy")
    publisher = joystick.create_publisher(Twist, TOPIC, 1)
    assert discovered(make_node, driver.node, 2)
    assert "commands, too" in problem_when(make_node, driver, "commands, too", 1.0)
    # Discovery finds the publisher before the name of its node.
    problem = problem_when(make_node, driver, "/teleop_twist_joy publishes commands, too")
    assert problem.startswith("/mobile_base/cmd_vel: /teleop_twist_joy") and "twist_mux" in problem
    joystick.destroy_publisher(publisher)
    assert problem_when(make_node, driver, "none") == "none"


def test_when_a_second_control_node_commands_the_base_expect_both_to_say_so(make_node):
    first, base = driver_of(make_node), Base(make_node)
    assert problem_when(make_node, first, "none") == "none"
    second = driver_of(make_node)
    for driver in (first, second):
        assert discovered(make_node, driver.node, 2)
        assert "commands, too" in problem_when(make_node, driver, "commands, too", 1.0)
        problem = problem_when(make_node, driver, "another")
        assert "another /control_node publishes commands" in problem
    assert base.received == []


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize(
    ("qos", "odometry_qos"),
    [
        (1, 50),  # SLATE
        (qos_profile_sensor_data, qos_profile_sensor_data),  # Create 3, TurtleBot 4
        (BEST_EFFORT, BEST_EFFORT),  # micro-ROS
    ],
)
def test_when_a_base_has_any_common_quality_of_service_expect_it_found_driven_and_stopped(
    make_node, stamped, qos, odometry_qos
):
    driver = driver_of(make_node, stamped)
    base = Base(make_node, TwistStamped if stamped else Twist, qos, odometry_qos)
    assert problem_when(make_node, driver, "none") == "none"
    driver.stop()  # nothing was sent, so nothing is to be ended
    assert base.receives((0.25, -0.5), driver=driver) and base.received[0] == (0.25, -0.5)
    driver.stop()
    assert base.receives((0.0, 0.0), 0.5) and base.received[-1] == (0.0, 0.0)
    count = len(base.received)
    driver.stop()
    make_node.spin()
    assert len(base.received) == count


@pytest.mark.parametrize("node", ["twist_mux", "velocity_smoother"])
def test_when_a_mux_or_a_smoother_takes_the_commands_expect_its_own_output_to_be_no_rival(
    make_node, node
):
    driver, between = driver_of(make_node), make_node(node)
    between.create_subscription(Twist, TOPIC, lambda message: None, 10)
    between.create_publisher(Twist, "mobile_base/cmd_vel_out", 10)
    make_node("base").create_publisher(Odometry, ODOMETRY, 10)
    assert problem_when(make_node, driver, "none") == "none"


@pytest.mark.parametrize(
    ("stamped", "kind", "sent"),
    [(False, TwistStamped, "geometry_msgs/msg/Twist,"), (True, Twist, "msg/TwistStamped,")],
)
def test_when_the_base_takes_the_other_type_expect_both_types_named_and_the_key(
    make_node, stamped, kind, sent
):
    driver = driver_of(make_node, stamped)
    Base(make_node, kind)
    problem = problem_when(make_node, driver, "/base for")
    assert "the embodiment sends" in problem and sent in problem and "'stamped'" in problem
