"""Over DDS: what common drivers publish is no fault of the robot; what is, is named."""

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState

from control_system import TWO_ARMS, TWO_SLOW_ARMS
from qwen_vla_ros.qos import IMAGES
from robots import base_text

pytestmark = pytest.mark.timeout(120)
LEFT_JOINTS = "follower_left/joint_states"


@pytest.fixture
def driver(ros_domain):
    """A node of another program that publishes best effort, as micro-ROS does."""
    context = Context()
    context.init(domain_id=ros_domain)
    node = Node("driver", context=context, enable_rosout=False)
    yield node
    node.destroy_node()
    context.shutdown()


def test_when_wheels_share_the_topic_of_an_arm_expect_it_to_work_without_a_warning(
    start_control, driver
):
    wheels = driver.create_publisher(JointState, LEFT_JOINTS, IMAGES)
    turn = JointState(name=["wheel_left", "wheel_left"], velocity=[1.0, np.nan])
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    system.operator.create_timer(0.01, lambda: wheels.publish(turn))
    system.engage()
    system.expect(
        lambda: (
            system.said
            and system.said[1]["commanding"] == "True"
            and "refused" not in system.said[0]
        ),
        "it commands, and nothing is refused",
    )


def test_when_joint_states_name_other_joints_only_expect_that_in_the_diagnostics(
    start_control, driver
):
    strange = driver.create_publisher(JointState, LEFT_JOINTS, IMAGES)
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    system.expect(lambda: len(system.messages) > 2, "it runs")
    system.robot.arms["follower_left"].alive = False
    other_names = JointState(name=["joint_1", "joint_2"], position=[0.0, 0.0])
    system.operator.create_timer(0.05, lambda: strange.publish(other_names))
    system.expect(
        lambda: "no joint of this robot is named" in str(system.operator.diagnostics), "it is said"
    )


def test_when_a_relay_repeats_the_joint_states_of_a_silent_driver_expect_a_hold_and_why(
    start_control, driver
):
    relay = driver.create_publisher(JointState, LEFT_JOINTS, IMAGES)
    system = start_control(TWO_SLOW_ARMS, TWO_ARMS)
    heard = []
    system.operator.create_subscription(JointState, LEFT_JOINTS, heard.append, IMAGES)
    system.engage()
    system.robot.arms["follower_left"].alive = False
    last = heard[-1]
    last.header.stamp = driver.get_clock().now().to_msg()
    system.operator.create_timer(0.02, lambda: relay.publish(last))
    system.expect(lambda: system.operator.mode.startswith("HOLD"), "it holds")
    assert LEFT_JOINTS in system.operator.mode
    system.expect(lambda: system.said and "stamp does not rise" in system.said[0], "it is said")


@pytest.mark.parametrize("covariance", [0.0, np.nan])
def test_when_a_bases_odometry_has_neither_twist_nor_covariance_expect_it_to_drive(
    start_control, driver, covariance
):
    text = base_text().replace("estop_in_covariance: true", "estop_in_covariance: false")
    odometry = Odometry()
    odometry.header.frame_id, odometry.child_frame_id = "robot1/odom", "robot1/base_footprint"
    odometry.pose.covariance[:] = odometry.twist.covariance[:] = np.full(36, covariance)
    publisher = driver.create_publisher(Odometry, "mobile_base/odom", IMAGES)
    system = start_control(text, base=True)
    system.base.withdrawn = True
    system.operator.create_timer(0.05, lambda: publisher.publish(odometry))
    system.drive()
