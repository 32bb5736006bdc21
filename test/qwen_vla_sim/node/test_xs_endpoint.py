"""Two arms behind one sim_node: as two drivers show them, with the same names in each."""

import contextlib
import functools
from pathlib import Path

import pytest
import rclpy
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import RobotInfo
from sensor_msgs.msg import JointState

from ros_domains import reserved_domain
from sim_node_process import SimNodeProcess

ALOHA = Path(__file__).parents[3] / "embodiments" / "aloha.yaml"
ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]
LEFT, RIGHT = "follower_left", "follower_right"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def aloha():
    with reserved_domain() as domain:
        rclpy.init(domain_id=domain)
        with contextlib.closing(SimNodeProcess(rclpy, ALOHA)) as robot:
            robot.messages = {}
            for arm in (LEFT, RIGHT):
                keep = functools.partial(robot.messages.__setitem__, arm)
                robot.node.create_subscription(JointState, f"{arm}/joint_states", keep, 10)
            assert robot.wait(lambda: len(robot.messages) == 2)
            yield robot
        rclpy.try_shutdown()


def joint(robot, arm, name):
    message = robot.messages[arm]
    return message.position[message.name.index(name)]


def test_when_one_arm_is_commanded_expect_only_that_one_to_move(aloha):
    before = {arm: list(message.position) for arm, message in aloha.messages.items()}
    assert [message.name for message in aloha.messages.values()] == [
        [*ARM, "gripper", "left_finger", "right_finger"]
    ] * 2
    topic = f"{RIGHT}/commands/joint_group"
    group = aloha.node.create_publisher(JointGroupCommand, topic, 10)
    assert aloha.wait(lambda: group.get_subscription_count() > 0)
    group.publish(JointGroupCommand(name="arm", cmd=[before[RIGHT][0] + 0.3, *before[RIGHT][1:6]]))
    assert aloha.wait(lambda: joint(aloha, RIGHT, "waist") > before[RIGHT][0] + 0.28)
    assert list(aloha.messages[LEFT].position) == pytest.approx(before[LEFT], abs=0.01)


def test_when_a_gripper_is_commanded_expect_motor_angles_as_aloha_s_modes_have_it(aloha):
    info = aloha.call(RobotInfo, f"{LEFT}/get_robot_info", cmd_type="single", name="gripper")
    assert info.mode == "current_based_position"
    assert info.joint_lower_limits[0] == pytest.approx(0.021)  # vx300s
    assert info.joint_upper_limits[0] == pytest.approx(0.057)
    single = aloha.node.create_publisher(JointSingleCommand, f"{LEFT}/commands/joint_single", 10)
    assert aloha.wait(lambda: single.get_subscription_count() > 0)
    for angle_rad in (1.2, 0.3):
        single.publish(JointSingleCommand(name="gripper", cmd=angle_rad))
        assert aloha.wait(lambda: abs(joint(aloha, LEFT, "gripper") - angle_rad) < 0.05)  # noqa: B023
