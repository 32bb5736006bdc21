"""teleop_node beside control_node over DDS: from a device's message to the robot, and back."""

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState, Joy
from std_srvs.srv import Trigger

from qwen_vla_ros.nodes.control_node import DISCOVERY_S
from qwen_vla_ros.nodes.teleop_node import TeleopNode
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
LEFT = {"follower_left": [0.1, 0.2, 0.5, 0.03]}
DEADMAN, DRIVE = 10, 9


class Person:
    """teleop_node in the robot's thread, and a device in ours that repeats what it says."""

    def __init__(self, start_control):
        self.system = start_control(arm_on_base_text() + TELEOP, LEFT, base=True)
        operator = self.system.operator
        operator.destroy_publisher(self.system._teleop)  # two are refused; see below
        self.feedback = []
        operator.create_subscription(JointState, "teleop/feedback", self.feedback.append, 10)
        self.message, self.publisher = None, None
        self.timer = operator.create_timer(0.02, self._say)
        self.teleop = TeleopNode()
        assert self.teleop.trigger_configure() == TransitionCallbackReturn.SUCCESS
        self.teleop.trigger_activate()
        self.system._executor.add_node(self.teleop)

    def _say(self):
        if self.message is not None:
            self.publisher.publish(self.message)

    def device(self, kind, topic):
        self.publisher = self.system.operator.create_publisher(kind, topic, 10)
        return self

    def expect(self, condition, what):
        self.system.expect(condition, f"{what}; {self.teleop._words}")

    def call(self, name):
        answer = self.system.operator._call(Trigger, f"teleop/{name}", Trigger.Request())
        return answer.success, answer.message


@pytest.fixture
def person(start_control, monkeypatch):
    people = []

    def start(device):
        import rclpy

        init = rclpy.init
        arguments = ["-p", f"teleop_node:device:={device}"]
        monkeypatch.setattr(
            rclpy, "init", lambda args, **options: init(args=args + arguments, **options)
        )
        people.append(Person(start_control))
        return people[-1]

    yield start
    for one in people:
        one.system._executor.shutdown()
        one.system._thread.join()
        one.teleop.destroy_node()


def joy(pressed=False, drive=False, ahead=0.0):
    buttons = [int(i == DEADMAN and pressed or i == DRIVE and drive) for i in range(21)]
    return Joy(axes=[0.0, ahead, 0.0, 0.0, 0.0, 0.0], buttons=buttons)


def leader(waist=0.1, elbow=0.2, gripper=0.3):
    return JointState(name=["elbow", "gripper", "waist"], position=[elbow, gripper, waist])


def test_when_a_gamepad_drives_the_base_expect_it_to_move_and_to_stand_when_released(person):
    one = person("joy").device(Joy, "joy")
    one.message = joy()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the gamepad is seen released")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.system.operator.wait(lambda: False, DISCOVERY_S)
    one.message = joy(pressed=True)
    one.expect(lambda: one.system.operator.mode.startswith("TELEOP"), "it takes over from HOLD")
    one.message = joy(pressed=True, drive=True, ahead=1.0)
    speed = one.teleop._embodiment.teleop.base_m_s
    base = one.system.base
    one.expect(lambda: base.last and np.isclose(base.last[0], speed), "the base drives")
    one.message = joy(drive=True, ahead=1.0)
    one.system.stands()
    one.expect(lambda: one.system.operator.mode.startswith("HOLD"), "control_node holds")
    assert one.feedback[-1].name == list(one.teleop._embodiment.joint_names)


def test_when_an_absolute_leader_is_far_away_expect_refusal_and_then_alignment_by_service(person):
    one = person("leader").device(JointState, "leader/joint_states")
    one.message = leader(waist=0.6)
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    granted, reason = one.call("engage")
    assert not granted and "left_waist of the leader is +0.50 rad away" in reason
    one.system.operator.wait(lambda: False, DISCOVERY_S)
    assert one.call("align")[0]
    one.expect(lambda: "aligned" in one.teleop._words, "the robot goes there")
    one.expect(lambda: one.teleop._mode.startswith("HOLD"), "control_node holds")
    one.expect(lambda: one.system.operator.mode.startswith("HOLD"), "control_node holds")
    assert abs(one.system.messages[-1].position[3] - 0.6) < 0.15
    assert one.call("engage")[0]
    one.expect(lambda: one.system.operator.mode.startswith("TELEOP"), "the leader has the robot")
    rival = one.system.operator.create_publisher(JointState, "leader/joint_states", 10)
    one.expect(lambda: "leader/joint_states is published by" in one.teleop._words, "two leaders")
    one.expect(lambda: one.system.operator.mode.startswith("HOLD"), "control_node holds")
    one.system.operator.destroy_publisher(rival)


def test_when_the_leaders_gripper_closes_slowly_after_it_was_open_expect_the_leader_engaged(
    person,
):
    one = person("leader").device(JointState, "leader/joint_states")
    one.message = leader()
    one.expect(lambda: one.teleop._session.phase.name == "READY", "the leader is received")
    one.expect(lambda: len(one.system.messages) > 2, "control_node holds")
    one.system.operator.wait(lambda: False, DISCOVERY_S)
    for gripper in np.linspace(0.3, -0.6, 19):
        assert not one.teleop._session.engaged or gripper < -0.3
        one.message = leader(gripper=float(gripper))
        one.system.operator.wait(lambda: False, 0.03)
    one.expect(lambda: one.system.operator.mode.startswith("TELEOP"), "the gesture engages")
    one.message = None
    one.expect(lambda: one.system.operator.mode.startswith("HOLD"), "a silent leader lets go")
    one.message = leader(gripper=-0.6)
    one.system.operator.wait(lambda: False, 0.5)
    assert one.system.operator.mode.startswith("HOLD"), "closed grippers alone are no gesture"
