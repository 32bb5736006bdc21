"""teleop_node beside control_node over DDS: from a device's message to the robot, and back."""

import numpy as np
import pytest
from rclpy.duration import Duration
from sensor_msgs.msg import JointState, Joy
from std_srvs.srv import Trigger

from qwen_vla_core.lag import LATE_S
from qwen_vla_ros.nodes.control_node import DISCOVERY_S
from qwen_vla_ros.stall import AFTER_S, LONGEST_S
from robots import arm_on_base_text

TELEOP = """
teleop:
  default: leader
  devices:
    - {type: joy}
    - {type: keyboard}
    - type: leader
      absolute: true
      arms:
        - topic: leader/joint_states
          joints: [{joint: left_waist, leader: waist}, {joint: left_elbow, leader: elbow}]
          gripper: {joint: left_finger, leader: gripper, leader_closed: -0.7, leader_open: 0.3,
                    gesture: -0.3}
      source: test
"""
TEXT = arm_on_base_text() + TELEOP
LEFT = {"follower_left": [0.1, 0.2, 0.5, 0.03]}
DEADMAN, DRIVE = 10, 9
ESTOP, RECORD_START = 4, 7


@pytest.fixture
def person(start_person):
    """Starts teleop_node for one device of an arm on a base."""
    return lambda device, text=TEXT, *arguments: start_person(text, LEFT, device, *arguments)


def joy(pressed=False, drive=False, ahead=0.0, button=None):
    held = {button, DEADMAN if pressed else None, DRIVE if drive else None}
    buttons = [int(i in held) for i in range(21)]
    return Joy(axes=[0.0, ahead, 0.0, 0.0, 0.0, 0.0], buttons=buttons)


def leader(waist=0.1, elbow=0.2, gripper=0.3):
    return JointState(name=["elbow", "gripper", "waist"], position=[elbow, gripper, waist])


def test_when_a_gamepad_drives_the_base_expect_it_to_move_and_to_stand_when_released(person):
    one = person("joy").device(Joy, "joy")
    one.message = joy()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the gamepad is seen released")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.operator.wait(lambda: False, DISCOVERY_S)
    one.message = joy(pressed=True)
    one.expect_mode("TELEOP", "it takes over from HOLD")
    one.message = joy(pressed=True, drive=True, ahead=1.0)
    speed = one.teleop._embodiment.teleop.base_m_s
    base = one.system.base
    one.expect(lambda: base.last and np.isclose(base.last[0], speed), "the base drives")

    def rate_hz():
        _, values = one.operator.diagnostics.get("/teleop_node", ("", {}))
        return float(values.get("rate_joy_hz", 0.0))

    one.expect(lambda: rate_hz() > 1.0, "the device's rate")
    one.message = joy(drive=True, ahead=1.0)
    one.system.stands()
    one.expect_mode("HOLD", "control_node holds")
    one.expect(lambda: one.feedback, "what the device can show")
    assert one.feedback[-1].name == list(one.teleop._embodiment.joint_names)


def test_when_the_messages_of_a_gamepad_come_later_than_before_expect_it_let_go(person):
    one = person("joy").device(Joy, "joy")
    late_s = 0.0

    def stamp():
        if one.message is not None:
            said = one.operator.get_clock().now() - Duration(seconds=late_s)
            one.message.header.stamp = said.to_msg()

    one.operator.create_timer(0.01, stamp)
    one.message = joy()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the gamepad is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.operator.wait(lambda: False, DISCOVERY_S)
    one.message = joy(pressed=True, drive=True, ahead=1.0)
    one.expect(lambda: one.teleop._session.phase.name == "DRIVING", "it drives")
    late_s = 2.0 * LATE_S
    one.expect_mode("HOLD", "control_node holds")
    one.system.stands()
    assert not one.teleop._session.engaged


