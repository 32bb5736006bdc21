"""Property: each action convention that needs no kinematics has an exact inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qwen_vla_core.embodiment.conventions import (
    BaseVelocityCodec,
    BaseWaypointsCodec,
    JointPositionCodec,
)

STEP_S = 0.2
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
