"""sim_node as a process: what it prints, and that signals end it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from std_srvs.srv import Trigger

from sim_widowx import SimWidowx

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def start(ros):
    robots = []

    def start(*parameters):
        robots.append(SimWidowx(ros, parameters))
        assert robots[-1].ready()
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()


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


def test_when_a_scene_is_requested_expect_it_laid_out_and_reported(start):
    robot = start("seed:=1", "camera_rate_hz:=20")
    assert (robot.status["seed"], robot.status["task"]) == (1, "pick_up")
    waist = robot.joints["waist"]
    robot.ask_for(seed=7, task="put_on_plate", shift="colour")
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
