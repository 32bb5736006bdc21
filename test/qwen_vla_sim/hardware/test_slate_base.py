"""The simulated base against what is published of Trossen's SLATE."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import make_world

START = (1.0, -0.5, 0.7)


@pytest.fixture(scope="module")
def world():
    return make_world(load_embodiment(embodiments_directory() / "mobile_base.yaml"))


@pytest.fixture
def base(world):
    world.reset(np.zeros(3), {}, base_pose=START)
    world.base.estop_pressed = False
    return world.base


def drive(world, forward, turn, seconds):
    """Commands at 20 Hz."""
    for _ in range(round(seconds / 0.05)):
        world.base.command(forward, turn)
        world.step(0.05)


def test_when_driven_straight_expect_odometry_ahead_and_the_base_along_its_heading(world, base):
    drive(world, 0.4, 0.0, 2.0)
    x, y, yaw = base.pose
    assert x == pytest.approx(0.8, abs=0.03)
    assert (y, yaw) == pytest.approx((0.0, 0.0), abs=1e-3)
    there = world.body_position("base_link")[:2]
    np.testing.assert_allclose(
        there - START[:2], x * np.array([np.cos(START[2]), np.sin(START[2])]), atol=5e-3
    )


def test_when_it_turns_expect_a_circle_to_the_left_of_the_right_radius(world, base):
    drive(world, 0.3, 0.5, np.pi)  # a quarter of a circle of 0.6 m
    np.testing.assert_allclose(base.pose, [0.6, 0.6, np.pi / 2], atol=0.06)


def test_when_commands_end_expect_it_to_stand_after_300_ms(world, base):
    drive(world, 0.4, 0.3, 1.0)
    world.step(0.24)  # 0.29 s after the last
    assert base.velocity[0] == pytest.approx(0.4, abs=0.02)
    world.step(0.3)
    np.testing.assert_allclose(base.velocity, 0.0, atol=0.01)


def test_when_commanded_too_fast_expect_its_own_clamps(world, base):
    drive(world, 5.0, 0.0, 1.0)
    assert base.velocity[0] == pytest.approx(1.0, abs=0.02)
    drive(world, 0.0, -5.0, 1.0)
    np.testing.assert_allclose(base.velocity, [0.0, -1.0], atol=0.02)


def test_when_its_button_is_pressed_expect_it_to_stand_whatever_is_commanded(world, base):
    drive(world, 0.4, 0.3, 0.5)
    base.estop_pressed = True
    drive(world, 0.4, 0.3, 0.5)
    np.testing.assert_allclose(base.velocity, 0.0, atol=0.01)
