"""The policy node hands the policy what the embodiment's cameras say, over real topics."""

from array import array

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image, JointState

from png_bombs import png_bomb
from policy_streams import Robot, ScriptedPolicy, policy_at_work
from qwen_vla_core.images import render_depth
from qwen_vla_ros import diagnostics
from qwen_vla_ros.qos import IMAGES
from robots import widowx_text

DISTANCES_MM = np.array([[0, 500], [1000, 9000]], dtype=np.uint16)


class RobotWithDepth(Robot):
    """Still depth in the place of the image at the wrist."""

    def wrist_image(self):
        depth = Image(height=2, width=2, encoding="16UC1", step=4)
        depth.data = array("B", DISTANCES_MM.tobytes())
        return depth


def test_when_a_robot_has_depth_and_history_expect_both_in_what_the_policy_sees(
    ros_domain, monkeypatch, tmp_path
):
    text = widowx_text().replace("tag: ego\n", "tag: ego\n    history_steps: [1, 2]\n")
    text = text.replace(
        "tag: cam_left_wrist\n", "tag: cam_left_wrist_depth\n    depth_range_m: [0.2, 2]\n"
    )
    path = tmp_path / "widowx.yaml"
    path.write_text(text)
    policy = ScriptedPolicy()
    with policy_at_work(
        ros_domain, monkeypatch, policy, RobotWithDepth, embodiment=path, instruction="'go'"
    ) as work:
        work.until(lambda: work.robot.number >= 15 and policy.asked)
        count = len(policy.asked)
        work.until(lambda: len(policy.asked) > count)
        observation, taken_s = policy.asked[-1], work.robot.taken_s

    expected = render_depth(DISTANCES_MM / 1000.0, 0.2, 2.0)
    np.testing.assert_array_equal(observation.images["wrist"], expected)
    assert set(observation.history) == {"over_shoulder"}
    shown = [*observation.history["over_shoulder"], observation.images["over_shoulder"]]
    shown_s = [taken_s[image[0, 0, 0]] for image in shown]
    longest_gap_s = np.diff(taken_s).max()  # a loaded machine publishes late
    np.testing.assert_allclose(shown_s[-1] - np.array(shown_s[:2]), [0.4, 0.2], atol=longest_gap_s)


class RobotWithCompressedImages(Robot):
    """JPEG over the shoulder, or whatever else is put into ``data``."""

    SHOULDER = ("blue/image_raw/compressed", CompressedImage)
    data = None

    def shoulder_image(self):
        grey = np.full((48, 64, 3), self.number % 256, np.uint8)
        data = self.data or cv2.imencode(".jpg", grey)[1].tobytes()
        return CompressedImage(format="rgb8; jpeg compressed bgr8", data=array("B", data))


def test_when_compressed_images_cannot_be_used_expect_the_reason_in_diagnostics(
    ros_domain, monkeypatch, tmp_path
):
    path = tmp_path / "widowx.yaml"
    path.write_text(widowx_text().replace("blue/image_raw", "blue/image_raw/compressed"))
    whole = cv2.imencode(
        ".jpg", np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    )[1]
    robot = RobotWithCompressedImages
    with policy_at_work(
        ros_domain, monkeypatch, ScriptedPolicy(), robot, embodiment=path, instruction="'go'"
    ) as work:
        work.until_reported("running", level=diagnostics.OK)
        for data, words in (
            (whole.tobytes()[:-2000], "lost"),
            (png_bomb(20_000), "20000 x 20000 pixels"),
            (b"GIF89a" + bytes(50), "neither JPEG nor PNG"),
        ):
            work.robot.data = data
            work.until_reported("over_shoulder", "messages in a row were refused", words)
        work.robot.data = None
        work.until_reported("running", level=diagnostics.OK)


class RobotWithMicrocontrollers(Robot):
    """Every stamp counts from when the robot was switched on, as in micro-ROS without a host."""

    def stamp(self):
        since_boot = self.get_clock().now().nanoseconds - 1_700_000_000_000_000_000
        return Time(sec=since_boot // 10**9 % 10**6, nanosec=since_boot % 10**9)


def test_when_stamps_count_from_switching_on_expect_the_policy_to_run(ros_domain, monkeypatch):
    policy = ScriptedPolicy()
    with policy_at_work(
        ros_domain, monkeypatch, policy, RobotWithMicrocontrollers, instruction="'go'"
    ) as work:
        work.until_reported("running", level=diagnostics.OK)
        work.until(lambda: policy.asked)
        assert abs(policy.asked[-1].stamp_s - work.node.now_s()) < 5.0


def test_when_the_wheels_share_the_topic_of_joint_states_expect_the_policy_to_run(
    ros_domain, monkeypatch
):
    policy = ScriptedPolicy()
    with policy_at_work(ros_domain, monkeypatch, policy, instruction="'go'") as work:
        wheels = work.robot.create_publisher(JointState, "wx250s/joint_states", IMAGES)
        turn = JointState(name=["wheel_left", "wheel_right", "wheel_right"], velocity=[1.0] * 3)
        work.robot.create_timer(0.01, lambda: wheels.publish(turn))
        work.until(lambda: len(policy.asked) > 3)
        work.until_reported("running", level=diagnostics.OK)
        work.robot.silent.add("wx250s/joint_states")
        work.until_reported("no joint of this robot is named")


def test_when_joint_states_are_larger_than_any_robots_expect_refusal_in_diagnostics(
    ros_domain, monkeypatch
):
    with policy_at_work(ros_domain, monkeypatch, ScriptedPolicy(), instruction="'go'") as work:
        work.until_reported("running", level=diagnostics.OK)
        work.robot.silent.add("wx250s/joint_states")
        flood = JointState(name=[f"waist_{k}" for k in range(5000)])
        large = work.robot.create_publisher(JointState, "wx250s/joint_states", IMAGES)
        work.robot.create_timer(0.1, lambda: large.publish(flood))
        work.until_reported("wx250s/joint_states", "refused", "bytes")