def test_when_an_absolute_leader_is_far_away_expect_refusal_and_then_alignment_by_service(person):
    one = person("leader").device(JointState, "leader/joint_states")
    one.message = leader(waist=0.6)
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    granted, reason = one.call("engage")
    assert not granted and "left_waist of the leader is +0.50 rad away" in reason
    one.operator.wait(lambda: False, DISCOVERY_S)
    assert one.call("align")[0]
    one.expect(lambda: "aligned" in one.teleop._message, "the robot goes there")
    one.expect(lambda: one.teleop._mode.startswith("HOLD"), "control_node holds")
    one.expect_mode("HOLD", "control_node holds")
    one.expect(lambda: abs(one.system.messages[-1].position[3] - 0.6) < 0.15, "it is there")
    assert one.call("engage")[0]
    one.expect_mode("TELEOP", "the leader has the robot")
    rival = one.operator.create_publisher(JointState, "leader/joint_states", 10)
    one.expect(lambda: "leader/joint_states is published by" in one.teleop._message, "two leaders")
    one.expect_mode("HOLD", "control_node holds")
    one.operator.destroy_publisher(rival)


def test_when_teleop_node_stood_still_while_it_was_asked_expect_nobody_to_have_the_robot(person):
    one = person("leader").device(JointState, "leader/joint_states")
    one.message = leader()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.operator.wait(lambda: False, DISCOVERY_S)
    one.call("release")  # found from now on
    one.system.stall(LONGEST_S + 0.5)
    one.operator.wait(lambda: False, 0.1)
    granted, reason = one.call("engage")
    assert not granted and "stood still for" in reason
    one.operator.wait(lambda: False, AFTER_S)
    assert one.operator.mode.startswith("HOLD") and one.call("engage")[0]
    one.expect_mode("TELEOP", "asked again, it is granted")


def test_when_the_leaders_gripper_closes_slowly_after_it_was_open_expect_the_leader_engaged(
    person,
):
    one = person("leader").device(JointState, "leader/joint_states")
    one.message = leader()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.operator.wait(lambda: False, DISCOVERY_S)
    for gripper in np.linspace(0.3, -0.6, 19):
        assert not one.teleop._session.engaged or gripper < -0.3
        one.message = leader(gripper=float(gripper))
        one.operator.wait(lambda: False, 0.03)
    one.expect_mode("TELEOP", "the gesture engages")
    one.message = None
    one.expect_mode("HOLD", "a silent leader lets go")
    one.message = leader(gripper=-0.6)
    one.operator.wait(lambda: False, 0.5)
    assert one.operator.mode.startswith("HOLD"), "closed grippers alone are no gesture"


def test_when_the_stop_of_a_gamepad_is_pressed_or_its_heartbeat_is_lost_expect_estop(person):
    text = TEXT.replace("teleop_s: 0.2", "teleop_s: 0.2, estop_heartbeat_s: 0.5")
    topics = ("-p", "control_node:estop_topics:=['teleop/estop']")
    one = person("joy", text, *topics).device(Joy, "joy")
    operator = one.operator
    one.message = joy()
    operator.insist("reset", 15.0)  # of the heartbeat that was not there before the gamepad
    operator.insist("hold", 15.0)
    one.message = joy(pressed=True)
    one.expect_mode("TELEOP", "it takes over")
    one.message = joy(pressed=True, button=ESTOP)
    one.expect_mode("ESTOP", "the button stops the robot")
    granted, reason = operator.request("reset")
    assert not granted and "teleop/estop topic is true" in reason
    one.message = joy()
    operator.insist("reset", 15.0)
    one.message = None
    one.expect_mode("ESTOP", "silence stops the robot")
    assert "heartbeat of the teleop/estop topic is lost" in operator.mode


def test_when_buttons_ask_a_recorder_expect_its_answer_in_the_log_or_that_there_is_none(person):
    one = person("joy").device(Joy, "joy")
    asked = []

    def press(button):
        one.message = joy()
        one.operator.wait(lambda: False, 0.1)
        one.message = joy(button=button)

    one.message = joy()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the gamepad is received")
    press(RECORD_START)
    one.expect(lambda: "record/start: nobody answers" in one.teleop._refused, "no recorder")

    def serve(request, response):
        asked.append("start")
        response.success, response.message = True, "episode 7"
        return response

    one.system.robot.create_service(Trigger, "record/start", serve)
    client = one.teleop._device._recorder["record_start"]
    one.expect(client.service_is_ready, "the recorder is found")
    press(RECORD_START)
    one.expect(lambda: asked, "the recorder is asked")
    one.operator.wait(lambda: False, 0.3)
    assert asked == ["start"], "a button that stays pressed asks once"
