"""Who publishes a topic, as discovery finds it."""

import time

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from qwen_vla_ros.graph import Publisher, not_received, publishers_of, rivals, type_problem
from qwen_vla_ros.qos import IMAGES, LATCHED, RELIABLE

TOPIC = "/blue/image_raw"


@pytest.fixture
def node_of(ros_domain):
    """Makes nodes, each a DDS participant of its own."""
    made = []

    def make(name, **options):
        context = Context()
        rclpy.init(context=context, domain_id=ros_domain)
        made.append((rclpy.create_node(name, context=context, **options), context))
        return made[-1][0]

    yield make
    for node, context in made:
        node.destroy_node()
        rclpy.shutdown(context=context)


def found(node, look, expected, limit_s=10.0):
    """What ``look`` returns as soon as it is as expected, or in the end."""
    executor, end_s = SingleThreadedExecutor(context=node.context), time.monotonic() + limit_s
    executor.add_node(node)
    while (seen := look()) != expected and time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.02)
    executor.remove_node(node)
    return seen


def test_when_two_nodes_publish_expect_their_names_types_and_quality(node_of):
    robot = node_of("robot")
    node_of("camera", namespace="/left").create_publisher(Image, TOPIC, IMAGES)
    node_of("recorder").create_publisher(CompressedImage, TOPIC, LATCHED)
    raw = Publisher(
        node="/left/camera", type="sensor_msgs/msg/Image", reliable=False, latched=False
    )
    compressed = Publisher(
        node="/recorder", type="sensor_msgs/msg/CompressedImage", reliable=True, latched=True
    )
    assert found(robot, lambda: set(publishers_of(robot, TOPIC)), {raw, compressed}) == {
        raw,
        compressed,
    }
    assert type_problem(TOPIC, [raw], Image) == ""
    assert type_problem(TOPIC, [raw, compressed], Image) == (
        "/blue/image_raw is published as sensor_msgs/msg/CompressedImage by /recorder; "
        "the embodiment expects sensor_msgs/msg/Image"
    )


def test_when_the_topic_is_remapped_or_in_a_namespace_expect_its_publishers(node_of):
    arguments = ["--ros-args", "-r", "chunk:=plan"]
    robot = node_of("robot", namespace="/one", cli_args=arguments)
    node_of("policy").create_publisher(String, "/one/plan", 1)
    names = found(robot, lambda: [p.node for p in publishers_of(robot, "chunk")], ["/policy"])
    assert names == ["/policy"]


def test_when_only_the_node_itself_publishes_expect_no_rival(node_of):
    robot = node_of("robot")
    robot.create_publisher(String, "chunk", 1)
    assert len(publishers_of(robot, "chunk")) == 1
    assert rivals(robot, "chunk") == ()


def test_when_others_publish_too_expect_their_names_even_if_it_is_the_same(node_of):
    robot = node_of("control_node")
    robot.create_publisher(String, "chunk", 1)
    node_of("control_node").create_publisher(String, "chunk", 1)
    stranger = node_of("stranger")
    stranger.create_publisher(String, "chunk", 1)
    both = {"another /control_node", "/stranger"}
    assert found(robot, lambda: set(rivals(robot, "chunk")), both) == both
    stranger.destroy_node()
    assert found(robot, lambda: rivals(robot, "chunk"), ("another /control_node",)) == (
        "another /control_node",
    )


def test_when_a_node_asks_for_what_a_publisher_does_not_offer_expect_both_and_why(node_of):
    robot = node_of("robot")
    node_of("camera").create_publisher(Image, TOPIC, IMAGES)
    viewer, recorder = node_of("viewer"), node_of("recorder")
    viewer.create_subscription(Image, TOPIC, print, RELIABLE)
    for quality in (RELIABLE, IMAGES):  # one of them receives
        recorder.create_subscription(Image, TOPIC, print, quality)
    said = [
        f"{TOPIC}: /viewer receives nothing from /camera: best effort publisher and "
        "reliable subscription"
    ]
    found(robot, lambda: len(robot.get_subscriptions_info_by_topic(TOPIC)), 3)
    assert found(robot, lambda: not_received(robot, TOPIC), said) == said
