"""The gripper: its linkage, and what each operating mode does to the fingers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_sim.hardware.dynamixel_gripper import angle_from_finger, finger_from_angle
from qwen_vla_sim.hardware.xs_models import VX300S, WX250S
from qwen_vla_sim.registry import make_world

WIDOWX = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
READY_RAD = np.array([0.0, -0.15, 0.26, 0.0, 1.46, 0.0])


@pytest.fixture(scope="module")
def robot():
    return make_world(load_embodiment(WIDOWX))


@pytest.fixture
def world(robot):
    gripper = robot.arms["wx250s"].gripper
    gripper.set_mode("pwm", 0.025)
    robot.reset(np.append(READY_RAD, 0.025), {})
    return robot


@pytest.fixture
def gripper(world):
    return world.arms["wx250s"].gripper


def finger_after(world, seconds):
    world.step(seconds)
    return world.positions_D[-1]


@given(share=st.floats(0.0, 1.0), xs_model=st.sampled_from([WX250S, VX300S]))
def test_when_angle_and_finger_are_converted_expect_the_way_back_to_be_exact(share, xs_model):
    low, high = xs_model.finger_limits_m
    finger_m = low + share * (high - low)
    angle_rad = angle_from_finger(finger_m, xs_model)
    assert finger_from_angle(angle_rad, xs_model) == pytest.approx(finger_m, abs=1e-9)


def test_when_the_motor_stands_at_zero_expect_the_published_finger_position():
    # sqrt(arm^2 - horn^2): 0.014 m and 0.024 m, 0.022 m and 0.036 m.
    assert finger_from_angle(0.0, WX250S) == pytest.approx(0.019494, abs=1e-6)
    assert finger_from_angle(0.0, VX300S) == pytest.approx(0.028496, abs=1e-6)


@pytest.mark.parametrize(("pwm", "end_m"), [(350.0, 0.037), (-350.0, 0.015)])
def test_when_pwm_stays_on_expect_the_fingers_at_their_stop(world, gripper, pwm, end_m):
    gripper.command(pwm)
    assert finger_after(world, 2.0) == pytest.approx(end_m, abs=5e-4)


def test_when_pwm_is_zero_expect_the_fingers_to_stay(world):
    assert finger_after(world, 1.0) == pytest.approx(0.025, abs=2e-4)


def test_when_pwm_is_at_bridge_s_limit_expect_no_more_than_the_motor_s_speed(world, gripper):
    gripper.command(350.0)
    moved_m = finger_after(world, 0.2) - 0.025
    assert 0.003 < moved_m < 0.2 * 0.067 * 350 / 885


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("position", angle_from_finger(0.03, WX250S)),
        ("current_based_position", angle_from_finger(0.03, WX250S)),
        ("linear_position", 0.06),  # the full distance between the fingers
    ],
)
def test_when_a_position_mode_is_commanded_expect_the_fingers_there(world, gripper, mode, value):
    gripper.set_mode(mode, world.positions_D[-1])
    assert finger_after(world, 0.2) == pytest.approx(0.025, abs=5e-4)
    gripper.command(value)
    assert finger_after(world, 1.5) == pytest.approx(0.03, abs=5e-4)


def test_when_a_mode_is_not_simulated_expect_it_named(gripper):
    with pytest.raises(ValueError, match="velocity"):
        gripper.set_mode("velocity", 0.025)
