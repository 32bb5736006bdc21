"""The world against the published wx250s: kinematics, ranges, and what the cameras see."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from published_arms import PUBLISHED_WX250S
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_sim.hardware.xs_models import ARM_JOINTS, WX250S
from qwen_vla_sim.registry import make_world

READY_RAD = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0])
BLOCKS = {
    "block_1": (0.22, -0.1, 0.02, 0.0),
    "block_2": (0.30, 0.0, 0.02, 0.2),
    "block_3": (0.34, 0.11, 0.02, -0.2),
}
LIMITS_RAD = WX250S.limits_rad

angles = st.tuples(*(st.floats(*LIMITS_RAD[joint]) for joint in ARM_JOINTS))


@pytest.fixture(scope="module")
def world():
    world = make_world(load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml"))
    yield world
    world.close()


def place(world, arm_rad=READY_RAD, finger_m=0.037, blocks=BLOCKS):
    world.reset(np.append(arm_rad, finger_m), blocks)


@settings(max_examples=50, deadline=None)
@given(arm_rad=angles)
def test_when_joints_stand_anywhere_expect_the_tool_where_interbotix_has_it(world, arm_rad):
    place(world, np.array(arm_rad), blocks={})
    site = world.data.site("ee_gripper_link")
    expected = PUBLISHED_WX250S.pose(arm_rad)
    np.testing.assert_allclose(site.xpos, expected[:3, 3], atol=1e-9)
    np.testing.assert_allclose(site.xmat.reshape(3, 3), expected[:3, :3], atol=1e-9)


@pytest.mark.parametrize("side", [0, 1])
def test_when_a_joint_is_sent_to_its_end_expect_it_there_and_no_farther(world, side):
    for joint in ("waist", "forearm_roll", "wrist_rotate"):
        place(world, blocks={})
        world.arms["wx250s"].command_joint(joint, LIMITS_RAD[joint][side] * 1.1)
        world.step(4.0)
        reached = world.positions_D[ARM_JOINTS.index(joint)]
        assert reached == pytest.approx(LIMITS_RAD[joint][side], abs=0.02)


def test_when_commands_stream_at_50_hz_expect_the_arm_to_follow_within_30_ms(world):
    place(world, blocks={})
    speed_rad_s = 1.0
    for tick in range(1, 51):
        goals_rad = READY_RAD + [speed_rad_s * tick * 0.02, 0, 0, 0, 0, 0]
        for joint, goal_rad in zip(ARM_JOINTS, goals_rad, strict=True):
            world.arms["wx250s"].command_joint(joint, goal_rad)
        world.step(0.02)
    lag_s = (READY_RAD[0] + speed_rad_s - world.positions_D[0]) / speed_rad_s
    assert 0.0 < lag_s < 0.03


def test_when_nobody_commands_expect_the_arm_to_hold_its_last_goal(world):
    place(world, blocks={})
    before = world.positions_D
    world.step(2.0)
    np.testing.assert_allclose(world.positions_D, before, atol=1e-3)


def test_when_the_arm_is_released_expect_it_to_fall_and_to_return_to_its_goal_when_held(world):
    place(world, blocks={})
    for joint in ARM_JOINTS:
        world.arms["wx250s"].set_torque(joint, False)
    world.step(0.5)
    fallen = world.positions_D
    assert np.abs(fallen[:6] - READY_RAD).max() > 0.1
    for joint in ARM_JOINTS:
        world.arms["wx250s"].set_torque(joint, True)
    world.step(1.0)
    np.testing.assert_allclose(world.positions_D[:6], READY_RAD, atol=0.02)


@pytest.mark.parametrize("camera", ["over_shoulder", "wrist"])
def test_when_blocks_are_in_reach_expect_each_to_be_seen_where_it_is(world, camera):
    place(world)
    boxes = world.visible_boxes(camera, tuple(BLOCKS))
    assert np.isfinite(boxes).all() and (boxes[:, :2] < boxes[:, 2:]).all()
    for body, box in zip(BLOCKS, boxes, strict=True):
        place(world, blocks={body: BLOCKS[body]})
        np.testing.assert_allclose(world.visible_boxes(camera, [body])[0], box, atol=0.02)
        colour = world.render(camera)[_pixel(box)]
        world.reset(np.append(READY_RAD, 0.037), BLOCKS, colours={body: (1.0, 0.0, 0.0, 1.0)})
        red, green, blue = world.render(camera)[_pixel(box)].astype(int)
        assert red > 2 * max(green, blue) and not (colour == (red, green, blue)).all()


def test_when_objects_are_not_in_the_scene_expect_them_out_of_sight_and_at_rest(world):
    place(world, blocks={})
    parked = [world.body_position(body) for body in BLOCKS]
    world.step(1.0)
    for camera in ("over_shoulder", "wrist"):
        assert np.isnan(world.visible_boxes(camera, tuple(BLOCKS))).all()
    np.testing.assert_allclose([world.body_position(body) for body in BLOCKS], parked, atol=1e-6)


def test_when_a_scene_was_coloured_and_lit_expect_nothing_of_it_after_the_next_reset(world):
    place(world)
    before = world.render("over_shoulder")
    colours = {"ground": (0.2, 0.2, 0.2, 1.0), "block_1": (1.0, 1.0, 0.0, 1.0)}
    world.reset(np.append(READY_RAD, 0.037), BLOCKS, colours=colours, light=0.6)
    assert world.render("over_shoulder").mean() < 0.7 * before.mean()
    place(world)
    np.testing.assert_array_equal(world.render("over_shoulder"), before)


def _pixel(box):
    """Row and column of the middle of a box in an image of 256 x 256."""
    left, top, right, bottom = box * 256
    return int((top + bottom) / 2), int((left + right) / 2)


def test_when_both_cameras_run_at_15_hz_expect_most_of_the_time_left(world):
    place(world)
    world.render("wrist")
    started_s = time.process_time()
    for _ in range(15):
        world.step(0.066)
        for camera in ("over_shoulder", "wrist"):
            world.render(camera)
    assert time.process_time() - started_s < 0.5  # of one second of simulated time
