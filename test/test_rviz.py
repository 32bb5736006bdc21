"""Every display of every RViz layout shows what a node really publishes, in RViz's own words.

rviz2 does not come as Python wheels, so it is not run here. The names of classes and properties
are those of ros2/rviz at f7112b1a: plugins_description.xml and the displays of
rviz_default_plugins, qos_profile_property.cpp, visualization_manager.cpp and
orbit_view_controller.cpp; Humble has all of them.
"""

import re
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_check_compatible as compatible

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.scene import scene_frame
from qwen_vla_core.scene.urdf import arms
from qwen_vla_ros.graph import type_name
from qwen_vla_ros.nodes.visualizer_node import VisualizerNode
from qwen_vla_ros.view_topics import viewed_topics

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "embodiments").glob("*.yaml"))
robots = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)

OF_ALL = {"Class", "Name", "Enabled"}
QOS = {"Value", "Depth", "Reliability Policy", "Durability Policy", "History Policy"}
DISPLAYS = {
    "Grid": {"Reference Frame", "Plane Cell Count", "Cell Size", "Color", "Alpha", "Plane"},
    "RobotModel": {"Description Source", "Description Topic", "TF Prefix", "Alpha"},
    "MarkerArray": {"Topic", "Namespaces"},
    "Path": {"Topic", "Color", "Alpha", "Line Style", "Line Width", "Buffer Length"},
    "Image": {"Topic", "Normalize Range", "Min Value", "Max Value", "Median window"},
}
"""Class of rviz_default_plugins -> its properties."""
TYPES = {
    "RobotModel": "std_msgs/msg/String",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "Path": "nav_msgs/msg/Path",
    "Image": "sensor_msgs/msg/Image",
}
OPTIONS = {"Background Color", "Fixed Frame", "Frame Rate"}
ORBIT = {"Class", "Name", "Distance", "Pitch", "Yaw", "Focal Point"}
RELIABILITY = {
    "Reliable": ReliabilityPolicy.RELIABLE,
    "Best Effort": ReliabilityPolicy.BEST_EFFORT,
}
DURABILITY = {
    "Volatile": DurabilityPolicy.VOLATILE,
    "Transient Local": DurabilityPolicy.TRANSIENT_LOCAL,
}


def layout_of(path):
    return yaml.safe_load((ROOT / "rviz" / f"{path.stem}.rviz").read_text())


def displays_of(path):
    """Pairs of a display's class, without its package, and the display."""
    displays = layout_of(path)["Visualization Manager"]["Displays"]
    assert all(one["Class"].startswith("rviz_default_plugins/") for one in displays)
    return [(one["Class"].partition("/")[2], one) for one in displays]


def topics_of(path):
    """Topic -> class and quality of service of the display that shows it."""
    shown = {}
    for kind, display in displays_of(path):
        if (topic := display.get("Topic") or display.get("Description Topic")) is not None:
            assert set(topic) <= QOS
            shown[topic["Value"].lstrip("/")] = (kind, topic)
    return shown


@pytest.fixture
def published(ros_domain):
    """What visualizer_node publishes of a simulated robot: topic -> (type, quality of service)."""

    def of(path):
        parameters = ["-p", f"embodiment:={path}", "-p", "simulated:=true"]
        rclpy.init(args=["--ros-args", *parameters], domain_id=ros_domain)
        node = VisualizerNode()
        node.trigger_configure()
        return {
            publisher.topic_name.lstrip("/"): (
                type_name(publisher.msg_type),
                publisher.qos_profile,
            )
            for publisher in node.publishers
        }

    yield of
    rclpy.try_shutdown()


@robots
def test_when_a_layout_is_read_expect_only_names_that_rviz_has(path):
    layout = layout_of(path)
    manager = layout["Visualization Manager"]
    assert set(layout) == {"Panels", "Visualization Manager", "Window Geometry"}
    assert [panel["Class"] for panel in layout["Panels"]] == ["rviz_common/Displays"]
    assert set(manager) == {"Class", "Global Options", "Displays", "Tools", "Views"}
    assert set(manager["Global Options"]) == OPTIONS
    for kind, display in displays_of(path):
        assert set(display) <= DISPLAYS[kind] | OF_ALL, kind
        for key in {"Color", "Background Color"} & set(display):
            assert re.fullmatch(r"\d+; \d+; \d+", display[key])
    assert set(manager["Views"]["Current"]) == ORBIT
    assert manager["Views"]["Current"]["Class"] == "rviz_default_plugins/Orbit"
    assert [tool["Class"] for tool in manager["Tools"]] == ["rviz_default_plugins/MoveCamera"]


@robots
def test_when_a_layout_is_opened_expect_each_topic_published_with_its_type_and_quality(
    path, published
):
    topics = published(path)
    for topic, (kind, wanted) in topics_of(path).items():
        assert topic in topics, f"nobody publishes {topic}"
        published_type, offered = topics[topic]
        assert published_type == TYPES[kind], topic
        asked = QoSProfile(
            depth=wanted["Depth"],
            reliability=RELIABILITY[wanted["Reliability Policy"]],
            durability=DURABILITY[wanted["Durability Policy"]],
        )
        # Liveliness is left to the middleware at both ends, which it calls a warning.
        assert compatible(offered, asked)[0] != QoSCompatibility.ERROR, topic


@robots
def test_when_a_layout_is_opened_expect_everything_that_there_is_to_see_of_the_robot(path):
    embodiment = load_embodiment(path)
    assert set(topics_of(path)) == set(viewed_topics(embodiment))
    options = layout_of(path)["Visualization Manager"]["Global Options"]
    assert options["Fixed Frame"] == scene_frame(embodiment)
    kinds = [kind for kind, _ in displays_of(path)]
    assert kinds.count("RobotModel") == len(arms(embodiment))
    assert kinds.count("Image") == len(embodiment.cameras)
    # The coloured plan is a marker; drawn twice, the paths would hide it.
    assert all(not one["Enabled"] for kind, one in displays_of(path) if kind == "Path")
