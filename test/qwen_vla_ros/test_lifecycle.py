"""The nodes go through their lifecycle as often as asked, and leave nothing behind."""

import threading

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_ros.load_policy import HOLD
from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.nodes.page_node import PageNode
from qwen_vla_ros.nodes.policy_node import PolicyNode
from qwen_vla_ros.nodes.recorder_node import RecorderNode
from qwen_vla_ros.nodes.teleop_node import TeleopNode
from qwen_vla_ros.nodes.visualizer_node import VisualizerNode
from qwen_vla_sim.node.sim_node import SimNode

SUCCESS = TransitionCallbackReturn.SUCCESS


NODES = (ControlNode, PageNode, PolicyNode, RecorderNode, SimNode, TeleopNode, VisualizerNode)


def entities(node):
    kinds = "subscriptions publishers services clients timers guards".split()
    return {kind: len(list(getattr(node, kind))) for kind in kinds}


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


@pytest.mark.parametrize("node_class", NODES)
def test_when_configuring_fails_at_its_end_expect_nothing_left_and_the_next_try_to_succeed(
    node_class, ros_domain, tmp_path, monkeypatch
):
    """Where it fails earlier, less has to be undone."""
    configure = node_class.configure

    def configure_and_fail(node):
        configure(node)
        raise QwenVlaError("it failed at its end")

    parameters = {"embodiment": "widowx", "checkpoint": HOLD, "folder": tmp_path, "port": 0}
    words = [word for k, v in parameters.items() for word in ("-p", f"{k}:={v}")]
    rclpy.init(args=["--ros-args", *words], domain_id=ros_domain)
    try:
        node = node_class()
        unconfigured, threads = entities(node), set(threading.enumerate())
        monkeypatch.setattr(node_class, "configure", configure_and_fail)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert entities(node) == unconfigured
        assert not [thread.name for thread in set(threading.enumerate()) - threads]
        monkeypatch.undo()
        assert node.trigger_configure() == SUCCESS == node.trigger_cleanup()
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
