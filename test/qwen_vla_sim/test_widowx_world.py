"""The world against the published wx250s: kinematics, ranges, and what the cameras see."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_sim.boxes import visible_box
from qwen_vla_sim.worlds.widowx import WidowxWorld
from qwen_vla_sim.worlds.widowx_mjcf import ARM_JOINTS, ARM_LIMITS_RAD

# Screw axes [w | v] and home pose of the wx250s: Interbotix mr_descriptions.py.
SCREWS = (
    ((0, 0, 1), (0, 0, 0)),
    ((0, 1, 0), (-0.11065, 0, 0)),
    ((0, 1, 0), (-0.36065, 0, 0.04975)),
    ((1, 0, 0), (0, 0.36065, 0)),
    ((0, 1, 0), (-0.36065, 0, 0.29975)),
    ((1, 0, 0), (0, 0.36065, 0)),
)
HOME_M = (0.458325, 0.0, 0.36065)
READY_RAD = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0])
BLOCKS = {"red": (0.22, -0.1, 0.0), "green": (0.30, 0.0, 0.2), "blue": (0.34, 0.11, -0.2)}

angles = st.tuples(*(st.floats(*ARM_LIMITS_RAD[joint]) for joint in ARM_JOINTS))


@pytest.fixture(scope="module")
def world():
    world = WidowxWorld()
    yield world
    world.close()


def place(world, arm_rad=READY_RAD, finger_m=0.037, blocks=BLOCKS):
    world.reset(np.append(arm_rad, finger_m), blocks)


def exponential(screw, angle):
    """Transform [4, 4] of a rotation about a screw axis (Lynch and Park, equation 3.88)."""
    w, v = (np.array(part, dtype=float) for part in screw)
    skew = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    square = skew @ skew
    transform = np.eye(4)
    transform[:3, :3] += np.sin(angle) * skew + (1 - np.cos(angle)) * square
    transform[:3, 3] = (
        np.eye(3) * angle + (1 - np.cos(angle)) * skew + (angle - np.sin(angle)) * square
    ) @ v
    return transform


def published_pose(arm_rad):
    pose = np.eye(4)
    for screw, angle in zip(SCREWS, arm_rad, strict=True):
        pose = pose @ exponential(screw, angle)
    home = np.eye(4)
    home[:3, 3] = HOME_M
    return pose @ home


@settings(max_examples=50, deadline=None)
@given(arm_rad=angles)
def test_when_joints_stand_anywhere_expect_the_tool_where_interbotix_has_it(world, arm_rad):
    place(world, np.array(arm_rad), blocks={})
    site = world.data.site("ee_gripper_link")
    expected = published_pose(arm_rad)
    np.testing.assert_allclose(site.xpos, expected[:3, 3], atol=1e-9)
    np.testing.assert_allclose(site.xmat.reshape(3, 3), expected[:3, :3], atol=1e-9)


@pytest.mark.parametrize("side", [0, 1])
def test_when_a_joint_is_sent_to_its_end_expect_it_there_and_no_farther(world, side):
    for joint in ("waist", "forearm_roll", "wrist_rotate"):
        place(world, blocks={})
        world.command_joint(joint, ARM_LIMITS_RAD[joint][side] * 1.1)
        world.step(4.0)
        reached = world.positions_D[ARM_JOINTS.index(joint)]
        assert reached == pytest.approx(ARM_LIMITS_RAD[joint][side], abs=0.02)


def test_when_commands_stream_at_50_hz_expect_the_arm_to_follow_within_30_ms(world):
    place(world, blocks={})
    speed_rad_s = 1.0
    for tick in range(1, 51):
        world.command_arm(READY_RAD + [speed_rad_s * tick * 0.02, 0, 0, 0, 0, 0])
        world.step(0.02)
    lag_s = (READY_RAD[0] + speed_rad_s - world.positions_D[0]) / speed_rad_s
    assert 0.0 < lag_s < 0.03


def test_when_nobody_commands_expect_the_arm_to_hold_its_last_goal(world):
    place(world, blocks={})
    before = world.positions_D
    world.step(2.0)
    np.testing.assert_allclose(world.positions_D, before, atol=1e-3)


def test_when_the_arm_is_released_expect_it_to_fall_and_to_stay_when_held_again(world):
    place(world, blocks={})
    for joint in ARM_JOINTS:
        world.set_torque(joint, False)
    world.step(0.5)
    fallen = world.positions_D
    assert np.abs(fallen[:6] - READY_RAD).max() > 0.1
    for joint in ARM_JOINTS:
        world.set_torque(joint, True)
    world.step(1.0)
    assert np.abs(world.positions_D[:6] - fallen[:6]).max() < 0.2


@pytest.mark.parametrize("camera", ["over_shoulder", "wrist"])
@pytest.mark.parametrize("colour", BLOCKS)
def test_when_blocks_are_in_reach_expect_each_to_be_told_by_its_colour(world, camera, colour):
    place(world)
    assert np.isfinite(visible_box(world.render(camera), colour)).all()
    place(world, blocks={name: where for name, where in BLOCKS.items() if name != colour})
    assert np.isnan(visible_box(world.render(camera), colour)).all()


def test_when_both_cameras_run_at_15_hz_expect_most_of_the_time_left(world):
    place(world)
    world.render("wrist")
    started_s = time.process_time()
    for _ in range(15):
        world.step(0.066)
        for camera in ("over_shoulder", "wrist"):
            world.render(camera)
    assert time.process_time() - started_s < 0.5  # of one second of simulated time
