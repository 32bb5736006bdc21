"""The paths of tools and bases against the kinematics that drivers and policies use."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import make_world
from qwen_vla_sim.worlds.tool_paths import BASE, tool_paths

BASE_POSE = (0.3, -0.2, 0.5)
ARM_BASES_M = {
    "wx250s": (0.0, 0.0, 0.0),
    "follower_left": (0.5, 0.25, 0.0),
    "follower_right": (0.5, -0.25, 0.0),
}


def world_of(name):
    robot = load_embodiment(embodiments_directory() / f"{name}.yaml")
    world, start_D = make_world(robot), np.array(robot.start_D)
    world.reset(start_D, {}, base_pose=BASE_POSE)
    return world, start_D


@pytest.mark.parametrize("name", ["widowx", "aloha"])
def test_when_joints_move_expect_each_tool_where_its_kinematics_have_it(name):
    world, start_D = world_of(name)
    positions_TD = start_D + np.linspace(0.0, 0.3, 5)[:, None] * np.cos(np.arange(len(start_D)))
    before = world.data.qpos.copy()
    paths = tool_paths(world, positions_TD)
    arms = [g for g in world.embodiment.groups if getattr(g.action, "kinematics", None)]
    assert set(paths) == {group.driver.namespace for group in arms}
    for group in arms:
        kinematics, rows = ArmKinematics(group), world.embodiment.group_slice(group.name)
        expected = [kinematics.forward(positions_D[rows])[:3, 3] for positions_D in positions_TD]
        namespace = group.driver.namespace
        np.testing.assert_allclose(
            paths[namespace], np.add(expected, ARM_BASES_M[namespace]), atol=1e-6
        )
    np.testing.assert_array_equal(world.data.qpos, before)


@pytest.mark.parametrize("name", ["mobile_base", "widowx_mobile"])
def test_when_a_base_drives_expect_its_path_from_where_it_stands_and_its_arm_with_it(name):
    world, start_D = world_of(name)
    x, y, yaw = BASE_POSE
    positions_TD = np.tile(start_D, (3, 1))
    row = world.embodiment.group_slice(world.embodiment.base.name).start
    positions_TD[1, row] = 1.0  # a metre ahead
    positions_TD[2, row + 2] = np.pi / 2  # a quarter turn to the left
    paths = tool_paths(world, positions_TD)
    there = (x + np.cos(yaw), y + np.sin(yaw), 0.0)
    np.testing.assert_allclose(paths[BASE], [(x, y, 0), there, (x, y, 0)], atol=1e-9)
    for name in world.arms:
        start, ahead, turned = paths[name] - paths[BASE]
        np.testing.assert_allclose(ahead, start, atol=1e-9)
        np.testing.assert_allclose(turned, (-start[1], start[0], start[2]), atol=1e-9)
