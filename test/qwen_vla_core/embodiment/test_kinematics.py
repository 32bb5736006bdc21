"""The generated chain against Interbotix's published screw axes, and the inverse against both."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_core.errors import KinematicsError, NonFiniteError

WIDOWX = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
ARM = ArmKinematics(WIDOWX.groups[0])

# Interbotix mr_descriptions.py, wx250s: screw axes in the base frame, and the home pose.
SCREWS = np.array(
    [
        [0, 0, 1, 0, 0, 0],
        [0, 1, 0, -0.11065, 0, 0],
        [0, 1, 0, -0.36065, 0, 0.04975],
        [1, 0, 0, 0, 0.36065, 0],
        [0, 1, 0, -0.36065, 0, 0.29975],
        [1, 0, 0, 0, 0.36065, 0],
    ]
)
HOME = np.array([[1, 0, 0, 0.458325], [0, 1, 0, 0], [0, 0, 1, 0.36065], [0, 0, 0, 1]])

joint_positions = st.tuples(
    *(st.floats(lower, upper) for lower, upper in zip(ARM.lower_D, ARM.upper_D, strict=True))
).map(np.array)


def product_of_exponentials(positions_D: np.ndarray) -> np.ndarray:
    """Forward kinematics by the textbook (Lynch and Park, 4.1), sharing no code with Pinocchio."""
    pose = np.eye(4)
    for screw, angle in zip(SCREWS, positions_D, strict=True):
        w, v = screw[:3], screw[3:]
        hat = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
        rotation = np.eye(3) + np.sin(angle) * hat + (1 - np.cos(angle)) * hat @ hat
        slide = np.eye(3) * angle + (1 - np.cos(angle)) * hat + (angle - np.sin(angle)) * hat @ hat
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = rotation, slide @ v
        pose = pose @ step
    return pose @ HOME


@given(joint_positions)
def test_when_joints_are_anywhere_expect_the_published_product_of_exponentials(positions_D):
    np.testing.assert_allclose(
        ARM.forward(positions_D), product_of_exponentials(positions_D), atol=1e-9
    )


@settings(max_examples=200)
@given(joint_positions, st.integers(0, 2**32 - 1))
def test_when_the_inverse_answers_expect_the_pose_within_limits(positions_D, seed):
    target = ARM.forward(positions_D)
    near_D = positions_D + np.random.default_rng(seed).normal(0.0, 0.05, 6)
    try:
        solution_D = ARM.inverse(target, near_D)
    except KinematicsError:
        return  # allowed near singular poses and limits; the next test bounds how often
    assert (solution_D >= ARM.lower_D).all() and (solution_D <= ARM.upper_D).all()
    reached = product_of_exponentials(solution_D)
    assert np.linalg.norm(reached[:3, 3] - target[:3, 3]) < 1e-3
    assert np.abs(reached[:3, :3] - target[:3, :3]).max() < 2e-3


def test_when_poses_are_on_the_work_table_expect_the_inverse_to_find_them():
    rng = np.random.default_rng(0)
    down = np.eye(4)
    down[:3, :3] = WIDOWX.groups[0].action.kinematics.zero_rotation
    start_D = np.array([0.0, 0.0, 0.2, 0.0, 1.36, 0.0])
    for _ in range(200):
        down[:3, 3] = rng.uniform([0.15, -0.15, 0.01], [0.38, 0.15, 0.18])
        reached = product_of_exponentials(ARM.inverse(down, start_D))
        np.testing.assert_allclose(reached[:3, 3], down[:3, 3], atol=2e-4)


def test_when_a_pose_is_out_of_reach_expect_an_error_that_says_what_is_left():
    far = np.eye(4)
    far[:3, 3] = [2.0, 0.0, 0.3]
    with pytest.raises(KinematicsError, match="mm and"):
        ARM.inverse(far, np.zeros(6))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_when_a_position_or_pose_is_not_finite_expect_refusal(bad):
    with pytest.raises(NonFiniteError):
        ARM.forward(np.array([0.0, bad, 0.0, 0.0, 0.0, 0.0]))
    with pytest.raises(NonFiniteError):
        ARM.inverse(np.full((4, 4), bad), np.zeros(6))
