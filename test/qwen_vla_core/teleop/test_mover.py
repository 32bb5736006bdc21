"""Targets from wishes: from the last command on, and never a jump, whatever a device says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema import Leader
from qwen_vla_core.execution import Sample
from qwen_vla_core.teleop import Mover, Wish
from qwen_vla_core.teleop.mover import FARTHEST_M, LEAD_S, LONGEST_S

ROBOT = load_embodiment(Path(__file__).parents[3] / "embodiments" / "widowx_mobile.yaml")
NAMES = ROBOT.joint_names
(LEADER,) = [device for device in ROBOT.teleop.devices if device.type == "leader"]
ABSOLUTE = Leader(**{**LEADER.model_dump(), "absolute": True})
START_D = np.array(ROBOT.start_D)
SPEED_D = np.array([joint.velocity for joint in ROBOT.joints])
LOWER_D = np.array([joint.lower for joint in ROBOT.joints])
UPPER_D = np.array([joint.upper for joint in ROBOT.joints])
ARMS_D = ~np.array(ROBOT.base_D)
DT_S = 0.02


def at(positions_D, **other):
    moved = dict(zip(NAMES, positions_D, strict=True)) | other
    return Wish(
        positions={joint: moved[joint] for joint, arm in zip(NAMES, ARMS_D, strict=True) if arm}
    )


def command(positions_D, velocities_D=0.0):
    return Sample(
        positions_D=positions_D, velocities_D=np.broadcast_to(velocities_D, positions_D.shape)
    )


def taken(wish=None, leader=None, command_D=START_D):
    mover = Mover(ROBOT, leader)
    mover.take(command(command_D), wish or Wish())
    return mover


def follow(mover, wish, seconds, command_D=START_D):
    """The command follows the target."""
    for _ in range(round(seconds / DT_S)):
        moved = mover.step(wish, command_D, DT_S)
        command_D = moved.target.positions_D
    return moved


def test_when_a_relative_leader_is_a_radian_away_expect_its_motion_and_not_its_pose():
    leader_D = START_D + np.where(ARMS_D, 1.0, 0.0)
    mover = taken(at(leader_D), LEADER)
    still = mover.step(at(leader_D), START_D, DT_S)
    np.testing.assert_allclose(still.target.positions_D, START_D)
    waist = NAMES.index("waist")
    moved = follow(mover, at(leader_D, waist=leader_D[waist] + 0.2), 1.0)
    assert moved.target.positions_D[waist] == pytest.approx(START_D[waist] + 0.2)


def test_when_an_absolute_leader_is_a_radian_away_expect_joints_and_differences_named():
    waist, elbow = NAMES.index("waist"), NAMES.index("elbow")
    wish = at(START_D, waist=START_D[waist] + 1.0, elbow=START_D[elbow] - 0.3)
    said = Mover(ROBOT, ABSOLUTE).differences(START_D, wish)
    assert said == [
        "waist of the leader is +1.00 rad away",
        "elbow of the leader is -0.30 rad away",
    ]
    assert Mover(ROBOT, LEADER).differences(START_D, wish) == []
    assert Mover(ROBOT, ABSOLUTE).differences(START_D, at(START_D + 0.01)) == []


def test_when_an_aligned_robot_is_requested_expect_it_to_go_there_slowly_and_to_say_so():
    waist = NAMES.index("waist")
    wish = at(START_D, waist=START_D[waist] + 1.0)
    mover, command_D, periods, agree = taken(wish, ABSOLUTE), START_D, 0, False
    while not agree and periods < 1000:
        target, agree = mover.align(wish, command_D, DT_S)
        assert (np.abs(target.positions_D - command_D) <= 0.2 * SPEED_D * DT_S + 1e-12).all()
        command_D, periods = target.positions_D, periods + 1
    assert agree and periods * DT_S > 2.0
    assert Mover(ROBOT, ABSOLUTE).differences(command_D, wish) == []


def test_when_an_absolute_leaders_gripper_is_open_at_a_takeover_expect_ours_to_hold_until_met():
    row = NAMES.index("left_finger")
    held_D = START_D.copy()
    held_D[row] = LOWER_D[row] + 0.002  # around something
    span = UPPER_D[row] - LOWER_D[row]
    mover = taken(at(held_D, left_finger=UPPER_D[row]), ABSOLUTE, held_D)
    moved = follow(mover, at(held_D, left_finger=UPPER_D[row]), 1.0, held_D)
    assert moved.target.positions_D[row] == held_D[row]
    assert "left_finger follows once the leader's gripper was where ours is" in moved.message
    follow(mover, at(held_D, left_finger=held_D[row] + 0.05 * span), 1.0, held_D)
    moved = follow(mover, at(held_D, left_finger=UPPER_D[row]), 1.0, held_D)
    assert moved.target.positions_D[row] == pytest.approx(UPPER_D[row]) and not moved.message


def test_when_an_absolute_leaders_gripper_passes_ours_between_two_periods_expect_it_followed():
    row = NAMES.index("left_finger")
    middle_D = START_D.copy()
    middle_D[row] = (LOWER_D[row] + UPPER_D[row]) / 2.0
    mover = taken(at(middle_D, left_finger=UPPER_D[row]), ABSOLUTE, middle_D)
    moved = follow(mover, at(middle_D, left_finger=LOWER_D[row]), 1.0, middle_D)
    assert moved.target.positions_D[row] == pytest.approx(LOWER_D[row])


def test_when_a_robot_is_aligned_expect_its_gripper_to_keep_what_it_holds():
    row = NAMES.index("left_finger")
    wish = at(START_D, waist=0.3, left_finger=LOWER_D[row] + UPPER_D[row] - START_D[row])
    mover, command_D = taken(wish, ABSOLUTE), START_D
    for _ in range(200):
        command_D = mover.align(wish, command_D, DT_S)[0].positions_D
    assert command_D[NAMES.index("waist")] == pytest.approx(0.3)
    assert command_D[row] == START_D[row]


def test_when_a_leader_jumps_by_a_radian_expect_a_fault_that_names_it_and_no_motion():
    mover = taken(at(START_D), LEADER)
    moved = mover.step(at(START_D, elbow=START_D[NAMES.index("elbow")] + 1.0), START_D, DT_S)
    assert "elbow of the leader jumped by +1.00 rad" in moved.fault
    np.testing.assert_array_equal(moved.target.positions_D, START_D)


@pytest.mark.parametrize("device", ["leader", "hand", "stick"])
def test_when_a_robot_in_motion_is_taken_expect_it_to_brake_and_not_to_come_back(device):
    wish = {
        "leader": at(START_D),
        "hand": Wish(tool_poses={"arm": np.eye(4)}),
        "stick": Wish(tool_velocities={"arm": np.zeros(6)}),
    }[device]
    waist, speed = NAMES.index("waist"), 1.2
    moving_D = np.where(np.arange(len(NAMES)) == waist, speed, 0.0)
    mover = Mover(ROBOT, LEADER if device == "leader" else None)
    path = [mover.take(command(START_D, moving_D), wish).positions_D[waist]]
    for _ in range(60):
        path.append(mover.step(wish, START_D, DT_S).target.positions_D[waist])
    speeds = np.diff([START_D[waist], *path]) / DT_S
    assert (speeds > -1e-6).all(), "it does not come back"
    acceleration = ROBOT.joints[waist].acceleration
    assert (np.abs(np.diff([speed, *speeds])) <= acceleration * DT_S + 1e-6).all()
    assert abs(speeds[-1]) < 1e-6
    assert path[-1] - START_D[waist] == pytest.approx(speed**2 / (2 * acceleration), abs=0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["positions", "tool", "gripper", "base", "pose"])
def test_when_a_device_says_what_is_no_number_expect_a_fault_and_no_motion(bad, part):
    wishes = {
        "positions": at(START_D, waist=bad),
        "tool": Wish(tool_velocities={"arm": np.array([bad, 0, 0, 0, 0, 0])}),
        "gripper": Wish(gripper_speeds={"gripper": bad}),
        "base": Wish(base=(bad, 0.0)),
        "pose": Wish(tool_poses={"arm": np.full((4, 4), bad)}),
    }
    moved = taken(at(START_D), LEADER).step(wishes[part], START_D, DT_S)
    assert "NaN or infinity" in moved.fault
    np.testing.assert_array_equal(moved.target.positions_D, START_D)
    assert not moved.target.velocities_D.any()


def test_when_the_hand_moves_and_turns_expect_the_tool_to_do_the_same_from_where_it_was():
    hand = np.eye(4)
    hand[:3, 3] = [7.0, -3.0, 1.0]
    mover = taken(Wish(tool_poses={"arm": hand}))
    moved_hand = hand.copy()
    moved_hand[:3, 3] += [0.02, 0.04, -0.03]
    moved = follow(mover, Wish(tool_poses={"arm": moved_hand}), 1.5)
    rows = ROBOT.group_slice("arm")
    tool = mover._tools["arm"]
    before, after = tool.pose(START_D[rows]), tool.pose(moved.target.positions_D[rows])
    np.testing.assert_allclose(after[:3, 3] - before[:3, 3], [0.02, 0.04, -0.03], atol=1e-3)


def test_when_the_tracking_of_a_hand_is_lost_expect_a_fault_with_the_distance():
    hand = np.eye(4)
    mover = taken(Wish(tool_poses={"arm": hand}))
    far = hand.copy()
    far[0, 3] = FARTHEST_M + 0.1
    assert "0.60 m from where" in mover.step(Wish(tool_poses={"arm": far}), START_D, DT_S).fault


def test_when_a_joint_is_outside_its_limits_expect_it_to_stay_until_it_is_moved():
    outside_D = START_D.copy()
    elbow = NAMES.index("elbow")
    outside_D[elbow] = UPPER_D[elbow] + 0.05
    mover = taken(at(outside_D), LEADER, outside_D)
    assert mover.step(at(outside_D), outside_D, DT_S).target.positions_D[elbow] == outside_D[elbow]
    inwards = mover.step(at(outside_D, elbow=outside_D[elbow] - 0.1), outside_D, DT_S)
    assert inwards.target.positions_D[elbow] < outside_D[elbow]


def test_when_the_robot_does_not_follow_expect_the_target_to_wait_for_it():
    waist = NAMES.index("waist")
    mover = taken(at(START_D), LEADER)
    for _ in range(100):
        target = mover.step(at(START_D, waist=START_D[waist] + 0.8), START_D, DT_S).target
    assert target.positions_D[waist] - START_D[waist] == pytest.approx(LEAD_S * SPEED_D[waist])


anything = st.floats(allow_nan=True, allow_infinity=True)
sixes = st.lists(anything, min_size=6, max_size=6)
wishes = st.builds(
    lambda offset, velocity, gripper, base, which: {
        "joints": Wish(positions=dict.fromkeys(NAMES[3:], offset)),
        "tool": Wish(tool_velocities={"arm": np.array(velocity)}),
        "gripper": Wish(gripper_speeds={"gripper": gripper}),
        "base": Wish(base=tuple(base)),
    }[which],
    anything | st.floats(-3, 3),
    sixes | st.lists(st.floats(-2, 2), min_size=6, max_size=6),
    anything,
    st.tuples(anything, anything),
    st.sampled_from(["joints", "tool", "gripper", "base"]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(wishes, min_size=1, max_size=6),
    st.floats(0.0, 1.0),
    st.sampled_from([1e-9, DT_S, 0.05, 10.0]),
    st.sampled_from([None, LEADER, ABSOLUTE]),
)
def test_when_a_device_says_anything_expect_finite_steps_within_speed_limits_and_lead(
    said, share, dt_s, leader
):
    command_D = np.where(ARMS_D, LOWER_D + share * (UPPER_D - LOWER_D), 0.0)
    mover = taken(said[0] if said[0].finite else Wish(), leader, command_D)
    last_D = command_D
    for wish in said:
        target = mover.step(wish, command_D, dt_s).target
        step_D = np.abs(target.positions_D - last_D)
        assert np.isfinite(target.positions_D).all() and np.isfinite(target.velocities_D).all()
        assert (step_D <= SPEED_D * min(dt_s, LONGEST_S) + 1e-9).all()
        assert (target.positions_D[ARMS_D] >= LOWER_D[ARMS_D] - 1e-9).all()
        assert (target.positions_D[ARMS_D] <= UPPER_D[ARMS_D] + 1e-9).all()
        assert (np.abs(target.positions_D - command_D) <= LEAD_S * SPEED_D + 1e-9).all()
        assert (np.abs(target.velocities_D) <= SPEED_D).all()
        last_D = target.positions_D
