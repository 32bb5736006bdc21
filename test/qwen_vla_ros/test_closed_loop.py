"""The whole system in its usual use: one is started for all tests of this file."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import rclpy
from std_msgs.msg import Bool

from closed_loop import EPISODE_S, PERIOD_S, ClosedLoop
from qwen_vla_core.exit_status import ENDED_ON_REQUEST
from ros_domains import reserved_domain

pytestmark = [pytest.mark.timeout(300), pytest.mark.alone]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with reserved_domain(shared_memory=True) as domain:  # as on a robot
        rclpy.init(domain_id=domain)
        with ClosedLoop(tmp_path_factory.mktemp("logs")) as system:
            yield system.ready()
        rclpy.try_shutdown()


@pytest.fixture
def system(running):
    """Nobody has engaged since control_node became active."""
    for active in (False, True):
        running.operator.set_active("control_node", active)
    running.operator.insist("reset", timeout_s=15.0)
    running.sent.clear()
    return running


def test_when_nobody_engages_expect_nothing_sent_and_refusals_to_say_why(system):
    system.operator.instruct("pick up the red block")
    system.operator.wait(lambda: False, 2.0)
    granted, reason = system.operator.request("engage_teleop")
    assert not granted and "teleop: nothing received" in reason
    system.operator.wait(lambda: False, 0.5)
    assert system.sent == []


def test_when_all_runs_expect_every_node_to_say_rate_and_age_of_its_streams_and_what_it_is(system):
    def values(node, *keys):
        said = system.operator.diagnostics[f"/{node}"][1]
        return [float(said[key]) for key in keys]

    system.operator.instruct("pick up the red block")
    for node, stream in (
        ("control_node", "wx250s/joint_states"),
        ("control_node", "policy/chunk"),
        ("policy_node", "wrist"),
        ("sim_node", "wrist"),
        ("sim_node", "joint_states"),
    ):
        rate, age = f"rate_{stream}_hz", f"age_{stream}_s"
        system.expect(lambda n=node, r=rate: values(n, r)[0] > 1.0, 20.0, f"{rate} of {node}")
        system.expect(lambda n=node, a=age: values(n, a)[0] < 1.0, 20.0, f"{age} of {node}")
    said = [values for _, values in system.operator.diagnostics.values()]
    assert len(said) == 3 and len({values["embodiment_sha256"] for values in said}) == 1
    assert all(float(values["memory_mib"]) > 10.0 and values["version"] for values in said)


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

    system.expect(released, 5.0, "the release is accepted")
    system.expect(lambda: system.operator.mode.startswith("HOLD"), 2.0, "reset leads to hold")


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


def test_when_control_is_stopped_for_two_seconds_expect_no_burst_and_no_jump(system):
    system.engage(seed=1)
    system.expect(system.moved, EPISODE_S, "the arm moves")
    control = system.processes.pid("control_node")
    os.kill(control, signal.SIGSTOP)
    system.operator.wait(lambda: False, 2.0)
    count = len(system.sent)
    os.kill(control, signal.SIGCONT)
    system.expect(lambda: len(system.sent) > count, 10.0, "it goes on")
    system.operator.wait(lambda: False, 1.0)
    commands = len(system.sent) - count
    assert commands <= 1.5 / PERIOD_S, f"{commands} commands in one second"
    system.check_commands()


@contextmanager
def load():
    """More busy processes than cores, as when a machine does everything at once."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_when_policy_node_is_interrupted_under_load_expect_an_end_within_three_seconds(system):
    """The last one, because it ends a node that the others need."""
    operator, processes = system.operator, system.processes

    def chunks():
        return int(operator.diagnostics["/policy_node"][1].get("chunks", 0))

    operator.instruct("pick up the red block")
    system.expect(lambda: chunks() > 0, 20.0, "it infers")
    with load():
        count = chunks()
        system.expect(lambda: chunks() > count, 60.0, "it infers under load")
        os.kill(processes.pid("policy_node"), signal.SIGINT)
        system.expect(processes.stopped, 3.0, "it ends")
    assert processes.stopped().startswith(f"policy_node ended with status {ENDED_ON_REQUEST}:")
    assert "Traceback" not in processes.log_path("policy_node").read_text()
