"""A simulated depth camera measures metres along its axis and shows them in colours."""

import numpy as np
import pytest

from qwen_vla_core.images import render_depth
from qwen_vla_sim.registry import make_world
from robots import robot, widowx_text

BLOCK = "block_2"


@pytest.fixture(scope="module")
def world():
    text = widowx_text().replace("tag: ego\n", "tag: ego_depth\n    depth_range_m: [0.2, 2.0]\n")
    world = make_world(robot(text))
    ready_D = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0, 0.037])
    world.reset(ready_D, {BLOCK: (0.30, 0.0, 0.02, 0.2)})
    yield world
    world.close()


def test_when_a_depth_camera_looks_at_a_block_expect_its_distance(world):
    left, top, right, bottom = world.visible_boxes("over_shoulder", [BLOCK])[0]
    depth_HW = world.depth("over_shoulder")
    row = int((top + bottom) / 2 * depth_HW.shape[0])
    column = int((left + right) / 2 * depth_HW.shape[1])
    camera = world.data.camera("over_shoulder")
    ahead = -camera.xmat.reshape(3, 3)[:, 2]
    expected_m = ahead @ (world.body_position(BLOCK) - camera.xpos)
    assert depth_HW.dtype == np.float32
    assert depth_HW[row, column] == pytest.approx(expected_m, abs=0.03)  # a block is 4 cm large


def test_when_a_depth_camera_is_rendered_expect_colours_and_the_others_as_they_were(world):
    image = world.render("over_shoulder")
    expected = render_depth(world.depth("over_shoulder"), 0.2, 2.0)
    np.testing.assert_array_equal(image, expected)
    assert world.render("wrist").shape == image.shape
