"""Property: each action convention that needs no kinematics has an exact inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.embodiment.conventions import (
    BaseVelocityCodec,
    BaseWaypointsCodec,
    JointPositionCodec,
)
from qwen_vla_core.errors import NonFiniteError
from robots import arm_on_base_text, base_text, robot, two_arms_text, widowx_text

STEP_S = 0.2
CODECS = {
    name: EmbodimentCodec(robot(text))
    for name, text in {
        "joints and grippers": two_arms_text(),
        "waypoints": base_text(),
        "velocities": arm_on_base_text(),
        "euler": widowx_text(),
        "6-D in a camera's axes": widowx_text("rot6d", "over_shoulder"),
    }.items()
}
READY_D = np.array([0.0, -0.1, 0.25, 0.0, 1.42, 0.0, 0.03])
every_robot = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
actions_3 = arrays(float, st.tuples(st.integers(1, 16), st.just(3)), elements=st.floats(-0.5, 0.5))


@pytest.mark.parametrize(
    ("codec", "channels"),
    [(JointPositionCodec, 3), (BaseWaypointsCodec, 3), (BaseVelocityCodec, 2)],
)
@given(actions=actions_3)
def test_when_targets_are_encoded_again_expect_the_same_actions(codec, channels, actions):
    codec = codec(None, STEP_S)
    start_D = np.zeros(3)
    targets_HD = codec.decode(actions[:, :channels], start_D)
    assert targets_HD.shape == (len(actions), 3)
    again = codec.encode(np.concatenate([start_D[None], targets_HD]))
    np.testing.assert_allclose(again, actions[:, :channels], atol=1e-9)


def test_when_a_base_drives_a_quarter_circle_to_the_left_expect_it_ahead_left_and_turned():
    quarter = np.pi / 2
    radius_m, steps = 1.0, 10
    speed = radius_m * quarter / (steps * STEP_S)
    actions = np.tile([speed, quarter / (steps * STEP_S)], (steps, 1))
    end = BaseVelocityCodec(None, STEP_S).decode(actions, np.zeros(3))[-1]
    np.testing.assert_allclose(end, [radius_m, radius_m, quarter], atol=1e-9)


def start_of(codec):
    """Somewhere within the joints' limits, and an arm in its workspace."""
    if codec.embodiment.name == "widowx":
        return READY_D
    low, high = np.array([(j.lower, j.upper) for j in codec.embodiment.joints]).T
    return np.where(codec.embodiment.base_D, 0.0, low + 0.55 * (high - low))


@every_robot
def test_when_the_still_action_is_decoded_expect_every_robot_to_stay(codec):
    start_D = start_of(codec)
    still_HC = np.tile(codec.still(start_D), (16, 1))
    chunk = codec.decode(still_HC, start_D, stamp_s=0.0)
    np.testing.assert_allclose(chunk.positions_TD, np.tile(start_D, (17, 1)), atol=1e-9)


@pytest.mark.parametrize("name", ["joints and grippers", "waypoints", "velocities"])
@given(seed=st.integers(0, 2**32 - 1))
def test_when_normalised_actions_become_targets_and_back_expect_the_same_actions(name, seed):
    codec = CODECS[name]
    shape = (16, len(codec.embodiment.action_channels))
    actions_HC = np.random.default_rng(seed).uniform(-1.0, 1.0, shape)
    chunk = codec.decode(actions_HC, start_of(codec), stamp_s=0.0)
    again_HC = codec.normalize_actions(codec.encode(chunk.positions_TD))
    np.testing.assert_allclose(again_HC, actions_HC, atol=1e-9)


@every_robot
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_when_an_action_or_target_is_not_finite_expect_refusal(codec, bad):
    start_D = start_of(codec)
    actions_HC = np.tile(codec.still(start_D), (16, 1))
    actions_HC[5, -1] = bad
    with pytest.raises(NonFiniteError):
        codec.decode(actions_HC, start_D, stamp_s=0.0)
    targets_TD = np.tile(start_D, (3, 1))
    targets_TD[1] = bad
    with pytest.raises(NonFiniteError):
        codec.encode(targets_TD)
