"""Goals for a leader's motors: slowly to the robot, then with it, never far from the leader."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema import LeaderArm
from qwen_vla_core.teleop import LeaderGoals

ROBOT = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx.yaml")
ARM = LeaderArm(
    topic="leader/joint_states",
    joints=(
        {"joint": "elbow", "leader": "elbow_flex", "sign": -1, "offset": 0.5},
        {"joint": "waist", "leader": "shoulder_pan"},
    ),
    drive={"namespace": "leader"},
)
START_D = np.array(ROBOT.start_D)
ROW = {name: row for row, name in enumerate(ROBOT.joint_names)}
NEAR_RAD, DT_S, SPEED = 0.15, 0.02, 1.57


def at(waist, elbow):
    return {"waist": waist, "elbow": elbow}


def commanded(waist, elbow):
    command_D = START_D.copy()
    command_D[ROW["waist"]], command_D[ROW["elbow"]] = waist, elbow
    return command_D


def ours(goals):
    """By our joints: sign and offset undone by hand."""
    return at(goals["shoulder_pan"], 0.5 - goals["elbow_flex"])


def test_when_the_leader_is_where_the_robot_is_expect_goals_in_its_own_names_and_signs():
    goals = LeaderGoals(ROBOT, ARM, NEAR_RAD).step(commanded(0.2, 0.3), at(0.2, 0.3), DT_S)
    assert goals == pytest.approx({"shoulder_pan": 0.2, "elbow_flex": 0.2})


def test_when_the_robot_is_far_away_expect_the_leader_to_come_slowly_and_then_to_keep_up():
    goals, leader, steps = LeaderGoals(ROBOT, ARM, NEAR_RAD), at(0.0, 0.0), []
    for _ in range(300):
        after = ours(goals.step(commanded(1.0, 0.0), leader, DT_S))
        steps.append(after["waist"] - leader["waist"])
        leader = after
    assert leader == pytest.approx(at(1.0, 0.0))
    assert max(steps) == pytest.approx(0.2 * SPEED * DT_S)
    for period in range(1, 50):
        waist = 1.0 + period * SPEED * DT_S
        leader = ours(goals.step(commanded(waist, 0.0), leader, DT_S))
        assert leader["waist"] == pytest.approx(waist), "no gap at the robot's full speed"


def test_when_the_leader_does_not_move_expect_goals_that_stay_near_it():
    goals = LeaderGoals(ROBOT, ARM, NEAR_RAD)
    for _ in range(500):
        goal = ours(goals.step(commanded(2.0, 0.0), at(0.0, 0.0), DT_S))
    assert goal["waist"] == pytest.approx(NEAR_RAD)


def test_when_the_leader_lost_the_robot_expect_it_to_come_slowly_again():
    goals = LeaderGoals(ROBOT, ARM, NEAR_RAD)
    goals.step(commanded(0.0, 0.0), at(0.0, 0.0), DT_S)
    goals.step(commanded(1.0, 0.0), at(0.0, 0.0), DT_S)
    before = ours(goals.step(commanded(1.0, 0.0), at(0.0, 0.0), DT_S))["waist"]
    after = ours(goals.step(commanded(1.0, 0.0), at(0.05, 0.0), DT_S))["waist"]
    assert after - before == pytest.approx(0.2 * SPEED * DT_S)


def test_when_the_leader_was_left_alone_expect_the_next_goal_to_set_out_from_where_it_is():
    goals = LeaderGoals(ROBOT, ARM, NEAR_RAD)
    goals.step(commanded(1.0, 0.0), at(0.0, 0.0), DT_S)
    goals.forget()
    goal = ours(goals.step(commanded(1.0, 0.0), at(-0.7, 0.0), DT_S))
    assert -0.7 < goal["waist"] <= -0.7 + 0.2 * SPEED * DT_S + 1e-12


angles = st.floats(-3.0, 3.0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(angles, angles, angles, angles), min_size=2, max_size=20),
    st.sampled_from([1e-6, DT_S, 0.1]),
)
def test_when_anything_is_commanded_and_measured_expect_goals_near_the_leader(said, dt_s):
    goals = LeaderGoals(ROBOT, ARM, NEAR_RAD)
    for waist, elbow, leader_waist, leader_elbow in said:
        leader = at(leader_waist, leader_elbow)
        goal = ours(goals.step(commanded(waist, elbow), leader, dt_s))
        for joint in leader:
            assert abs(goal[joint] - leader[joint]) <= NEAR_RAD + 1e-9
