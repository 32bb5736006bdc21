"""Joints are found by name, whatever the order of the message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.errors import NonFiniteError, ObservationError
from qwen_vla_core.observation import match_joints

WANTED = ("waist", "elbow", "gripper")


@given(st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=5), st.permutations(range(5)))
def test_when_a_message_is_permuted_with_extra_joints_expect_identical_bits(positions, order):
    names = [*WANTED, "left_finger", "right_finger"]
    matched_D = match_joints([names[k] for k in order], [positions[k] for k in order], WANTED)
    assert matched_D.tobytes() == np.array(positions[:3]).tobytes()


@pytest.mark.parametrize(
    "names, positions, error, complaint",
    [
        (["waist", "gripper"], [0.0, 0.0], ObservationError, "joints missing: elbow"),
        ([*WANTED, "elbow"], [0.0] * 4, ObservationError, "more than once: elbow"),
        (WANTED, [0.0, 0.0], ObservationError, "3 joint names but 2 positions"),
        ([], [], ObservationError, "joints missing: waist, elbow, gripper"),
        (WANTED, [0.0, np.nan, np.inf], NonFiniteError, "not finite: elbow, gripper"),
    ],
)
def test_when_a_message_is_unusable_expect_an_error_naming_the_joint(
    names, positions, error, complaint
):
    with pytest.raises(error, match=complaint):
        match_joints(names, positions, WANTED)


def test_when_an_extra_joint_is_not_finite_expect_it_ignored():
    matched_D = match_joints([*WANTED, "finger"], [1.0, 2.0, 3.0, np.nan], WANTED)
    np.testing.assert_array_equal(matched_D, [1.0, 2.0, 3.0])


def test_when_joints_that_are_not_ours_come_twice_expect_them_ignored():
    names = [*WANTED, "finger", "finger"]
    matched_D = match_joints(names, [1.0, 2.0, 3.0, 0.1, 0.2], WANTED)
    np.testing.assert_array_equal(matched_D, [1.0, 2.0, 3.0])
