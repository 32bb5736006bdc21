"""Every shipped robot, by itself: its prompt, its numbers, and a while of moving within limits.

A new file in embodiments/ is tested here without a change.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from robot_checks import check_normalisation, check_prompt, check_scripted_policy, check_start

PATHS = sorted((Path(__file__).parents[1] / "embodiments").glob("*.yaml"))
SLEEP_RAD = {
    "vx300s": (0.0, -1.85, 1.55, 0.0, 0.8, 0.0),
    "wx250s": (0.0, -1.80, 1.55, 0.0, 0.8, 0.0),
    "aloha_vx300s": (0.0, -2.05, 1.7, 0.0, -2.0, 0.0),
    "aloha_vx300s in ROS 1": (0.0, -1.80, 1.55, 0.0, -1.57, 0.0),
}
"""Sleep poses in the motor configurations of interbotix_ros_manipulators."""


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def embodiment(request):
    return load_embodiment(request.param)


def test_when_a_robot_is_described_expect_the_models_sentence_about_it(embodiment):
    check_prompt(embodiment)


def test_when_actions_and_states_are_normalised_and_back_expect_the_same_numbers(embodiment):
    check_normalisation(embodiment)


def test_when_a_robot_stands_in_its_start_pose_expect_chunks_from_there_to_be_taken(embodiment):
    check_start(embodiment)


def test_when_an_arm_starts_expect_another_pose_than_the_one_it_sleeps_in(embodiment):
    arms = [group for group in embodiment.groups if len(group.joints) == 6]
    for group, sleep_rad in product(arms, SLEEP_RAD.values()):
        assert np.abs(np.subtract(group.start, sleep_rad)).max() > 0.5


def test_when_a_robot_starts_expect_the_pose_that_its_source_gives():
    """Interbotix/aloha constants.py; start_state of widowx_env.py in bridge_data_robot."""
    aloha, widowx = (
        load_embodiment(PATHS[0].parent / f"{name}.yaml") for name in ("aloha", "widowx")
    )
    start_arm_pose = (0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.02239)
    assert aloha.start_D == start_arm_pose * 2
    codec = EmbodimentCodec(widowx)  # x, y, z m; roll, pitch, yaw rad of the tool; gripper
    np.testing.assert_allclose(
        codec.state(np.array(widowx.start_D)), [0.3, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0], atol=1e-4
    )


def test_when_a_scripted_policy_moves_the_robot_expect_every_command_within_its_limits(embodiment):
    check_scripted_policy(embodiment)
