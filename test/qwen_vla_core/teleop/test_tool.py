"""Velocities of a tool: exact where the arm can, slower and said where it cannot."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.teleop.tool import ToolMotion

WIDOWX_PATH = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
WIDOWX = load_embodiment(WIDOWX_PATH)
ARM = WIDOWX.groups[0]
START_D = np.array(ARM.start)
LOWER_D = np.array([joint.lower for joint in ARM.joints])
UPPER_D = np.array([joint.upper for joint in ARM.joints])
SPEED_D = np.array([joint.velocity for joint in ARM.joints])
BOX = ARM.action.kinematics
TOOL = ToolMotion(ARM)
DT_S = 0.02


def along(axis, speed):
    velocity_6 = np.zeros(6)
    velocity_6[axis] = speed
    return velocity_6


def drive(velocity_6, seconds, positions_D=START_D):
    said = []
    for _ in range(round(seconds / DT_S)):
        positions_D, words = TOOL.step(positions_D, velocity_6, DT_S)
        said.append(words)
    return positions_D, said


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("speed", [0.05, -0.05])
def test_when_the_tool_is_pushed_along_an_axis_expect_it_to_go_straight_at_that_speed(axis, speed):
    positions_D, said = drive(along(axis, speed), 1.0)
    before, after = TOOL.pose(START_D), TOOL.pose(positions_D)
    np.testing.assert_allclose(after[:3, 3] - before[:3, 3], along(axis, speed)[:3], atol=2e-3)
    np.testing.assert_allclose(after[:3, :3], before[:3, :3], atol=0.01)
    assert not any(said)


def test_when_the_tool_comes_to_the_edge_of_its_workspace_expect_it_slowed_and_said():
    positions_D, said = drive(along(1, 0.15), 4.0)
    edge_m = BOX.workspace_upper_m[1]
    assert edge_m - 0.02 < TOOL.pose(positions_D)[1, 3] <= edge_m + 1e-3
    assert "edge of its workspace (y = 0.2" in said[-1]
    back_D, said = drive(along(1, -0.15), 0.5, positions_D)
    assert TOOL.pose(back_D)[1, 3] < edge_m - 0.05 and not said[-1]


def test_when_the_arm_is_stretched_to_a_singular_pose_expect_bounded_joints_and_words():
    stretched_D = np.zeros(6)
    moved_D, words = TOOL.step(stretched_D, along(1, 0.15), DT_S)
    assert "near a singular pose" in words
    assert (np.abs(moved_D - stretched_D) <= SPEED_D * DT_S + 1e-12).all()
    back_D, _ = drive(along(0, -0.1), 1.0, stretched_D + 0.05)
    assert TOOL.pose(back_D)[0, 3] < TOOL.pose(stretched_D)[0, 3] - 0.05


@pytest.mark.parametrize("speed", [0.15, -0.15])
def test_when_an_alohas_tool_leaves_its_start_sideways_expect_no_joint_near_its_highest_speed(
    speed,
):
    aloha = load_embodiment(WIDOWX_PATH.with_name("aloha.yaml"))
    arm, tool = aloha.groups[0], ToolMotion(aloha.groups[0])
    positions_D, fastest, said = np.array(arm.start), 0.0, []
    limit_D = np.array([joint.velocity for joint in arm.joints])
    for _ in range(100):
        moved_D, words = tool.step(positions_D, along(1, speed), DT_S)
        fastest = max(fastest, np.max(np.abs(moved_D - positions_D) / DT_S / limit_D))
        positions_D = moved_D
        said.append(words)
    assert fastest <= 0.6 + 1e-9
    assert "left_arm is slowed: left_forearm_roll is as fast as it may be" in said
    assert abs(tool.pose(positions_D)[1, 3] - tool.pose(np.array(arm.start))[1, 3]) > 0.15


def test_when_a_joint_is_at_its_limit_expect_its_name_and_no_motion_beyond():
    positions_D = START_D.copy()
    positions_D[4] = UPPER_D[4]
    moved_D, words = TOOL.step(positions_D, along(4, 0.8), DT_S)
    assert moved_D[4] <= UPPER_D[4]
    assert "wrist_angle at the joint's limit" in words


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6),
    st.lists(st.floats(-2.0, 2.0), min_size=6, max_size=6),
)
def test_when_any_pose_gets_any_velocity_expect_finite_steps_within_every_joints_speed(
    share, velocity
):
    positions_D = LOWER_D + np.array(share) * (UPPER_D - LOWER_D)
    moved_D, _ = TOOL.step(positions_D, np.array(velocity), DT_S)
    assert np.isfinite(moved_D).all()
    assert (np.abs(moved_D - positions_D) <= SPEED_D * DT_S + 1e-9).all()


def test_when_a_pose_is_followed_expect_the_tool_to_arrive_there():
    wanted = TOOL.pose(START_D)
    wanted[:3, 3] += [0.03, -0.05, 0.02]
    positions_D = START_D
    for _ in range(60):
        positions_D, _ = TOOL.step(positions_D, TOOL.towards(positions_D, wanted), DT_S)
    np.testing.assert_allclose(TOOL.pose(positions_D), wanted, atol=1e-3)
