"""policy_node ends on SIGTERM, whatever its inference thread is doing."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import rclpy

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.exit_status import ENDED_ON_REQUEST
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_ros.bringup import describe_bringup
from qwen_vla_ros.operator import Operator
from ros_domains import reserved_domain

WIDOWX = embodiments_directory() / "widowx.yaml"
HANGING = Path(__file__).parents[2] / "faults" / "hanging_policy_node.py"
START_S, END_S = 60.0, 3.0
BUSY = "while True: pass"

pytestmark = [pytest.mark.timeout(180), pytest.mark.alone]  # it loads all cores on purpose


class Robot:
    """A simulated WidowX and control_node, and a person; policy_nodes come and go beside them."""

    def __init__(self, domain):
        nodes = describe_bringup(
            embodiment=str(WIDOWX),
            checkpoint=str(SHIPPED_CHECKPOINT),
            instruction="pick up the red block",
            use_sim=True,
        )
        self._commands = {node.name: node.command() for node in nodes}
        self._environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        self.operator = Operator(load_embodiment(WIDOWX))
        self.processes = [self.start(name) for name in ("sim_node", "control_node")]

    def start(self, name, program=None):
        command = list(self._commands[name])
        if program:
            command[1:3] = [str(program)]  # instead of -m module
        errors = subprocess.PIPE if name == "policy_node" else None
        return subprocess.Popen(command, env=self._environment, stderr=errors, text=True)

    def has_policy(self):
        return ("policy_node", "/") in self.operator.get_node_names_and_namespaces()


@pytest.fixture(scope="module")
def robot():
    with reserved_domain() as domain:
        rclpy.init(domain_id=domain)
        robot = Robot(domain)
        yield robot
        for process in robot.processes:
            process.kill()
            process.wait()
        robot.operator.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def start(robot):
    """Starts policy_node, or a program in its place."""
    assert robot.operator.wait(lambda: not robot.has_policy(), START_S)
    robot.operator.diagnostics.clear()
    processes = []

    def start(program=None):
        processes.append(robot.start("policy_node", program))
        return processes[-1], robot.operator

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@contextmanager
def load():
    """More busy processes than cores, as when a machine does everything at once."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(4)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def expect_end(process):
    told_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=10 * END_S)[1]
    assert time.monotonic() - told_s < END_S
    assert process.returncode == ENDED_ON_REQUEST
    assert "Traceback" not in errors, errors


def policy_says(operator, key):
    return operator.diagnostics.get("/policy_node", ("", {}))[1].get(key, "0")


def test_when_interrupted_while_it_infers_under_load_expect_an_end_within_three_seconds(start):
    process, operator = start()

    def infers(chunks):
        return operator.wait(lambda: int(policy_says(operator, "chunks")) > chunks, START_S)

    assert infers(0), operator.diagnostics
    with load():
        assert infers(int(policy_says(operator, "chunks"))), operator.diagnostics
        expect_end(process)


def test_when_interrupted_while_an_inference_hangs_expect_an_end_within_three_seconds(start):
    process, operator = start(HANGING)
    assert operator.wait(
        lambda: "hangs" in operator.diagnostics.get("/policy_node", ("",))[0], START_S
    ), operator.diagnostics
    expect_end(process)


def test_when_interrupted_while_it_loads_the_model_expect_an_end_at_once(start, robot):
    process, operator = start()
    assert operator.wait(robot.has_policy, START_S)
    expect_end(process)
