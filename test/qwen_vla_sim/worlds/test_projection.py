"""Places in the world land on the pixels that show them."""

from itertools import product

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import make_world
from qwen_vla_sim.worlds.projection import project

ROBOTS = {
    "widowx": ("block_1", (0.27, 0.03, 0.02, 0.4)),
    "aloha": ("cube_0", (0.8, 0.05, 0.02, 0.4)),
    "mobile_base": ("box_usual_0", (1.5, 0.3, 0.0, 0.4)),
}
PIXEL = 2.0
"""Boxes are found in images of half the size; there a pixel is shown where its middle is."""


@pytest.fixture(params=ROBOTS)
def seen(request):
    """A world with one box in it, and the name of the box."""
    robot = load_embodiment(embodiments_directory() / f"{request.param}.yaml")
    world, (body, place) = make_world(robot), ROBOTS[request.param]
    positions_D = np.array(robot.start_D)
    world.reset(positions_D, {body: place}, base_pose=(0.1, -0.2, 0.15))
    yield world, body
    world.close()


def corners(world, body):
    """The corners [8, 3] of a body's first shape."""
    geom = world.model.body(body).geomadr[0]
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    rotation = world.data.geom_xmat[geom].reshape(3, 3)
    return world.data.geom_xpos[geom] + signs * world.model.geom_size[geom] @ rotation.T


def test_when_a_box_is_seen_expect_its_corners_around_its_pixels(seen):
    world, body = seen
    camera = world.embodiment.cameras[0].name
    height, width, _ = world.render(camera).shape
    pixels = project(world, camera, corners(world, body), (width, height))
    left, top, right, bottom = world.visible_boxes(camera, [body])[0] * ([width, height] * 2)
    np.testing.assert_allclose(pixels.min(0), (left, top), atol=PIXEL)
    np.testing.assert_allclose(pixels.max(0), (right, bottom), atol=PIXEL)


def test_when_a_place_is_behind_the_camera_expect_no_pixel(seen):
    world, _ = seen
    camera = world.embodiment.cameras[0].name
    eye, axes = world.data.camera(camera).xpos, world.data.camera(camera).xmat.reshape(3, 3)
    places = eye + np.outer([-1.0, 1.0], axes[:, 2])  # MuJoCo's cameras look along -z
    ahead, behind = project(world, camera, places, (200, 100))
    np.testing.assert_allclose(ahead, (100.0, 50.0), atol=1e-9)
    assert np.isnan(behind).all()
