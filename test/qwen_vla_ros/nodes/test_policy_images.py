"""The policy node hands the policy what the embodiment's cameras say, over real topics."""

from array import array

import numpy as np
from sensor_msgs.msg import Image

from policy_streams import Robot, ScriptedPolicy, policy_at_work
from qwen_vla_core.observation import render_depth
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
