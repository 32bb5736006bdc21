"""A leader with motors beside the real nodes: it follows the policy, and comes to be aligned."""

import pytest
from interbotix_xs_msgs.msg import JointGroupCommand

from control_system import LEFT
from qwen_vla_ros.nodes.control_node import DISCOVERY_S
from robots import one_arm_text

TEXT = (
    one_arm_text()
    + """
teleop:
  default: leader
  devices:
    - type: leader
      absolute: true
      arms:
        - topic: leader/joint_states
          joints: [{joint: left_waist, leader: waist}, {joint: left_elbow, leader: elbow}]
          drive: {namespace: leader}
      source: test
"""
)
NEAR_RAD = 0.15


@pytest.fixture
def person(start_person):
    """control_node, teleop_node, and a leader whose waist is 0.4 rad from the robot's."""

    def start(waist=LEFT[0] + 0.4, dry=False):
        arms = {"follower_left": LEFT, "leader": [waist, *LEFT[1:]]}
        one = start_person(TEXT, arms, "leader", "-p", f"dry_run:={dry}")
        one.leader = one.system.robot.arms["leader"]
        one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
        one.expect(lambda: not one.teleop._drive_problem, "the leader's driver answers")
        one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
        one.operator.wait(lambda: False, DISCOVERY_S)
        return one

    return start


def gap(one):
    return abs(one.leader.positions["waist"] - one.system.messages[-1].position[0])


def test_when_the_policy_moves_the_robot_expect_the_leader_to_follow_and_takeover_without_a_gap(
    person,
):
    one = person()
    assert not one.leader.group, "nothing moves before a person engages"
    granted, reason = one.call("engage")
    assert not granted and "left_waist of the leader is +0.40 rad away" in reason
    one.system.engage()
    one.expect(lambda: gap(one) < 0.01, "the leader comes to the robot")
    one.system.plan([0.6, 0.0, 0.0])
    one.expect(lambda: one.system.messages[-1].position[0] > LEFT[0] + 0.3, "the policy moves")
    one.expect(lambda: gap(one) < 0.01, "the leader follows")
    moved = one.leader.positions["waist"]
    assert moved > LEFT[0] + 0.29
    assert one.call("engage")[0]
    one.expect_mode("TELEOP", "the leader has the robot")
    count = len(one.leader.group)
    one.leader.goals["waist"] = one.leader.positions["waist"] = moved - 0.1  # a hand moves it
    one.expect(lambda: one.system.messages[-1].position[0] < moved - 0.09, "the robot follows")
    assert len(one.leader.group) == count, "a leader in the hand is left alone"


def test_when_it_is_a_dry_run_expect_the_leaders_motors_left_alone(person):
    one = person(dry=True)
    one.system.engage()
    one.system.plan([0.6, 0.0, 0.0])
    one.expect(lambda: one.system.messages[-1].position[0] > LEFT[0] + 0.3, "the policy moves")
    one.operator.request("hold")
    assert one.call("align")[1].startswith("the robot moves slowly"), "and not the leader"
    one.expect_mode("TELEOP", "it would move")
    arms = one.system.robot.arms
    assert arms["leader"].group == arms["follower_left"].group == []


def test_when_a_leader_with_motors_is_aligned_expect_it_to_come_slowly_and_the_robot_to_stay(
    person,
):
    one = person()
    done, words = one.call("align")
    assert done and "the leader moves slowly" in words
    assert "left_waist of the leader is +0.40 rad away" in words
    one.expect(lambda: "aligned: engage now" in one.teleop._message, "they agree")
    assert gap(one) < NEAR_RAD / 4.0
    assert (
        one.operator.mode.startswith("HOLD") and not one.system.robot.arms["follower_left"].group
    )
    steps = [
        abs(b[0] - a[0]) for a, b in zip(one.leader.group, one.leader.group[1:], strict=False)
    ]
    assert max(steps) <= 0.2 * 3.0 * 0.1 + 1e-6, "a fifth of the joint's speed, for 0.1 s at most"
    assert one.call("align") == (True, "leader and robot agree: engage")
    assert one.call("engage")[0]
    one.expect_mode("TELEOP", "the leader has the robot")


def test_when_a_leaders_motors_do_not_move_expect_it_said_and_goals_that_stay_near(
    person, monkeypatch
):
    monkeypatch.setattr("qwen_vla_ros.nodes.teleop_node.LATE_S", 0.3)
    one = person()
    one.leader.obstacles["waist"] = (LEFT[0] + 0.4, LEFT[0] + 0.4)
    assert one.call("align")[0]
    one.expect(lambda: "is its torque on?" in one.teleop._message, "the leader does not come")
    assert all(abs(goal[0] - (LEFT[0] + 0.4)) <= NEAR_RAD + 1e-6 for goal in one.leader.group)


def test_when_another_program_commands_the_leader_expect_it_named_and_nothing_sent(person):
    one = person()
    topic = "leader/commands/joint_group"
    rival = one.operator.create_publisher(JointGroupCommand, topic, 10)
    one.expect(lambda: "/operator publishes commands, too" in one.teleop._drive_problem, "a rival")
    assert one.call("align")[0]
    one.operator.wait(lambda: False, 0.3)
    assert not one.leader.group
    one.operator.destroy_publisher(rival)
