"""`qwen-vla check --live --cover`: which cameras a policy looks at."""

import numpy as np
import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.types import ActionChunk
from qwen_vla_eval.cover import cover_cameras, observation_of
from qwen_vla_ros.live_check import Seen
from waved_episodes import codec_of

ROBOT = codec_of("widowx").embodiment
SHOULDER, WRIST = (camera.name for camera in ROBOT.cameras)
ELBOW = ROBOT.joint_names.index("elbow")


class LooksAt:
    """Plans with the elbow by how bright one camera's image is; its noise differs each time
    unless it is told to begin anew."""

    def __init__(self, camera):
        self._camera = camera
        self.reseed(0)

    def reseed(self, seed):
        self._noise = np.random.default_rng(seed)

    def plan(self, observation):
        positions_TD = np.tile(observation.commanded_D, (4, 1)) + self._noise.normal(0, 0.1)
        positions_TD[-1, ELBOW] += 0.2 * observation.images[self._camera].mean() / 255.0
        return ActionChunk(
            stamp_s=0.0, step_s=0.2, positions_TD=positions_TD, velocities_TD=0.0 * positions_TD
        )


def seen(**changed):
    topic = "wx250s/joint_states"
    joints = {joint.driver_name: q for joint, q in zip(ROBOT.joints, ROBOT.start_D, strict=True)}
    image = np.full((48, 64, 3), 128, np.uint8)
    images = {SHOULDER: [image], WRIST: [image]}
    return Seen(streams={}, **{"images": images, "positions": {topic: joints}, **changed})


def test_when_a_policy_looks_at_one_camera_expect_the_other_named_and_noise_to_count_for_nothing():
    policy = LooksAt(SHOULDER)
    observation = observation_of(ROBOT, seen(), "pick up the red block")
    looked, unseen = cover_cameras(policy, ROBOT, observation)
    assert (looked.level, looked.about) == ("ok", f"camera {SHOULDER}")
    assert "changes by up to 0.1 rad (elbow)" in looked.text
    assert (unseen.level, unseen.about) == ("warning", f"camera {WRIST}")
    assert "does not look at it" in unseen.text


def test_when_a_camera_or_joint_is_missing_expect_its_name_instead_of_an_answer():
    with pytest.raises(QwenVlaError, match=f"without {SHOULDER}, waist"):
        observation_of(
            ROBOT, seen(images={WRIST: [np.zeros((4, 4, 3), np.uint8)]}, positions={}), "x"
        )
