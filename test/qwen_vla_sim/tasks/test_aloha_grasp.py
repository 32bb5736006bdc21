"""How an open gripper comes down to a cube."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_sim.tasks.aloha_arm import down
from qwen_vla_sim.tasks.aloha_grasp import (
    HOVER_M,
    REACH_M,
    Situation,
    height_above_m,
    may_close,
)

OPEN_M, CLOSED_M = 0.055, 0.021
AWAY_M = st.floats(0.0, 0.1)
DIRECTION_RAD = st.floats(0.0, 2 * np.pi)


def above(x_m=0.0, y_m=0.0, height_m=0.0, finger_m=OPEN_M):
    """The left gripper points down, so far beside and above where it would hold the cube."""
    tool, cube = np.eye(4), np.eye(4)
    tool[:3, :3] = down(0.0)
    tool[:3, 3] = x_m, y_m, 0.02 + REACH_M + height_m
    cube[2, 3] = 0.02
    return Situation(
        joints={},
        tools={"left": tool},
        fingers_m={"left": finger_m},
        cubes={"cube_0": cube},
    )


def height(situation):
    return height_above_m(situation, "left", "cube_0", down(0.0))


def test_when_the_gripper_is_over_the_cube_expect_it_to_come_all_the_way_down_and_close():
    assert height(above(height_m=0.1)) == 0.0
    assert may_close(above(), "left", "cube_0", down(0.0))


def test_when_the_gripper_is_far_beside_closed_or_askew_expect_it_to_stay_above():
    assert height(above(y_m=0.05)) == HOVER_M
    assert height(above(x_m=0.12)) == HOVER_M
    assert height(above(height_m=0.1, finger_m=CLOSED_M)) == HOVER_M
    assert height_above_m(above(height_m=0.1), "left", "cube_0", down(0.4)) == HOVER_M


def test_when_the_open_fingers_pass_the_cube_on_both_sides_expect_them_to_slide_low():
    assert height(above(x_m=0.03)) == 0.0
    assert not may_close(above(x_m=0.03), "left", "cube_0", down(0.0))
    assert height(above(y_m=0.03)) > 0.5 * HOVER_M


@given(AWAY_M, AWAY_M, DIRECTION_RAD)
def test_when_the_gripper_comes_nearer_expect_it_lower_and_without_a_step(one_m, other_m, angle):
    near_m, far_m = sorted((one_m, other_m))
    direction = np.array([np.cos(angle), np.sin(angle)])
    near, far = (height(above(*(away * direction), 0.1)) for away in (near_m, far_m))
    assert near <= far + 1e-9
    assert far - near <= HOVER_M / 0.025 * (far_m - near_m) + 1e-9


@given(st.floats(0.013, 0.1), DIRECTION_RAD)
def test_when_the_gripper_is_beside_the_cube_expect_no_closing(away_m, angle):
    situation = above(away_m * np.cos(angle), away_m * np.sin(angle))
    assert not may_close(situation, "left", "cube_0", down(0.0))
