"""The policy node hands the policy what the embodiment's cameras say, over real topics."""

import time
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image, JointState

from qwen_vla_core.observation import render_depth
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_ros.nodes.policy_node import PolicyNode
from robots import widowx_text

FRAME_S = 0.05
JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
READY = (0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03)
DISTANCES_MM = np.array([[0, 500], [1000, 9000]], dtype=np.uint16)


class Streams:
    """A WidowX's topics: colour pictures that show their own number, and still depth."""

    def __init__(self, node):
        self._node, self.number, self.taken_s = node, 0, []
        self._colour = node.create_publisher(Image, "/blue/image_raw", 1)
        self._depth = node.create_publisher(Image, "/wrist/image_raw", 1)
        self._joints = node.create_publisher(JointState, "wx250s/joint_states", 10)
        self._command = node.create_publisher(JointState, "control/command", 10)
        node.create_timer(FRAME_S, self._publish)

    def _publish(self):
        stamp = self._node.get_clock().now().to_msg()
        joints = JointState(name=[*JOINTS, "left_finger"], position=READY)
        colour = Image(height=2, width=2, encoding="rgb8", step=6)
        colour.data = array("B", [self.number % 256] * 12)
        depth = Image(height=2, width=2, encoding="16UC1", step=4)
        depth.data = array("B", DISTANCES_MM.tobytes())
        for message, publisher in (
            (joints, self._joints),
            (joints, self._command),
            (colour, self._colour),
            (depth, self._depth),
        ):
            message.header.stamp = stamp
            publisher.publish(message)
        self.number += 1
        self.taken_s.append(stamp.sec + stamp.nanosec * 1e-9)


@pytest.fixture
def seen(monkeypatch):
    """The observations of a policy that answers at once."""
    observations = []

    def infer(observation, prefix=None):
        observations.append(observation)
        return np.zeros((16, 7), dtype=np.float32)

    policy = SimpleNamespace(infer=infer, warm_up=lambda: 0.01, slow_reason="", diagnostics=dict)
    monkeypatch.setattr(QwenVlaPolicy, "load", lambda *told, **more: policy)
    return observations


def test_when_a_robot_has_depth_and_history_expect_both_in_what_the_policy_sees(
    seen, tmp_path, ros_domain
):
    text = widowx_text().replace("tag: ego\n", "tag: ego\n    history_steps: [1, 2]\n")
    text = text.replace(
        "tag: cam_left_wrist\n", "tag: cam_left_wrist_depth\n    depth_range_m: [0.2, 2]\n"
    )
    path = tmp_path / "widowx.yaml"
    path.write_text(text)
    parameters = {"embodiment": path, "instruction": "'go'", "simulated": "true"}
    arguments = [part for k, v in parameters.items() for part in ("-p", f"{k}:={v}")]
    rclpy.init(args=["--ros-args", *arguments], domain_id=ros_domain)
    executor = SingleThreadedExecutor()
    try:
        node, robot = PolicyNode(), rclpy.create_node("robot")
        streams = Streams(robot)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        executor.add_node(node), executor.add_node(robot)
        deadline_s = time.monotonic() + 60.0
        while streams.number < 15 or not seen:
            executor.spin_once(timeout_sec=0.1)
            assert time.monotonic() < deadline_s, node._problem
        count = len(seen)
        while len(seen) == count:
            executor.spin_once(timeout_sec=0.1)
            assert time.monotonic() < deadline_s, node._problem
        node.trigger_deactivate(), node.trigger_cleanup()
        node.destroy_node(), robot.destroy_node()
    finally:
        executor.shutdown()
        rclpy.try_shutdown()

    observation = seen[-1]
    expected = render_depth(DISTANCES_MM / 1000.0, 0.2, 2.0)
    np.testing.assert_array_equal(observation.images["wrist"], expected)
    assert set(observation.history) == {"over_shoulder"}
    shown = [*observation.history["over_shoulder"], observation.images["over_shoulder"]]
    shown_s = [streams.taken_s[image[0, 0, 0]] for image in shown]
    longest_gap_s = np.diff(streams.taken_s).max()  # a loaded machine publishes late
    np.testing.assert_allclose(shown_s[-1] - np.array(shown_s[:2]), [0.4, 0.2], atol=longest_gap_s)
