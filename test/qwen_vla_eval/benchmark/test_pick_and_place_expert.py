"""The expert of LIBERO's suites, in a world without physics; with it: make test-benchmarks."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.kinematics import ArmKinematics
from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS
from qwen_vla_eval.benchmark.client import pick_and_place_expert
from qwen_vla_eval.benchmark.client.rotations import turn

ROBOT = load_embodiment(BENCHMARKS["libero"].embodiment)
REACHED = 0.306
"""How much of what an action asks for robosuite's controller does in a step."""


def test_when_joints_are_given_expect_the_tool_where_robosuite_has_it():
    """Joints and gripper0_grip_site of libero_object/0 as LIBERO prints them; base at -0.6 m."""
    arm = ArmKinematics(ROBOT.groups[0])
    start = arm.forward(np.array(ROBOT.groups[0].start))
    assert start[:3, 3] == pytest.approx([-0.148465 + 0.6, 0.0, 0.261279], abs=1e-5)
    turned = start[:3, :3] @ np.array(ROBOT.groups[0].action.kinematics.zero_rotation).T
    assert turned == pytest.approx(turn("y", 0.056808), abs=1e-4)  # nearly straight down
    later = arm.forward(np.array([-0.017, -0.132, -0.006, -2.459, 0.011, 2.229, 0.778]))
    assert later[:3, 3] == pytest.approx([-0.156 + 0.6, -0.009, 0.242], abs=2e-3)


def carried_out(middle_m, size_m, place_m, drop, slips_at=None):
    """Steps until the thing is let go at its place; None if it never is."""
    tool_m, tool = np.array([-0.15, 0.0, 0.26]), pick_and_place_expert.DOWN
    thing_m = np.array(middle_m) + np.array([[-0.5], [0.5]]) * size_m
    place_m, fingers_m, action, hand = np.array(place_m), 0.08, np.array([0.0] * 6 + [-1.0]), False
    for step in range(280):
        action = pick_and_place_expert.act(
            tool_m=tool_m,
            tool=tool,
            fingers_m=fingers_m,
            closing=action[6] > 0,
            thing_m=thing_m,
            place_m=place_m,
            drop=drop,
        )
        assert np.abs(action).max() <= 1.0
        across = abs(tool[:, 0] @ [size_m[0], size_m[1], 0.0])
        wide = min(size_m[:2]) > 0.07
        rim_m = np.abs(np.abs((tool_m - thing_m.mean(axis=0))[1]) - size_m[1] / 2)
        there = (
            rim_m < 0.015 if wide else np.linalg.norm((tool_m - thing_m.mean(axis=0))[:2]) < 0.02
        )
        there &= thing_m[0, 2] < tool_m[2] < thing_m[1, 2]
        stop_m = (0.004 if wide else across) if there else 0.0
        closing = action[6] > 0
        fingers_m = max(fingers_m - 0.02, stop_m) if closing else min(fingers_m + 0.02, 0.08)
        held = closing and there and fingers_m == stop_m and step != slips_at
        before_m = tool_m
        tool_m = tool_m + REACHED * 0.05 * action[:3]
        tool = turn("z", REACHED * 0.5 * action[5]) @ tool
        if held:
            thing_m = thing_m + tool_m - before_m
            hand = True
        elif hand:
            hand = False
            thing_m = thing_m - [0.0, 0.0, thing_m[0, 2] - place_m[0, 2]]  # it falls
            beside_m = np.linalg.norm((thing_m - place_m).mean(axis=0)[:2])
            if beside_m < 0.03:
                return step
    return None


BASKET = [[-0.066, 0.166, 0.0], [0.096, 0.34, 0.143]]
PLATE = [[-0.016, 0.137, 0.0], [0.122, 0.275, 0.02]]


@pytest.mark.parametrize(
    ("middle_m", "size_m", "place_m", "drop"),
    [
        ((-0.12, -0.24, 0.042), (0.066, 0.07, 0.084), BASKET, True),  # across x: turned
        ((0.1, 0.0, 0.03), (0.1, 0.04, 0.06), BASKET, True),
        ((-0.06, -0.1, 0.026), (0.111, 0.112, 0.053), PLATE, False),  # a bowl, by its rim
    ],
)
def test_when_a_thing_lies_anywhere_expect_it_at_its_place_in_time(
    middle_m, size_m, place_m, drop
):
    assert carried_out(middle_m, size_m, place_m, drop) < 220


def test_when_a_thing_slips_expect_it_picked_up_again():
    thing = (-0.12, -0.24, 0.042), (0.06, 0.07, 0.084), BASKET, True
    whole = carried_out(*thing)
    assert whole < carried_out(*thing, slips_at=whole // 2) < 280
