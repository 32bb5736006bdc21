"""sim_node as a process over DDS: does it pass for an Interbotix wx250s with two cameras?

One is started for all tests of this file; test_sim_node_process.py has those that end it.
"""

import contextlib

import numpy as np
import pytest
import rclpy
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import (
    OperatingModes,
    Reboot,
    RegisterValues,
    RobotInfo,
    TorqueEnable,
)
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_srvs.srv import SetBool, Trigger

from qwen_vla_core.from_messages import seconds
from ros_domains import reserved_domain
from sim_widowx import ARM, SimWidowx

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def running():
    with reserved_domain() as domain:
        rclpy.init(domain_id=domain)
        with contextlib.closing(SimWidowx(rclpy, ["seed:=1"])) as robot:
            assert robot.ready()
            yield robot
        rclpy.try_shutdown()


@pytest.fixture
def robot(running):
    """Its drivers have just started, and its scene was laid out anew."""
    assert running.call(SetBool, "sim_node/run_drivers", data=False).success
    assert running.wait(
        lambda: (
            not (running.group.get_subscription_count() or running.single.get_subscription_count())
        )
    )
    assert running.call(SetBool, "sim_node/run_drivers", data=True).success
    assert running.call(Trigger, "sim_node/reset").success
    laid_out_s = running.node.get_clock().now().nanoseconds * 1e-9
    running.images.clear(), running.joint_state_times_s.clear()
    assert running.ready()
    assert running.wait(lambda: seconds(running.message.header.stamp) > laid_out_s)
    return running


def test_when_the_node_runs_expect_joint_states_as_the_driver_publishes_them(robot):
    assert robot.message.name == [*ARM, "gripper", "left_finger", "right_finger"]
    assert robot.joints["left_finger"] == pytest.approx(0.037, abs=1e-3)
    assert robot.joints["right_finger"] == -robot.joints["left_finger"]
    for values in (robot.message.velocity, robot.message.effort):
        assert len(values) == 9 and list(values[-2:]) == [0.0, 0.0]

    assert robot.wait(lambda: len(robot.joint_state_times_s) > 200)

    def period_s():
        return np.median(np.diff(robot.joint_state_times_s[-200:]))

    # On a busy machine not at once.
    assert robot.wait(lambda: period_s() == pytest.approx(0.01, rel=0.3)), period_s()


def test_when_a_group_command_arrives_expect_the_arm_to_go_there_and_stay(robot):
    goal = [robot.joints[name] for name in ARM]
    goal[0] += 0.3
    robot.group.publish(JointGroupCommand(name="arm", cmd=goal))
    assert robot.wait(
        lambda: (
            abs(robot.joints["waist"] - goal[0]) < 0.01 and abs(robot.message.velocity[0]) < 0.05
        )
    )
    assert not robot.wait(lambda: abs(robot.joints["waist"] - goal[0]) > 0.02, timeout_s=1.0)


def test_when_the_gripper_is_commanded_expect_the_unit_of_its_mode(robot):
    robot.single.publish(JointSingleCommand(name="gripper", cmd=-350.0))  # pwm
    assert robot.wait(lambda: robot.joints["left_finger"] < 0.016)
    assert robot.joints["gripper"] < -0.2
    name = "wx250s/set_operating_modes"
    robot.call(OperatingModes, name, cmd_type="single", name="gripper", mode="linear_position")
    robot.single.publish(JointSingleCommand(name="gripper", cmd=0.06))  # m between the fingers
    assert robot.wait(lambda: abs(robot.joints["left_finger"] - 0.03) < 0.001)
    info = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="single", name="gripper")
    assert info.mode == "linear_position"


def test_when_robot_info_is_requested_expect_the_published_arm(robot):
    info = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="group", name="arm")
    assert (list(info.joint_names), info.mode, info.num_joints) == (ARM, "position", 6)
    assert list(info.joint_ids) == [1, 2, 4, 6, 7, 8]
    assert list(info.joint_state_indices) == [0, 1, 2, 3, 4, 5]
    assert info.joint_lower_limits[1] == pytest.approx(-1.884956)
    assert info.joint_upper_limits[2] == pytest.approx(1.605703)
    gripper = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="single", name="gripper")
    # The real driver answers with the left finger where it was asked for the motor.
    assert (list(gripper.joint_names), gripper.mode) == (["left_finger"], "pwm")
    again = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="group", name="arm")
    assert again == info
    nobody = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="group", name="leg")
    assert list(nobody.joint_names) == []


def test_when_torque_goes_off_expect_the_arm_to_fall(robot):
    before = robot.joints["shoulder"]
    robot.call(TorqueEnable, "wx250s/torque_enable", cmd_type="group", name="arm", enable=False)
    assert robot.wait(lambda: abs(robot.joints["shoulder"] - before) > 0.1)


def test_when_its_drivers_end_and_start_again_expect_them_gone_and_back_with_default_modes(robot):
    assert robot.call(SetBool, "sim_node/run_drivers", data=False).success
    client = robot.node.create_client(RobotInfo, "wx250s/get_robot_info")
    gone = lambda: robot.node.count_publishers("wx250s/joint_states") == 0  # noqa: E731
    assert robot.wait(lambda: gone() and not client.service_is_ready())
    assert robot.call(SetBool, "sim_node/run_drivers", data=True).success
    assert robot.wait(lambda: not gone() and client.service_is_ready())
    info = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="group", name="arm")
    assert (info.mode, info.profile_type) == ("position", "time")
    robot.joint_state_times_s.clear()
    assert robot.wait(lambda: robot.joint_state_times_s)


def test_when_its_drivers_are_mute_expect_no_answer_and_everything_else(robot):
    assert robot.call(SetBool, "sim_node/mute_drivers", data=True).success
    client = robot.node.create_client(RobotInfo, "wx250s/get_robot_info")
    assert robot.wait(client.service_is_ready)
    question = RobotInfo.Request(cmd_type="group", name="arm")
    unanswered = client.call_async(question)
    assert not robot.wait(unanswered.done, timeout_s=0.5)
    robot.joint_state_times_s.clear()
    assert robot.wait(lambda: len(robot.joint_state_times_s) > 20)
    assert robot.call(SetBool, "sim_node/mute_drivers", data=False).success
    answered = client.call_async(question)
    assert robot.wait(answered.done)


def test_when_elbows_are_overloaded_or_hot_expect_registers_that_say_so_until_a_reboot(robot):

    def read(register):
        registers = "wx250s/get_motor_registers"
        return list(
            robot.call(
                RegisterValues, registers, cmd_type="group", name="arm", reg=register
            ).values
        )

    assert robot.call(Trigger, "sim_node/overload_elbows").success
    assert read("Hardware_Error_Status") == [0, 0, 32, 0, 0, 0]
    assert robot.call(SetBool, "sim_node/warm_elbows", data=True).success
    assert read("Present_Temperature") == [35, 35, 70, 35, 35, 35]
    robot.call(
        Reboot,
        "wx250s/reboot_motors",
        cmd_type="group",
        name="arm",
        enable=True,
        smart_reboot=True,
    )
    assert read("Torque_Enable") == [1] * 6
    profile = {"cmd_type": "group", "name": "arm", "reg": "Profile_Velocity"}
    robot.call(RegisterValues, "wx250s/set_motor_registers", **profile, value=25)
    assert read("Profile_Velocity") == [25] * 6
    assert read("Nonsense") == []  # the real driver logs that, and answers with nothing


def test_when_cameras_run_expect_rgb_images_stamped_together(robot):
    blue = robot.images["/blue/image_raw"]
    assert (blue.encoding, blue.height, blue.width, blue.step) == ("rgb8", 256, 256, 768)
    assert len(blue.data) == 256 * 768
    stamps = {topic: image.header.stamp for topic, image in robot.images.items()}
    skew_s = abs((stamps["/blue/image_raw"].nanosec - stamps["/wrist/image_raw"].nanosec) * 1e-9)
    assert min(skew_s, 1.0 - skew_s) < 0.2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "pickup"}, "did you mean pick_up?"),
        ({"task": "juggle"}, "there are pick_up, put_on_plate"),
        ({"shift": "color"}, "did you mean colour?"),
    ],
)
def test_when_there_is_no_such_scene_expect_it_refused_when_it_is_requested(robot, wrong, words):
    (result,) = robot.ask_for(**wrong)
    assert not result.successful and words in result.reason
    assert robot.call(Trigger, "sim_node/reset").success
    assert (robot.status["seed"], robot.status["task"]) == (1, "pick_up")


def test_when_it_is_cleaned_up_and_configured_again_expect_the_same_robot_once_more(robot):
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        change = Transition(id=transition)
        assert robot.call(ChangeState, "sim_node/change_state", transition=change).success
    publishers = robot.node.get_publishers_info_by_topic
    assert robot.wait(lambda: len(publishers("/wx250s/joint_states")) == 1)
    assert robot.call(Trigger, "sim_node/reset").success
