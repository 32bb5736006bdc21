"""Which topic carries which joints."""

from qwen_vla_core.embodiment.streams import JointStream, joint_streams, measured_topics
from robots import arm_on_base_text, base_text, robot, two_arms_text


def test_when_two_arms_share_hardware_names_expect_a_topic_and_rows_for_each():
    names = ("waist", "elbow", "left_finger")
    assert joint_streams(robot(two_arms_text())) == (
        JointStream(
            topic="follower_left/joint_states",
            names=("left_waist", "left_elbow", "left_finger"),
            driver_names=names,
            rows=(0, 1, 2),
        ),
        JointStream(
            topic="follower_right/joint_states",
            names=("right_waist", "right_elbow", "right_finger"),
            driver_names=names,
            rows=(3, 4, 5),
        ),
    )


def test_when_there_is_a_base_expect_its_odometry_among_what_is_measured():
    arm_on_base = robot(arm_on_base_text())
    (arm,) = joint_streams(arm_on_base)
    assert arm.rows == (3, 4, 5)
    assert measured_topics(arm_on_base) == ("follower_left/joint_states", "mobile_base/odom")
    assert joint_streams(robot(base_text())) == ()
