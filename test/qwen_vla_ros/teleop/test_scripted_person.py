"""The scripted person's hands, over DDS: what they follow, and when they let go."""

import numpy as np
import pytest
from rclpy.duration import Duration
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_ros.operator import Operator
from qwen_vla_ros.teleop.scripted_person import PLAN, ScriptedPerson

WIDOWX = load_embodiment(embodiments_directory() / "widowx.yaml")
START_D = np.array(WIDOWX.start_D)
TURN_RAD_S = 0.5


@pytest.fixture
def operator(ros):
    operator = Operator(WIDOWX)
    yield operator
    operator.destroy_node()


@pytest.fixture
def person(operator):
    return ScriptedPerson(operator, WIDOWX)


@pytest.fixture
def targets(operator):
    """(waist position, its velocity) of every target on teleop/command."""
    received = []
    operator.create_subscription(
        JointState,
        "teleop/command",
        lambda message: received.append((message.position[0], message.velocity[0])),
        10,
    )
    return received


@pytest.fixture
def robot(operator):
    """Says where it is commanded, as control_node does."""
    publisher = operator.create_publisher(JointState, "teleop/feedback", 10)
    message = JointState(name=list(WIDOWX.joint_names), position=START_D.tolist())
    return operator.create_timer(0.02, lambda: publisher.publish(message))


def turning(operator):
    """A plan that turns the waist, from now on."""
    message = JointTrajectory(joint_names=list(WIDOWX.joint_names))
    message.header.stamp = operator.get_clock().now().to_msg()
    for k in range(WIDOWX.horizon + 1):
        at_s = k * WIDOWX.action_step_s
        positions_D, velocities_D = START_D.copy(), np.zeros_like(START_D)
        positions_D[0] += TURN_RAD_S * at_s
        velocities_D[0] = TURN_RAD_S
        message.points.append(
            JointTrajectoryPoint(
                positions=positions_D.tolist(),
                velocities=velocities_D.tolist(),
                time_from_start=Duration(seconds=at_s).to_msg(),
            )
        )
    return message


def test_when_a_person_presses_expect_to_hold_the_robot_and_then_to_follow_the_plan_until_released(
    operator, person, targets, robot
):
    plans = operator.create_publisher(JointTrajectory, PLAN, 10)
    assert operator.wait(lambda: plans.get_subscription_count() > 0, 10.0)
    plans.publish(turning(operator))  # of before the press: not followed
    operator.wait(lambda: person._here_D is not None, 10.0)
    operator.wait(lambda: False, 0.3)
    assert not targets, "nobody has pressed"
    person.pressed = True
    assert operator.wait(lambda: len(targets) > 3, 10.0)
    assert set(targets) == {(START_D[0], 0.0)}
    plans.publish(turning(operator))
    assert operator.wait(lambda: targets[-1][0] > START_D[0] + 0.1, 10.0)
    assert 0.9 * TURN_RAD_S < targets[-1][1] < 1.1 * TURN_RAD_S
    person.pressed = False
    operator.wait(lambda: False, 0.2)
    count = len(targets)
    operator.wait(lambda: False, 0.3)
    assert len(targets) == count
