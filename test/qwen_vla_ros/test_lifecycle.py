"""The nodes go through their lifecycle as often as asked, and leave nothing behind."""

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_ros.nodes.control_node import ControlNode
from qwen_vla_ros.nodes.policy_node import PolicyNode

SUCCESS = TransitionCallbackReturn.SUCCESS


@pytest.fixture(autouse=True)
def not_warmed_up(monkeypatch):
    """It takes longer than all the rest; test_policy_node.py sees that it is done."""
    monkeypatch.setattr("qwen_vla_model.policy.QwenVlaPolicy.warm_up", lambda policy: 0.01)


def entities(node):
    return [len(list(kind)) for kind in (node.subscriptions, node.publishers, node.services)]


ROBOTS = sorted(path.stem for path in embodiments_directory().glob("*.yaml"))


@pytest.mark.parametrize(
    ("node_class", "robot"), [*((ControlNode, robot) for robot in ROBOTS), (PolicyNode, "widowx")]
)
def test_when_a_node_is_cycled_twice_expect_the_same_connections_and_silence_when_inactive(
    node_class, robot, ros_domain
):
    parameters = {"embodiment": robot, "checkpoint": SHIPPED_CHECKPOINT}
    arguments = ["--ros-args"]
    for key, value in parameters.items():
        arguments += ["-p", f"{key}:={value}"]
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


@pytest.mark.parametrize(("weights", "reached"), [("bfloat16", True), ("int3", False)])
def test_when_other_weights_are_requested_expect_them_or_refusal(
    weights, reached, ros_domain, capfd
):
    parameters = {"embodiment": "widowx", "checkpoint": SHIPPED_CHECKPOINT}
    parameters |= {"weights": weights, "autostart": "false"}
    arguments = ["--ros-args"]
    for key, value in parameters.items():
        arguments += ["-p", f"{key}:={value}"]
    rclpy.init(args=arguments, domain_id=ros_domain)
    try:
        node = PolicyNode()
        assert (node.trigger_configure() == SUCCESS) == reached
        if reached:
            held_as = {str(weight.dtype) for weight in node._policy.runtime.model.parameters()}
            assert held_as == {f"torch.{weights}"}
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    refused = "choose one of float32, bfloat16" in capfd.readouterr().err
    assert refused != reached
