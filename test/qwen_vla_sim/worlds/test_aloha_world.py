"""The simulated ALOHA against the published vx300s, joint by joint, and what its cameras see."""

import time
from pathlib import Path

import numpy as np
import pytest

from published_arms import PUBLISHED_VX300S
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.gripper_presets import ends_problem
from qwen_vla_sim.hardware.xs_driver import JOINT_STATE_NAMES, XsDriver
from qwen_vla_sim.hardware.xs_models import ARM_JOINTS
from qwen_vla_sim.registry import make_world

SIDES = ("left", "right")
BASE_M = {"left": (0.5, 0.25, 0.0), "right": (0.5, -0.25, 0.0)}
"""Static transforms of Interbotix's aloha_bringup.launch.py."""
START_RAD = (0.0, -0.96, 1.16, 0.0, -0.3, 0.0)
"""START_ARM_POSE of Interbotix/aloha."""
DOWN_RAD = (0.0, 0.15, 0.35, 0.0, 1.07, 0.0)
RGB = {
    "cube_0": (0.85, 0.10, 0.08, 1.0),
    "cube_1": (0.10, 0.62, 0.15, 1.0),
    "cube_2": (0.10, 0.22, 0.85, 1.0),
    "cube_3": (0.92, 0.80, 0.10, 1.0),
}
PLACES = {
    "cube_0": (0.72, 0.08, 0.02, 0.0),
    "cube_1": (0.86, 0.09, 0.02, 0.3),
    "cube_2": (0.72, -0.09, 0.02, -0.3),
    "cube_3": (0.87, -0.08, 0.02, 0.1),
}


@pytest.fixture(scope="module")
def world():
    world = make_world(load_embodiment(Path(__file__).parents[3] / "embodiments" / "aloha.yaml"))
    yield world
    world.close()


def place(world, left=START_RAD, right=START_RAD, finger_m=0.04, objects=None):
    positions_D = np.concatenate([left, [finger_m], right, [finger_m]])
    world.reset(positions_D, objects or {}, colours=RGB)


def expected_tool(side, arm_rad):
    pose = PUBLISHED_VX300S.pose(np.array(arm_rad))
    pose[:3, 3] += BASE_M[side]
    return pose


def tool(world, side):
    site = world.data.site(f"{side}_wrist_rotate_tool")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = site.xmat.reshape(3, 3), site.xpos
    return pose


def test_when_arms_stand_anywhere_expect_their_tools_where_interbotix_has_them(world):
    rng = np.random.default_rng(0)
    limits = world.arms["follower_left"].xs_model.limits_rad
    low, high = np.transpose([limits[joint] for joint in ARM_JOINTS])
    for _ in range(50):
        arms = {side: rng.uniform(low, high) for side in SIDES}
        place(world, arms["left"], arms["right"])
        for side in SIDES:
            expected = expected_tool(side, arms[side])
            np.testing.assert_allclose(tool(world, side), expected, atol=1e-9)


@pytest.mark.parametrize("joint", ARM_JOINTS)
@pytest.mark.parametrize("side", SIDES)
def test_when_a_driver_is_sent_one_angle_expect_that_joint_to_turn_as_published(
    world, side, joint
):
    place(world)
    driver = XsDriver(world.arms[f"follower_{side}"])
    index = ARM_JOINTS.index(joint)
    wanted_rad = np.array(START_RAD)
    wanted_rad[index] += 0.2
    driver.command_single(joint, wanted_rad[index])
    world.step(1.0)
    reported = dict(zip(JOINT_STATE_NAMES, driver.joint_states().position, strict=True))
    assert [reported[name] for name in ARM_JOINTS] == pytest.approx(wanted_rad, abs=0.005)
    np.testing.assert_allclose(tool(world, side), expected_tool(side, wanted_rad), atol=0.005)
    other = SIDES[1 - SIDES.index(side)]
    np.testing.assert_allclose(tool(world, other), expected_tool(other, START_RAD), atol=0.005)


