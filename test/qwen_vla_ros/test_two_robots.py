"""Two simulated bases in one ROS domain, each in its own namespace: they share nothing."""

import time

import pytest
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from closed_loop import slow_cameras
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.processes import NodeProcesses
from qwen_vla_ros.qos import LATCHED

PATH = embodiments_directory() / "mobile_base.yaml"
BASE = load_embodiment(PATH)
NAMES = ("robot_1", "robot_2")
AHEAD_M_S = 0.3
WAIT_S = 60.0
SHARED = {"/diagnostics", "/parameter_events", "/rosout"}

pytestmark = pytest.mark.timeout(180)


class Robot:
    """One robot's nodes, and what a person in its namespace sees and says."""

    def __init__(self, ros, namespace, folder):
        nodes = describe_bringup(
            embodiment=str(PATH), checkpoint=None, use_sim=True, namespace=namespace
        )
        self.processes = NodeProcesses([*map(slow_cameras, nodes)], {}, folder / namespace)
        self.node = ros.create_node("person", namespace=namespace)
        self.mode, self.ahead_m, self.images = "", None, 0
        subscribe = self.node.create_subscription
        subscribe(String, "control/mode", self._on_mode, LATCHED)
        subscribe(Odometry, BASE.base.driver.odometry_topic, self._on_odometry, 10)
        subscribe(Image, BASE.cameras[0].topic, self._on_image, 1)
        self.teleop = self.node.create_publisher(JointState, "teleop/command", 10)
        self.engage = self.node.create_client(Trigger, "control/engage_teleop")

    def _on_mode(self, message):
        self.mode = message.data

    def _on_odometry(self, message):
        self.ahead_m = message.pose.pose.position.x

    def _on_image(self, message):
        self.images += 1

    def is_there(self):
        return self.mode.startswith("HOLD") and self.images > 1 and self.ahead_m is not None

    def drive(self):
        self.teleop.publish(
            JointState(
                name=list(BASE.joint_names),
                position=[0.0] * 3,
                velocity=[AHEAD_M_S, 0.0, 0.0],
            )
        )
        if not self.mode.startswith("TELEOP") and self.engage.service_is_ready():
            self.engage.call_async(Trigger.Request())


@pytest.fixture
def robots(ros, tmp_path):
    robots = [Robot(ros, name, tmp_path) for name in NAMES]
    with robots[0].processes, robots[1].processes:
        yield robots
    for robot in robots:
        robot.node.destroy_node()


@pytest.fixture
def wait(ros, robots):
    def wait(condition, timeout_s=WAIT_S, meanwhile=lambda: None):
        deadline_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline_s:
            meanwhile()
            for robot in robots:
                ros.spin_once(robot.node, timeout_sec=0.02)
        return condition()

    return wait


def test_when_one_of_two_robots_is_driven_expect_the_other_to_stand_and_images_apart(robots, wait):
    first, second = robots
    assert wait(lambda: all(robot.is_there() for robot in robots)), [
        (robot.mode, robot.images, robot.ahead_m, robot.processes.stopped()) for robot in robots
    ]
    start_m = [robot.ahead_m for robot in robots]
    assert wait(lambda: first.ahead_m > start_m[0] + 0.2, meanwhile=first.drive), first.mode
    assert second.ahead_m == pytest.approx(start_m[1], abs=1e-3)
    assert second.mode.startswith("HOLD")
    for name, robot in zip(NAMES, robots, strict=True):
        topic = f"/{name}/{BASE.cameras[0].topic}"
        (publisher,) = robot.node.get_publishers_info_by_topic(topic)
        assert publisher.node_namespace == f"/{name}"
    assert shared_topics(first.node) <= SHARED


def shared_topics(node):
    """Names of the topics outside a robot's namespace that a robot's node uses."""
    spaces = {f"/{name}" for name in NAMES}
    return {
        topic
        for topic, _ in node.get_topic_names_and_types()
        for end in (
            *node.get_publishers_info_by_topic(topic),
            *node.get_subscriptions_info_by_topic(topic),
        )
        if end.node_namespace in spaces and not topic.startswith(f"{end.node_namespace}/")
    }
