"""Person to policy and back with control_node, teleop_node and policy_node as they are."""

from array import array

import numpy as np
import pytest
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from control_system import LEFT
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.from_messages import seconds
from qwen_vla_ros.nodes import policy_parameters
from qwen_vla_ros.nodes.control_node import DISCOVERY_S
from qwen_vla_ros.nodes.policy_node import PolicyNode
from robots import one_arm_text

FRAME_S = 0.05
GRID_S = 0.8
"""An observation every quarter of 16 steps of 0.2 s, as on a WidowX."""
TEXT = (
    one_arm_text()
    + """
teleop:
  default: leader
  devices:
    - type: leader
      arms:
        - topic: leader/joint_states
          joints: [{joint: left_waist, leader: waist}, {joint: left_elbow, leader: elbow}]
      source: test
"""
)


class TurningPolicy:
    """Turns the waist by 0.06 rad a step, from what is commanded."""

    slow_reason = ""

    def __init__(self, robot):
        self.robot, self.codec = robot, EmbodimentCodec(robot)

    def warm_up(self):
        return 0.01

    def close(self):
        pass

    def diagnostics(self):
        return {}

    def on_mode(self, mode):
        pass

    def plan(self, observation, prefix=None):
        turn_D = np.zeros(len(self.robot.joints))
        turn_D[0] = 0.06
        steps = range(1, self.robot.horizon + 1)
        commanded_D = observation.commanded_D
        actions_HC = np.array([self.codec.still(commanded_D + k * turn_D) for k in steps])
        return self.codec.decode(actions_HC, commanded_D, observation.stamp_s)


@pytest.fixture
def person(start_person, monkeypatch):
    """A leader in motion, a camera, and a policy beside control_node."""
    one = start_person(
        TEXT, {"follower_left": LEFT}, "leader", "-p", "policy_node:instruction:=go"
    )
    one.operator.destroy_publisher(one.system._chunk)  # of the policy there is one
    policy = TurningPolicy(one.system.embodiment)
    monkeypatch.setattr(policy_parameters, "load_policy", lambda *asked, **options: policy)
    robot = one.system.robot
    camera, one.frames_s = robot.create_publisher(Image, "front/image_raw", 10), []

    def show():
        image = Image(height=32, width=32, encoding="rgb8", step=96)
        image.data = array("B", [len(one.frames_s) % 256] * 3072)
        image.header.stamp = robot.get_clock().now().to_msg()
        one.frames_s.append(seconds(image.header.stamp))
        camera.publish(image)

    robot.create_timer(FRAME_S, show)
    node = PolicyNode()
    node.trigger_configure(), node.trigger_activate()
    one.system.spinning.executor.add_node(node)
    one.device(JointState, "leader/joint_states")
    yield one
    one.message = None
    one.system.spinning.end()
    node.stop(), node.trigger_cleanup(), node.destroy_node()


@pytest.mark.alone
def test_when_a_moving_person_hands_back_expect_the_policys_plan_from_one_of_the_next_frames(
    person,
):
    operator, stamps = person.operator, []
    operator.create_subscription(
        JointTrajectory, "policy/chunk", lambda m: stamps.append(seconds(m.header.stamp)), 10
    )

    def waist():
        return person.system.messages[-1].position[0]

    def lead(seconds_):
        """The waist goes back at 0.5 rad/s."""
        for _ in range(round(seconds_ / 0.02)):
            person.message.position[0] -= 0.01
            operator.wait(lambda: False, 0.02)

    def frames_until_a_plan_from_after(began_s):
        person.expect(lambda: stamps[-1] > began_s, "a plan observed in this mode")
        plan_s = next(stamp_s for stamp_s in stamps if stamp_s > began_s)
        return sum(began_s < stamp_s <= plan_s for stamp_s in person.frames_s)

    def follow_from(before):
        person.expect(lambda: waist() > before + 0.05, "the robot follows the plan")

    person.message = JointState(name=["waist", "elbow"], position=[0.7, 0.1])
    person.expect(lambda: person.teleop._session.phase.name == "READY", "the leader is received")
    person.expect(lambda: stamps, "the policy plans")
    operator.wait(lambda: False, DISCOVERY_S)
    for trial in range(3):
        assert person.call("engage")[0]
        person.expect_mode("TELEOP", "the person has the robot")
        lead(0.4 + trial * GRID_S / 3)  # the hand-over falls anywhere between two observations
        assert person.call("hand_back")[0]
        person.expect_mode("AUTONOMY", "the policy has the robot")
        assert frames_until_a_plan_from_after(person.frames_s[-1]) <= 3
        follow_from(waist())
