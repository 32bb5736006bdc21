"""However control_node's process ends, a driving base has zero as its last command.

A real process, over DDS, with a robot that shows an arm's and a base's topics.
"""

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import rclpy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String

from fake_robot import FakeRobot
from qwen_vla_core.exit_status import ENDED_ON_REQUEST, FAILED, NOT_STARTED
from qwen_vla_ros.operator import Operator
from robots import arm_on_base_text, robot
from spinning import SpinningThread

FAULTS = Path(__file__).parents[2] / "faults"
AHEAD_M_S = 0.3
ARM = [0.1, 0.2, 0.5, 0.03]
WAIT_S = 20.0
END_S = 3.0
"""No process may take longer to end after its signal to end."""

pytestmark = pytest.mark.timeout(90)


class DrivenRobot:
    """An arm on a base that a person drives, and the process that commands it."""

    def __init__(self, folder, domain, program=("-m", "qwen_vla_ros.nodes.control_node"), **popen):
        text = arm_on_base_text()
        self.embodiment = robot(text)
        path = folder / "robot.yaml"
        path.write_text(text.replace("joint_states_s: 0.2", "joint_states_s: 0.5"))
        rclpy.init(domain_id=domain)
        self.operator = Operator(self.embodiment)
        self._teleop = self.operator.create_publisher(JointState, "teleop/command", 10)
        self.robot = FakeRobot({"follower_left": ARM}, True)
        self._spinning = SpinningThread(self.robot)
        command = [sys.executable, *program, "--ros-args", "-p", f"embodiment:={path}"]
        self.process = subprocess.Popen(command, **popen)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._spinning.end()
        self.operator.destroy_node()
        self.robot.destroy_node()
        rclpy.try_shutdown()

    def say(self):
        joints = self.embodiment.joints
        self._teleop.publish(
            JointState(
                name=list(self.embodiment.joint_names),
                position=[0.0 if j.name.startswith("base") else 0.03 for j in joints],
                velocity=[AHEAD_M_S if j.name == "base_x" else 0.0 for j in joints],
            )
        )

    def driving(self):
        received = self.robot.base.received
        return bool(received) and received[-1][1] > 0.9 * AHEAD_M_S

    def drive(self):
        """Drive by teleoperation until the base goes ahead."""
        deadline_s = time.monotonic() + WAIT_S
        reason = ""
        while not self.driving():
            assert time.monotonic() < deadline_s, f"{reason}; mode '{self.operator.mode}'"
            self.say()
            if not self.operator.mode.startswith("TELEOP"):
                _, reason = self.operator.request("engage_teleop")
            self.operator.wait(self.driving, 0.05)
        return self

    def expect_stopped(self, status):
        """The process ends in time, and zero was the last command that the base received."""
        assert self.process.wait(timeout=END_S) == status
        self.operator.wait(lambda: self.last() == (0.0, 0.0), 1.0)
        assert self.last() == (0.0, 0.0)

    def last(self):
        return self.robot.base.received[-1][1:]


@pytest.fixture
def start(tmp_path, ros_domain):
    robots = []

    def start(**options):
        robots.append(DrivenRobot(tmp_path, ros_domain, **options))
        return robots[-1].drive()

    yield start
    for one in robots:
        one.close()


def test_when_a_signal_tells_it_to_end_while_driving_expect_zero_as_its_last_word(start):
    """The other three end the processes of the tests below."""
    driven = start()
    driven.process.send_signal(signal.SIGQUIT)
    driven.expect_stopped(ENDED_ON_REQUEST)


def test_when_signals_come_thick_and_fast_expect_the_stop_not_to_be_cut_short(start):
    driven = start()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) * 5:
        driven.process.send_signal(number)
    driven.expect_stopped(ENDED_ON_REQUEST)


def test_when_its_terminal_is_closed_expect_zero_as_its_last_word(start):
    ours, theirs = pty.openpty()
    driven = start(
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # its controlling terminal
    )
    os.close(theirs)
    os.close(ours)
    driven.expect_stopped(ENDED_ON_REQUEST)


