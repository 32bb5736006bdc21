"""The nodes go through their lifecycle as often as asked, and leave nothing behind."""

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from qwen_vla_core.resources import embodiments_directory
from qwen_vla_ros.load_policy import HOLD
from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.nodes.policy_node import PolicyNode

SUCCESS = TransitionCallbackReturn.SUCCESS


def entities(node):
    return [len(list(kind)) for kind in (node.subscriptions, node.publishers, node.services)]


ROBOTS = sorted(path.stem for path in embodiments_directory().glob("*.yaml"))


@pytest.mark.parametrize(
    ("node_class", "robot"), [*((ControlNode, robot) for robot in ROBOTS), (PolicyNode, "widowx")]
)
def test_when_a_node_is_cycled_twice_expect_the_same_connections_and_silence_when_inactive(
    node_class, robot, ros_domain
):
    arguments = ["--ros-args", "-p", f"embodiment:={robot}", "-p", f"checkpoint:={HOLD}"]
    rclpy.init(args=arguments, domain_id=ros_domain)
    try:
        node = node_class()
        unconfigured, seen = entities(node), []
        for ended in ((node.trigger_deactivate, node.trigger_cleanup), (node.trigger_shutdown,)):
            assert node.trigger_configure() == SUCCESS
            seen.append(entities(node))
            assert not node.active
            assert node.trigger_activate() == SUCCESS and node.active
            assert all(end() == SUCCESS for end in ended) and not node.active
            assert entities(node) == unconfigured
        assert seen[0] == seen[1] != unconfigured
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
