"""The generated chain against Interbotix's published screw axes, and the inverse against both."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from published_arms import PUBLISHED_VX300S, PUBLISHED_WX250S
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_core.errors import KinematicsError, NonFiniteError

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
WIDOWX = load_embodiment(EMBODIMENTS / "widowx.yaml")
ALOHA = load_embodiment(EMBODIMENTS / "aloha.yaml")
ARM = ArmKinematics(WIDOWX.groups[0])

joint_positions = st.tuples(
    *(st.floats(lower, upper) for lower, upper in zip(ARM.lower_D, ARM.upper_D, strict=True))
).map(np.array)


@given(joint_positions)
def test_when_joints_are_anywhere_expect_the_published_product_of_exponentials(positions_D):
    np.testing.assert_allclose(
        ARM.forward(positions_D), PUBLISHED_WX250S.pose(positions_D), atol=1e-9
    )


@pytest.mark.parametrize("joint", range(6), ids=lambda k: ALOHA.joints[k].driver_name)
@pytest.mark.parametrize("group", [0, 2], ids=lambda k: ALOHA.groups[k].name)
@settings(max_examples=30)
@given(angle=st.floats(-1.5, 1.2))
def test_when_one_joint_of_an_aloha_turns_expect_its_published_axis_sign_and_unit(
    group, joint, angle
):
    arm = ArmKinematics(ALOHA.groups[group])
    positions_D = np.array([0.3, -0.6, 0.8, 0.4, -0.5, 0.2])  # where every joint moves the tool
    positions_D[joint] = angle
    np.testing.assert_allclose(
        arm.forward(positions_D), PUBLISHED_VX300S.pose(positions_D), atol=1e-9
    )


@given(st.lists(joint_positions, min_size=1, max_size=4))
def test_when_links_of_several_poses_are_wanted_expect_what_pinocchio_says_of_the_last(poses):
    links_BL = ARM.links(np.array(poses))
    tool = np.eye(4)
    tool[:3, 3] = WIDOWX.groups[0].action.kinematics.tool_origin_m
    for positions_D, links in zip(poses, links_BL, strict=True):
        np.testing.assert_array_equal(links[0], np.eye(4))
        np.testing.assert_allclose(links[-1] @ tool, ARM.forward(positions_D), atol=1e-12)


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
    reached = PUBLISHED_WX250S.pose(solution_D)
    assert np.linalg.norm(reached[:3, 3] - target[:3, 3]) < 1e-3
    assert np.abs(reached[:3, :3] - target[:3, :3]).max() < 2e-3


def test_when_poses_are_on_the_work_table_expect_the_inverse_to_find_them():
    rng = np.random.default_rng(0)
    down = np.eye(4)
    down[:3, :3] = WIDOWX.groups[0].action.kinematics.zero_rotation
    start_D = np.array([0.0, 0.0, 0.2, 0.0, 1.36, 0.0])
    for _ in range(200):
        down[:3, 3] = rng.uniform([0.15, -0.15, 0.01], [0.38, 0.15, 0.18])
        reached = PUBLISHED_WX250S.pose(ARM.inverse(down, start_D))
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


@given(joint_positions)
def test_when_an_axis_is_negative_expect_its_joint_to_turn_the_other_way(positions_D):
    group = WIDOWX.groups[0].model_dump()
    for link in group["action"]["kinematics"]["links"]:
        link["axis"] = f"-{link['axis']}"
    for joint in group["joints"]:
        joint["lower"], joint["upper"] = -joint["upper"], -joint["lower"]
    group["start"] = [-position for position in group["start"]]
    arm = ArmKinematics(type(WIDOWX.groups[0]).model_validate(group))
    np.testing.assert_allclose(arm.forward(-positions_D), ARM.forward(positions_D), atol=1e-9)
    np.testing.assert_allclose(
        arm.links(-positions_D[None])[0, -1], ARM.links(positions_D[None])[0, -1], atol=1e-9
    )