@pytest.mark.parametrize("kind", ["an exception", "SystemExit", "rclpy shutdown"])
def test_when_a_callback_fails_while_driving_expect_zero_and_a_failure_said(start, kind):
    driven = start(
        program=[str(FAULTS / "failing_control_node.py")], stderr=subprocess.PIPE, text=True
    )
    publisher = driven.operator.create_publisher(String, "fail", 10)
    driven.operator.wait(lambda: publisher.get_subscription_count() > 0, WAIT_S)
    publisher.publish(String(data=kind))
    driven.operator.wait(lambda: driven.process.poll() is not None, END_S)
    errors = driven.process.communicate(timeout=END_S)[1]
    driven.expect_stopped(FAILED)
    assert "Traceback" in errors, errors
    if kind != "rclpy shutdown":  # after it nobody can be told anything over ROS
        said, words = driven.operator.diagnostics, "ended by an error in the program"
        assert driven.operator.wait(
            lambda: said.get("/control_node", ("",))[0].startswith(words), WAIT_S
        ), said
        assert words in errors


def test_when_nobody_reads_its_output_or_writes_its_input_expect_it_to_drive_on(start):
    driven = start(
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    for stream in (driven.process.stdin, driven.process.stdout, driven.process.stderr):
        stream.close()
    driven.process.send_signal(signal.SIGPIPE)
    estop = driven.operator.create_publisher(Bool, "estop", 10)
    driven.operator.wait(lambda: estop.get_subscription_count() > 0, WAIT_S)
    estop.publish(Bool(data=True))  # which it logs
    assert driven.operator.wait(lambda: driven.operator.mode.startswith("ESTOP"), WAIT_S)
    assert driven.process.poll() is None
    driven.process.send_signal(signal.SIGTERM)
    driven.expect_stopped(ENDED_ON_REQUEST)


@pytest.mark.parametrize("openers", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_when_what_it_prints_to_takes_no_more_expect_it_to_drive_on_and_obey(start, openers):
    ours, theirs = openers()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, b"." * 64)
    os.set_blocking(theirs, True)
    driven = start(stdout=theirs, stderr=theirs)
    granted, reason = driven.operator.request("hold")  # each change of mode is logged
    assert granted, reason
    driven.drive().process.send_signal(signal.SIGTERM)
    driven.expect_stopped(ENDED_ON_REQUEST)
    os.close(ours)
    os.close(theirs)


def test_when_a_script_started_it_in_the_background_expect_it_to_end_when_interrupted(start):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as such a script hands it on
    try:
        driven = start()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    driven.process.send_signal(signal.SIGINT)
    driven.expect_stopped(ENDED_ON_REQUEST)


def test_when_nohup_started_it_expect_it_to_outlive_the_terminal(start):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup hands it on
    try:
        driven = start()
    finally:
        signal.signal(signal.SIGHUP, before)
    driven.process.send_signal(signal.SIGHUP)
    count = len(driven.robot.base.received)
    driven.say()
    assert driven.operator.wait(lambda: len(driven.robot.base.received) > count + 3, WAIT_S)
    driven.process.send_signal(signal.SIGTERM)
    driven.expect_stopped(ENDED_ON_REQUEST)


def test_when_a_second_control_node_starts_expect_both_to_say_so(start, tmp_path):
    first, second = (tmp_path / name for name in ("first.log", "second.log"))
    with first.open("w") as log:
        driven = start(stderr=log)
    with second.open("w") as log:
        other = subprocess.Popen(driven.process.args, stderr=log)
    try:
        words = "another node is called /control_node, too"
        assert driven.operator.wait(
            lambda: words in first.read_text() and words in second.read_text(), WAIT_S
        ), (first.read_text(), second.read_text())
    finally:
        other.terminate()
        other.wait()


@pytest.mark.parametrize("value", ["ture", "1"])
def test_when_a_parameter_has_another_type_expect_one_line_and_no_start(value):
    command = [sys.executable, "-m", "qwen_vla_ros.nodes.control_node", "--ros-args"]
    run = subprocess.run(
        [*command, "-p", "embodiment:=widowx", "-p", f"dry_run:={value}"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert run.returncode == NOT_STARTED
    assert f"'dry_run' to '{value}'" in run.stderr and "Traceback" not in run.stderr