@pytest.mark.parametrize("side", SIDES)
def test_when_a_gripper_is_sent_alohas_angles_expect_alohas_finger_positions(world, side):
    place(world)
    driver = XsDriver(world.arms[f"follower_{side}"])
    # PUPPET_GRIPPER_JOINT and PUPPET_GRIPPER_POSITION; the URDF's ends are just inside.
    for motor_rad, finger_m in ((1.4910, 0.057), (0.4349, 0.0393), (-0.6213, 0.021)):
        driver.command_single("gripper", motor_rad)
        world.step(2.0)
        reported = dict(zip(JOINT_STATE_NAMES, driver.joint_states().position, strict=True))
        assert reported["left_finger"] == pytest.approx(finger_m, abs=0.0005)
        assert reported["right_finger"] == -reported["left_finger"]
        mirror = world.data.joint(f"{side}_gripper_mirror").qpos[0]
        assert mirror == pytest.approx(finger_m, abs=0.0005)


def test_when_commands_stream_at_50_hz_expect_the_arm_to_follow_within_30_ms(world):
    place(world)
    for tick in range(1, 51):
        goals_rad = np.add(START_RAD, [tick * 0.02, 0, 0, 0, 0, 0])
        for joint, goal_rad in zip(ARM_JOINTS, goals_rad, strict=True):
            world.arms["follower_right"].command_joint(joint, goal_rad)
        world.step(0.02)
    assert 0.0 < 1.0 - world.positions_D[7] < 0.03


def test_when_nobody_commands_expect_both_arms_to_hold_their_last_goals(world):
    place(world)
    before = world.positions_D
    world.step(2.0)
    np.testing.assert_allclose(world.positions_D, before, atol=1e-3)


def test_when_cubes_stand_between_the_arms_expect_the_high_camera_to_see_each(world):
    place(world, objects=PLACES)
    seen = world.visible_boxes("cam_high", list(PLACES))
    assert np.isfinite(seen).all()
    left, top = seen[:, 0], seen[:, 1]
    assert left[0] < left[2] and left[1] < left[3]  # y to the left
    assert top[1] < top[0] and top[3] < top[2]  # x upwards
    place(world, objects={"cube_0": PLACES["cube_0"]})
    assert np.isnan(world.visible_boxes("cam_high", ["cube_1", "cube_2", "cube_3"])).all()


@pytest.mark.parametrize("side", SIDES)
def test_when_a_gripper_hovers_over_a_cube_expect_its_own_camera_alone_to_see_it(world, side):
    x, y, _ = expected_tool(side, DOWN_RAD)[:3, 3]
    place(world, **{side: DOWN_RAD}, objects={"cube_0": (x, y, 0.02, 0.0)})
    for camera in SIDES:
        box = world.visible_boxes(f"cam_{camera}_wrist", ["cube_0"])
        assert np.isfinite(box).all() == (camera == side)


def test_when_three_cameras_run_at_20_hz_expect_most_of_the_time_left(world):
    place(world, objects=PLACES)
    cameras = ("cam_high", "cam_left_wrist", "cam_right_wrist")
    for camera in cameras:
        world.render(camera)
    started_s = time.process_time()
    for _ in range(20):
        world.step(0.05)
        for camera in cameras:
            world.render(camera)
    assert time.process_time() - started_s < 0.7  # of one second of simulated time


@pytest.mark.parametrize("finger_m", [0.0215, 0.03, 0.045, 0.0565])
def test_when_its_drivers_report_expect_finger_and_motor_as_the_embodiment_s_preset_has_them(
    world, finger_m
):
    place(world, finger_m=finger_m)
    for group in world.embodiment.groups:
        if group.driver.type == "interbotix_position_gripper":
            states = XsDriver(world.arms[group.driver.namespace]).joint_states()
            reported = dict(zip(JOINT_STATE_NAMES, states.position, strict=True))
            assert reported["left_finger"] == pytest.approx(finger_m)
            problem = ends_problem(
                group.gripper_ends,
                finger_m=reported["left_finger"],
                motor_rad=reported["gripper"],
                preset=group.driver.preset,
            )
            assert problem is None
