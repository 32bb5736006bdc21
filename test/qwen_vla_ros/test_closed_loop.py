"""The whole system as processes over DDS: simulated WidowX, control node, shipped policy."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from interbotix_xs_msgs.msg import JointGroupCommand
from std_msgs.msg import Bool

from command_observer import CommandObserver
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.operator import Operator
from qwen_vla_ros.processes import NodeProcesses
from qwen_vla_ros.resources import SHIPPED_CHECKPOINT, embodiments_directory

FAULTS = Path(__file__).parents[1] / "faults"
PATH = embodiments_directory() / "widowx.yaml"
WIDOWX = load_embodiment(PATH)
PERIOD_S = 1.0 / WIDOWX.command_hz
START_S, EPISODE_S = 60.0, 25.0
MOVING_RAD = 0.05
"""The arm has plainly begun to move."""

pytestmark = pytest.mark.timeout(300)


FLOAT32 = 1e-6
"""Commands travel as float32: two neighbours are rounded by up to 0.2 urad each."""


class System:
    """Some of the nodes, and a person who watches them."""

    def __init__(self, ros, folder, names=("sim_node", "control_node", "policy_node"), policy=""):
        nodes = describe_bringup(
            embodiment=str(PATH), checkpoint=str(SHIPPED_CHECKPOINT), use_sim=True
        )
        nodes = [n for n in nodes if n.name in names]
        if policy:  # a file of test/faults in its place
            nodes = [replace(n, module=policy) if n.name == "policy_node" else n for n in nodes]
        environment = {"PYTHONPATH": os.pathsep.join([str(FAULTS), *sys.path])}
        self.processes = NodeProcesses(nodes, environment, folder)
        self.operator = Operator(WIDOWX)
        self.sent = []  # what the arm's driver really received, [6] each
        self.operator.create_subscription(
            JointGroupCommand, "wx250s/commands/joint_group", self._on_sent, 100
        )

    def _on_sent(self, message):
        self.sent.append(np.array(message.cmd))

    def __enter__(self):
        self.processes.__enter__()
        return self

    def __exit__(self, *error):
        self.processes.__exit__(*error)
        self.operator.destroy_node()

    def expect(self, condition, timeout_s, what):
        assert self.operator.wait(condition, timeout_s), (
            f"{what} within {timeout_s} s; mode '{self.operator.mode}', "
            f"{self.operator.diagnostics}, {self.processes.stopped()}"
        )

    def ready(self):
        operator = self.operator
        self.expect(lambda: "/policy_node" in operator.diagnostics, START_S, "policy_node speaks")
        self.expect(lambda: len(operator.commands) > 5, START_S, "control_node runs")
        self.expect(lambda: len(operator.images) == 2, START_S, "both cameras show pictures")
        return self

    def engage(self, seed, instruction=None):
        """Lay out a scene, tell the task and engage."""
        operator = self.operator
        operator.set_active("control_node", False)
        scene_instruction = operator.reset_simulation(seed)
        operator.set_active("control_node", True)
        self.sent.clear()  # it begins anew where the arm was placed
        operator.insist("reset", timeout_s=15.0)  # of what the last episode may have latched
        operator.instruct(instruction or scene_instruction)
        operator.insist("engage_policy", timeout_s=15.0)
        operator.clear_commands()

    def moved(self):
        return self.sent and np.abs(self.sent[-1] - self.sent[0]).max() > MOVING_RAD

    def check_commands(self):
        """Every command so far is within limits and speeds, by an observer of its own."""
        arm = WIDOWX.joints[:6]
        observer = CommandObserver(
            lower=[joint.lower for joint in arm],
            upper=[joint.upper for joint in arm],
            velocity=[joint.velocity + FLOAT32 / PERIOD_S for joint in arm],
        )
        for command in self.sent:
            observer.see(command, PERIOD_S)  # at most a period's step, however late it comes
        assert self.sent

    def held_for(self, seconds):
        """Whether every command during the next ``seconds`` is the same."""
        self.operator.wait(lambda: False, 0.3)  # until all that was sent before has arrived
        count = len(self.sent)
        self.operator.wait(lambda: False, seconds)
        commands = np.array(self.sent[count:])
        assert len(commands) > 0.5 * seconds / PERIOD_S, "commands must go on during a hold"
        return bool((commands == commands[0]).all())


@pytest.fixture
def system(ros, tmp_path):
    with System(ros, tmp_path) as system:
        yield system.ready()


@pytest.mark.alone
def test_when_instructed_to_pick_up_blocks_expect_the_named_ones_to_be_lifted_within_all_limits(
    system,
):
    operator, successes = system.operator, 0
    for seed in range(4):
        system.engage(seed)
        successes += operator.wait(lambda: operator.task_status["success"], EPISODE_S)
        granted, _ = operator.request("hold")
        assert granted
        system.check_commands()
        if successes == 2:
            break
    assert successes == 2, f"{successes} of 4 scenes; {operator.diagnostics}"


def test_when_inference_takes_a_step_or_more_expect_chunks_to_continue_what_is_under_way(
    ros, tmp_path
):
    with System(ros, tmp_path, policy="slow_policy_node") as system:
        operator = system.ready().operator
        system.engage(seed=1)

        def continued():
            return int(operator.diagnostics["/policy_node"][1]["prefix_steps"]) > 0

        system.expect(continued, EPISODE_S, "an inference commits what the robot will be doing")
        system.expect(system.moved, EPISODE_S, "the arm moves")
        assert operator.mode.startswith("AUTONOMY"), operator.mode
        system.check_commands()


def test_when_the_policy_is_killed_mid_motion_expect_the_chunk_to_end_in_a_hold(system):
    system.engage(seed=1)
    system.expect(system.moved, EPISODE_S, "the arm moves")
    os.kill(system.processes.pid("policy_node"), signal.SIGKILL)
    chunk_s = WIDOWX.horizon * WIDOWX.action_step_s
    system.operator.wait(lambda: False, chunk_s)
    assert system.held_for(WIDOWX.watchdogs.policy_s / 2)
    system.expect(
        lambda: system.operator.mode.startswith("HOLD: policy fault"),
        WIDOWX.watchdogs.policy_s + 2.0,
        "autonomy ends",
    )
    granted, reason = system.operator.request("engage_policy")
    assert not granted and "policy" in reason
    system.check_commands()


@pytest.mark.alone
def test_when_control_is_stopped_for_two_seconds_expect_no_burst_and_no_jump(system):
    system.engage(seed=1)
    system.expect(system.moved, EPISODE_S, "the arm moves")
    control = system.processes.pid("control_node")
    os.kill(control, signal.SIGSTOP)
    system.operator.wait(lambda: False, 2.0)
    count = len(system.sent)
    os.kill(control, signal.SIGCONT)
    system.operator.wait(lambda: False, 1.0)
    commands = len(system.sent) - count
    assert 0 < commands <= 1.5 / PERIOD_S, f"{commands} commands in one second"
    system.check_commands()


def test_when_nobody_engages_expect_nothing_sent_and_refusals_to_say_why(system):
    system.operator.instruct("pick up the red block")
    system.operator.wait(lambda: False, 2.0)
    granted, reason = system.operator.request("engage_teleop")
    assert not granted and "teleop: nothing received" in reason
    system.operator.wait(lambda: False, 0.5)
    assert system.sent == []


def test_when_estop_is_pressed_mid_motion_expect_hold_and_no_reset_before_its_release(system):
    system.engage(seed=1)
    system.expect(system.moved, EPISODE_S, "the arm moves")
    estop = system.operator.create_publisher(Bool, "estop", 10)
    estop.publish(Bool(data=True))
    system.expect(lambda: system.operator.mode.startswith("ESTOP"), 2.0, "the stop latches")
    assert system.held_for(1.0)
    granted, reason = system.operator.request("reset")
    assert not granted and "estop" in reason

    def released():
        estop.publish(Bool(data=False))
        return system.operator.request("reset")[0]

    system.expect(released, 5.0, "the release is believed")
    system.expect(lambda: system.operator.mode.startswith("HOLD"), 2.0, "reset leads to hold")


def test_when_an_instruction_is_unusable_expect_the_old_one_to_stay(ros, tmp_path):
    told = "pick up the red block"
    with System(ros, tmp_path, names=("policy_node",)) as system:
        operator, log = system.operator, system.processes.log_path("policy_node")

        def policy_says():
            return operator.diagnostics.get("/policy_node", ("", {}))[1].get("instruction")

        def refusals():
            return log.read_text(errors="replace").count("policy/instruction refused")

        operator.instruct(told)
        system.expect(lambda: policy_says() == told, START_S, "the instruction is taken")
        unusable = ["", "   ", "x" * 100_000, "pick up\x07 the red block"]
        for before, words in enumerate(unusable):
            operator.instruct(words)
            system.expect(lambda n=before: refusals() > n, 10.0, f"'{words[:20]}' is refused")
            operator.diagnostics.clear()
            system.expect(lambda: policy_says() is not None, 10.0, "policy_node goes on")
            assert policy_says() == told


def test_when_cameras_never_come_expect_no_engagement_and_their_names(ros, tmp_path):
    with System(ros, tmp_path, names=("control_node", "policy_node")) as system:
        operator = system.operator
        operator.instruct("pick up the red block")
        system.expect(
            lambda: "over_shoulder" in operator.diagnostics.get("/policy_node", ("", {}))[0],
            START_S,
            "policy_node names the missing camera",
        )
        assert "wrist" in operator.diagnostics["/policy_node"][0]
        granted, reason = operator.request("engage_policy")
        assert not granted and "wx250s/joint_states: nothing received" in reason
        assert operator.commands == []


@pytest.mark.parametrize(
    ("node", "parameters", "words"),
    [
        ("control_node", {"embodiment": "windowx"}, "there are: "),
        ("policy_node", {"embodiment": "widowx", "checkpoint": "/nowhere"}, "/nowhere"),
        ("policy_node", {"embodiment": "{robot}", "checkpoint": "{shipped}"}, "channels"),
    ],
)
def test_when_a_node_is_given_something_unusable_expect_one_clear_error_and_its_end(
    tmp_path, node, parameters, words
):
    robot = tmp_path / "robot.yaml"  # the shipped checkpoint was trained for other channels
    text = re.sub(r"^teleop:\n(?:[ #].*\n|\n)*", "", PATH.read_text(), flags=re.MULTILINE)
    robot.write_text(text.replace("  - name: gripper\n", "  - name: hand\n"))
    values = {"robot": robot, "shipped": SHIPPED_CHECKPOINT}
    command = [sys.executable, "-m", f"qwen_vla_ros.nodes.{node}", "--ros-args"]
    for key, value in parameters.items():
        command += ["-p", f"{key}:={value.format(**values)}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    errors = [line for line in ended.stderr.splitlines() if "[ERROR]" in line]
    assert ended.returncode == 1 and len(errors) == 1 and words in errors[0], ended.stderr


def test_when_the_demo_is_interrupted_expect_it_to_leave_no_process(tmp_path):
    command = [sys.executable, "-m", "qwen_vla_cli.main", "demo", "--embodiment", "widowx"]
    demo = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    children = []
    deadline_s = time.monotonic() + START_S
    while len(children) < 3 and time.monotonic() < deadline_s:
        children = _children(demo.pid)
    assert len(children) == 3
    demo.send_signal(signal.SIGINT)
    assert demo.wait(timeout=30) == 130
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def _children(pid):
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []
