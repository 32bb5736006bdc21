"""sim_node as a process over DDS: does it pass for an Interbotix wx250s with two cameras?"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
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
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool, Trigger

from sim_node_process import SimNodeProcess

ROOT = Path(__file__).parents[3]
ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]

pytestmark = pytest.mark.timeout(180)


class Robot(SimNodeProcess):
    """The WidowX's sim_node and what a program receives from it."""

    def __init__(self, ros, parameters=()):
        super().__init__(ros, "widowx", parameters)
        self.joints, self.images, self.joint_state_times_s = None, {}, []
        node = self.node
        node.create_subscription(JointState, "wx250s/joint_states", self._on_joints, 10)
        for topic in ("/blue/image_raw", "/wrist/image_raw"):
            node.create_subscription(
                Image,
                topic,
                lambda m, t=topic: self.images.update({t: m}),
                qos_profile_sensor_data,
            )
        self.group = node.create_publisher(JointGroupCommand, "wx250s/commands/joint_group", 10)
        self.single = node.create_publisher(JointSingleCommand, "wx250s/commands/joint_single", 10)

    def _on_joints(self, message):
        self.joints = dict(zip(message.name, message.position, strict=True))
        self.message = message
        self.joint_state_times_s.append(time.monotonic())

    def ready(self):
        return self.wait(
            lambda: (
                self.joints is not None
                and self.status
                and len(self.images) == 2
                and self.group.get_subscription_count() > 0
                and self.single.get_subscription_count() > 0
            )
        )


@pytest.fixture
def start(ros):
    robots = []

    def start(*parameters):
        robots.append(Robot(ros, parameters))
        assert robots[-1].ready()
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()


def test_when_the_node_runs_expect_joint_states_as_the_driver_publishes_them(start):
    robot = start()
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


def test_when_a_group_command_arrives_expect_the_arm_to_go_there_and_stay(start):
    robot = start()
    goal = [robot.joints[name] for name in ARM]
    goal[0] += 0.3
    robot.group.publish(JointGroupCommand(name="arm", cmd=goal))
    assert robot.wait(
        lambda: (
            abs(robot.joints["waist"] - goal[0]) < 0.01 and abs(robot.message.velocity[0]) < 0.05
        )
    )
    assert not robot.wait(lambda: abs(robot.joints["waist"] - goal[0]) > 0.02, timeout_s=1.0)


def test_when_a_command_has_the_wrong_length_expect_it_logged_and_dropped(start):
    robot = start()
    before = robot.joints["waist"]
    robot.group.publish(JointGroupCommand(name="arm", cmd=[before + 0.5] * 5))
    robot.single.publish(JointSingleCommand(name="waist", cmd=float("nan")))
    goal = robot.joints["wrist_rotate"] + 0.2
    robot.single.publish(JointSingleCommand(name="wrist_rotate", cmd=goal))
    assert robot.wait(lambda: abs(robot.joints["wrist_rotate"] - goal) < 0.02)
    assert robot.joints["waist"] == pytest.approx(before, abs=0.01)
    errors = robot.errors_after_stop()
    assert "number of commands (5) does not match" in errors and "commanded nan" in errors
    assert robot.process.returncode == 0


def test_when_the_gripper_is_commanded_expect_the_unit_of_its_mode(start):
    robot = start()
    robot.single.publish(JointSingleCommand(name="gripper", cmd=-350.0))  # pwm
    assert robot.wait(lambda: robot.joints["left_finger"] < 0.016)
    assert robot.joints["gripper"] < -0.2
    name = "wx250s/set_operating_modes"
    robot.call(OperatingModes, name, cmd_type="single", name="gripper", mode="linear_position")
    robot.single.publish(JointSingleCommand(name="gripper", cmd=0.06))  # m between the fingers
    assert robot.wait(lambda: abs(robot.joints["left_finger"] - 0.03) < 0.001)
    info = robot.call(RobotInfo, "wx250s/get_robot_info", cmd_type="single", name="gripper")
    assert info.mode == "linear_position"


def test_when_robot_info_is_requested_expect_the_published_arm(start):
    robot = start()
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


def test_when_torque_goes_off_expect_the_arm_to_fall(start):
    robot = start()
    before = robot.joints["shoulder"]
    robot.call(TorqueEnable, "wx250s/torque_enable", cmd_type="group", name="arm", enable=False)
    assert robot.wait(lambda: abs(robot.joints["shoulder"] - before) > 0.1)


def test_when_its_drivers_end_and_start_again_expect_them_gone_and_back_with_default_modes(start):
    robot = start()
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


def test_when_its_drivers_are_mute_expect_no_answer_and_everything_else(start):
    robot = start()
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


def test_when_elbows_are_overloaded_or_hot_expect_registers_that_say_so_until_a_reboot(start):
    robot = start()

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


def test_when_cameras_run_expect_rgb_images_stamped_together(start):
    robot = start()
    blue = robot.images["/blue/image_raw"]
    assert (blue.encoding, blue.height, blue.width, blue.step) == ("rgb8", 256, 256, 768)
    assert len(blue.data) == 256 * 768
    stamps = {topic: image.header.stamp for topic, image in robot.images.items()}
    skew_s = abs((stamps["/blue/image_raw"].nanosec - stamps["/wrist/image_raw"].nanosec) * 1e-9)
    assert min(skew_s, 1.0 - skew_s) < 0.2


def test_when_a_scene_is_requested_expect_it_laid_out_and_reported(start):
    robot = start("seed:=1", "camera_rate_hz:=20")
    assert (robot.status["seed"], robot.status["task"]) == (1, "pick_up")
    waist = robot.joints["waist"]
    ask_for(robot, seed=7, task="put_on_plate", shift="colour")
    answer = robot.call(Trigger, "sim_node/reset")
    assert answer.success and answer.message.startswith("put the ")
    assert robot.wait(lambda: robot.status["seed"] == 7)
    assert robot.status == {
        "seed": 7,
        "task": "put_on_plate",
        "shift": "colour",
        "instruction": answer.message,
        "success": False,
        "done": None,
    }
    assert robot.wait(lambda: abs(robot.joints["waist"] - waist) > 0.01)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "pickup"}, "did you mean pick_up?"),
        ({"task": "juggle"}, "there are pick_up, put_on_plate"),
        ({"shift": "color"}, "did you mean colour?"),
    ],
)
def test_when_there_is_no_such_scene_expect_it_refused_when_it_is_requested(start, wrong, words):
    robot = start("seed:=1")
    (result,) = ask_for(robot, **wrong)
    assert not result.successful and words in result.reason
    assert robot.call(Trigger, "sim_node/reset").success
    assert (robot.status["seed"], robot.status["task"]) == (1, "pick_up")


def ask_for(robot, **values):
    parameters = [
        Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
    ]
    return robot.call(SetParameters, "sim_node/set_parameters", parameters=parameters).results


def test_when_the_task_is_unknown_at_the_start_expect_one_clear_error_and_no_robot():
    command = [sys.executable, "-m", "qwen_vla_sim.node", "--ros-args"]
    for value in (f"embodiment:={ROOT / 'embodiments' / 'widowx.yaml'}", "task:=pickup"):
        command += ["-p", value]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert "did you mean pick_up?" in run.stderr and "Traceback" not in run.stderr


def test_when_the_embodiment_is_missing_expect_one_clear_error_and_no_robot(tmp_path):
    command = [sys.executable, "-m", "qwen_vla_sim.node", "--ros-args", "-p"]
    command.append(f"embodiment:={tmp_path / 'nobody.yaml'}")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert "nobody.yaml" in run.stderr and "Traceback" not in run.stderr


def test_when_it_is_cleaned_up_and_configured_again_expect_the_same_robot_once_more(start):
    robot = start()
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        change = Transition(id=transition)
        assert robot.call(ChangeState, "sim_node/change_state", transition=change).success
    publishers = robot.node.get_publishers_info_by_topic("/wx250s/joint_states")
    assert robot.wait(lambda: len(publishers) == 1)
    assert robot.call(Trigger, "sim_node/reset").success


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_a_signal_to_end_comes_expect_it_to_end_without_complaint(start, number):
    process = start().process
    process.send_signal(number)
    complaints = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and "Traceback" not in complaints


def test_when_a_script_started_it_in_the_background_expect_it_to_end_when_interrupted(start):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as such a script hands it on
    try:
        robot = start()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert "Traceback" not in robot.errors_after_stop()
    assert robot.process.returncode == 0
