"""A viewpoint sees a place where the robot's own world sees it."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.viewpoint import Viewpoint
from qwen_vla_sim.worlds.projection import project
from qwen_vla_sim.worlds.tool_paths import tool_paths


@pytest.mark.parametrize("name", ["aloha", "widowx"])
def test_when_a_robot_stands_somewhere_expect_the_image_of_its_own_world(name):
    embodiment = load_embodiment(embodiments_directory() / f"{name}.yaml")
    world, view = make_world(embodiment), Viewpoint(embodiment)
    next(iter(make_tasks(embodiment).values())).sample(3).lay_out(world)
    view.move(dict(zip(embodiment.joint_names, world.positions_D, strict=True)))
    tools = np.concatenate(list(tool_paths(world, world.positions_D[None]).values()))
    for camera in embodiment.cameras:
        expected = project(world, camera.name, tools, (256, 256))
        np.testing.assert_allclose(view.project(camera.name, tools, (256, 256)), expected, atol=1)


def test_when_a_base_has_driven_expect_its_camera_to_have_gone_with_it():
    view = Viewpoint(load_embodiment(embodiments_directory() / "mobile_base.yaml"))
    ball = np.array([[2.0, 0.0, 0.3]])
    near, turned = [], []
    for pose, seen in (((0.0, 0.0, 0.0), near), ((0.0, 0.0, 0.3), turned)):
        view.move(dict(zip(("base_x", "base_y", "base_yaw"), pose, strict=True)))
        seen.extend(view.project("front", ball, (256, 256))[0])
    assert near[0] == pytest.approx(128.0, abs=0.5)
    assert turned[0] > near[0] + 20.0  # it turned left, so the ball moved to the right
