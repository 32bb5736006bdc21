"""One sentence says what a robot is about to do: page, RViz and films show the same."""

from dataclasses import replace

import numpy as np
import pytest

from qwen_vla_core.scene import Event, PlannedPath, plan_words
from scenes import NOTHING

SECONDS = np.arange(5) * 0.5
STILL = np.zeros((5, 3))


def path(group, points, due_in=SECONDS, headings=None):
    return PlannedPath(
        group=group,
        points_T3=np.array(points, dtype=float),
        due_in_T=due_in,
        colours_T3=STILL,
        committed=0,
        headings_T=None if headings is None else np.array(headings, dtype=float),
    )


def grip(arm, text, due_s):
    gripper = arm.replace("arm", "gripper")
    return Event(group=gripper, arm=arm, text=text, point_3=np.zeros(3), due_in_s=due_s)


def words(*paths, events=()):
    return plan_words(replace(NOTHING, plan=paths, events=events))


DOWN_AND_UP = [[0, 0, 0.2], [0, 0, 0.1], [0, -0.05, 0.1], [0, -0.05, 0.2], [0, -0.05, 0.25]]


def test_when_an_arm_goes_down_grips_and_lifts_expect_each_in_its_order():
    said = words(path("arm", DOWN_AND_UP), events=(grip("arm", "closes", 1.0),))
    assert said == (
        "within 2.0 s: arm 10 cm down, 5 cm right, gripper closes (in 1.0 s), then 15 cm up"
    )


def test_when_half_of_a_plan_is_done_expect_only_what_is_still_to_come():
    said = words(path("arm", DOWN_AND_UP, SECONDS - 1.2))
    assert said == "within 0.8 s: arm 5 cm up"
    assert words(path("arm", DOWN_AND_UP, SECONDS - 2.5)) == ""


@pytest.mark.parametrize(
    ("by_m", "said"),
    [
        ((0.1, 0, 0), "10 cm ahead"),
        ((-0.1, 0, 0), "10 cm back"),
        ((0, 0.1, 0.02), "10 cm left, 2 cm up"),
        ((0.004, 0.004, -0.004), "stays"),
    ],
)
def test_when_a_tool_is_displaced_expect_the_robots_own_directions(by_m, said):
    points = np.linspace(np.zeros(3), by_m, 5)
    assert words(path("right_arm", points)) == f"within 2.0 s: right arm {said}"


def test_when_there_are_two_arms_expect_each_gripper_with_its_own():
    said = words(
        path("left_arm", STILL),
        path("right_arm", STILL),
        events=(grip("right_arm", "closes", 0.5), grip("left_arm", "opens", 1.0)),
    )
    assert said == ("within 2.0 s: left gripper opens (in 1.0 s); right gripper closes (in 0.5 s)")


def test_when_a_base_has_turned_expect_its_own_axes_and_the_arms_on_it_too():
    north = [[0, 0.1 * k, 0] for k in range(5)]
    base = path("base", north, headings=[np.pi / 2] * 5)
    tool = path("arm", np.array(north) + np.linspace([0, 0.4, 0.3], [0, 0.5, 0.3], 5))
    assert words(base, tool) == "within 2.0 s: base drives 40 cm ahead; arm 10 cm ahead"
    turning = path("base", STILL, headings=np.linspace(0.0, -0.5, 5))
    assert words(turning) == "within 2.0 s: base turns 29 degrees right"
    assert words(path("base", STILL, headings=[0.0] * 5)) == "within 2.0 s: base stays"
