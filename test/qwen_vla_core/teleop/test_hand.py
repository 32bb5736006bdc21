"""Poses of hands: along the arm's axes, and refused where they are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.errors import NonFiniteError, ObservationError
from qwen_vla_core.teleop.hand import hand_pose

UP_IS_Y = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""OpenXR: x right, y up, z back; in an arm's base_link x is ahead, y left, z up."""


def test_when_a_hand_moves_up_in_openxr_expect_up_in_base_link():
    pose = hand_pose((0.0, 0.3, 0.0), (0.0, 0.0, 0.0, 1.0), UP_IS_Y)
    np.testing.assert_allclose(pose[:3, 3], [0.0, 0.0, 0.3])
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)


def test_when_a_hand_turns_about_its_up_axis_expect_a_turn_about_z():
    half = np.sqrt(0.5)
    pose = hand_pose((0.0, 0.0, 0.0), (0.0, half, 0.0, half), UP_IS_Y)
    np.testing.assert_allclose(pose[:3, :3] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("length", [0.0, 0.5, 2.0])
def test_when_a_quaternion_is_not_of_length_one_expect_refusal(length):
    with pytest.raises(ObservationError, match="length"):
        hand_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, length), np.eye(3))


@given(st.lists(st.floats(allow_nan=True), min_size=7, max_size=7))
def test_when_a_pose_is_any_numbers_expect_a_rotation_or_refusal(numbers):
    try:
        pose = hand_pose(numbers[:3], numbers[3:], UP_IS_Y)
    except (NonFiniteError, ObservationError):
        return
    assert np.isfinite(pose).all()
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
