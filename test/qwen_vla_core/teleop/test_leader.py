"""Leader arms: names, signs, offsets, the range of their grippers, and the start gesture."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.schema import Leader
from qwen_vla_core.errors import NonFiniteError, ObservationError
from qwen_vla_core.teleop import LeaderReader

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
WIDOWX = load_embodiment(EMBODIMENTS / "widowx.yaml")
ALOHA = load_embodiment(EMBODIMENTS / "aloha.yaml")
ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]
LEFT, RIGHT = "leader_left/joint_states", "leader_right/joint_states"


def section(robot):
    (found,) = [device for device in robot.teleop.devices if device.type == "leader"]
    return found


def say(reader, gripper, topics=(LEFT, RIGHT)):
    for topic in topics:
        reader.add(topic, [*ARM, "gripper"], [0.0] * 6 + [gripper])
    return reader.gesture()


def test_when_names_are_permuted_expect_each_joint_by_its_name():
    reader = LeaderReader(WIDOWX, section(WIDOWX))
    values = {name: 0.1 * i for i, name in enumerate(ARM)} | {"left_finger": 0.026, "other": 9.0}
    names = sorted(values)
    reader.add("leader/joint_states", names, [values[name] for name in names])
    expected = {name: 0.1 * i for i, name in enumerate(ARM)} | {"left_finger": 0.026}
    assert reader.positions == pytest.approx(expected)


def test_when_a_leader_counts_the_other_way_expect_sign_and_offset_applied():
    arm = {
        "topic": "so101/joint_states",
        "joints": [{"joint": "elbow", "leader": "elbow_flex", "sign": -1, "offset": 0.5}],
    }
    leader = Leader(type="leader", arms=[arm], source="test")
    reader = LeaderReader(WIDOWX, leader)
    reader.add("so101/joint_states", ["elbow_flex"], [0.2])
    assert reader.positions == pytest.approx({"elbow": 0.3})


def gello():
    """As GELLO's ROS 2 packages publish: the arm in joint states, the gripper in a Float32."""
    gripper = {"joint": "left_finger", "topic": "gripper", "leader_closed": 0, "leader_open": 1}
    joints = [{"joint": "waist", "leader": "fr3_joint1"}]
    arm = {"topic": "gello/joint_states", "joints": joints, "gripper": gripper}
    return LeaderReader(WIDOWX, Leader(type="leader", arms=[arm], source="test"))


@pytest.mark.parametrize(("share", "finger_m"), [(0.0, 0.015), (0.5, 0.026), (1.0, 0.037)])
def test_when_a_gripper_has_a_topic_of_its_own_expect_it_over_our_range(share, finger_m):
    reader = gello()
    reader.add("gello/joint_states", ["fr3_joint1"], [0.4])
    assert reader.positions is None, "the gripper was not received yet"
    reader.add_gripper("gripper", share)
    assert reader.positions == pytest.approx({"waist": 0.4, "left_finger": finger_m})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_when_a_grippers_topic_is_not_finite_expect_refusal_and_what_was_before(bad):
    reader = gello()
    reader.add("gello/joint_states", ["fr3_joint1"], [0.4])
    reader.add_gripper("gripper", 1.0)
    with pytest.raises(NonFiniteError):
        reader.add_gripper("gripper", bad)
    assert reader.positions["left_finger"] == pytest.approx(0.037)


@given(st.floats(-10.0, 10.0))
def test_when_a_leaders_gripper_is_anywhere_expect_ours_within_its_own_ends(angle):
    reader = LeaderReader(ALOHA, section(ALOHA))
    say(reader, angle)
    group = ALOHA.groups[1]
    low, high = group.action.closed, group.action.open
    for finger in ("left_gripper", "right_gripper"):
        assert low - 1e-12 <= reader.positions[finger] <= high + 1e-12


@pytest.mark.parametrize(("angle", "share"), [(-0.6842, 0.0), (0.3083, 1.0)])
def test_when_a_leaders_gripper_is_at_an_end_expect_ours_at_that_end(angle, share):
    reader = LeaderReader(ALOHA, section(ALOHA))
    say(reader, angle)
    action = ALOHA.groups[1].action
    wanted = action.closed + share * (action.open - action.closed)
    assert reader.positions["left_gripper"] == pytest.approx(wanted)


def test_when_one_of_two_leaders_was_never_received_expect_no_positions():
    reader = LeaderReader(ALOHA, section(ALOHA))
    say(reader, 0.0, topics=(LEFT,))
    assert reader.positions is None


@pytest.mark.parametrize(
    ("names", "values", "error", "named"),
    [
        (ARM, [0.0] * 6, ObservationError, "left_finger"),
        ([*ARM, "left_finger"], [0.0] * 5 + [float("nan"), 0.02], NonFiniteError, "wrist_rotate"),
        ([*ARM, "waist"], [0.0] * 7, ObservationError, "more than once"),
        ([*ARM, "left_finger"], [0.0] * 6, ObservationError, "7 joint names but 6"),
    ],
)
def test_when_a_message_is_wrong_expect_refusal_and_nothing_taken(names, values, error, named):
    reader = LeaderReader(WIDOWX, section(WIDOWX))
    with pytest.raises(error, match=named):
        reader.add("leader/joint_states", names, values)
    assert reader.positions is None


def test_when_both_grippers_are_closed_after_they_were_open_expect_the_gesture_once():
    reader = LeaderReader(ALOHA, section(ALOHA))
    assert not say(reader, 0.0)
    assert not say(reader, -0.5, topics=(LEFT,))
    assert say(reader, -0.5)
    assert not say(reader, -0.5)


def test_when_grippers_are_closed_from_the_start_or_one_stays_open_expect_no_gesture():
    reader = LeaderReader(ALOHA, section(ALOHA))
    assert not say(reader, -0.5)
    assert not say(reader, 0.0, topics=(LEFT,)) and not say(reader, -0.5)
    say(reader, 0.0)
    reader.forget_gesture()
    assert not say(reader, -0.5)
