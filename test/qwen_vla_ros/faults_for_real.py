"""All nodes of a robot, with one that is slow, stalled or killed in motion: `make faults`.

Not in `make test`: each takes a quarter of a minute, and needs both cores.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from closed_loop import EPISODE_S, MOVING_RAD, START_S, WIDOWX, ClosedLoop

pytestmark = pytest.mark.timeout(300)

LATE_S = 0.3
"""A control period, messages on their way, and processes that wait for one of two cores."""


def moving(system):
    """The policy moves the arm."""
    system.ready()
    system.engage(seed=1)
    system.expect(system.moved, EPISODE_S, "the arm moves")


def test_when_inference_takes_a_step_or_more_expect_chunks_to_continue_what_is_under_way(
    ros, tmp_path
):
    with ClosedLoop(tmp_path, policy="slow_policy_node") as system:
        operator = system.ready().operator
        system.engage(seed=1)

        def continued():
            return int(operator.diagnostics["/policy_node"][1]["prefix_steps"]) > 0

        system.expect(continued, EPISODE_S, "an inference commits what the robot will be doing")
        system.expect(system.moved, EPISODE_S, "the arm moves")
        assert operator.mode.startswith("AUTONOMY"), operator.mode
        system.check_commands()


def test_when_the_policy_is_killed_mid_motion_expect_the_chunk_to_end_in_a_hold(ros, tmp_path):
    with ClosedLoop(tmp_path) as system:
        moving(system)
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


def test_when_the_policy_stalls_for_three_seconds_expect_hold_and_then_motion_without_a_jump(
    ros, tmp_path
):
    with ClosedLoop(tmp_path) as system:
        moving(system)
        policy = system.processes.pid("policy_node")
        os.kill(policy, signal.SIGSTOP)
        system.operator.wait(lambda: False, WIDOWX.watchdogs.observation_s)
        assert system.held_for(0.5)
        count = len(system.sent)
        os.kill(policy, signal.SIGCONT)

        def moves_again():
            return np.abs(system.sent[-1] - system.sent[count - 1]).max() > MOVING_RAD

        system.expect(moves_again, EPISODE_S, "the arm moves again")
        assert system.operator.mode.startswith("AUTONOMY"), system.operator.mode
        system.check_commands()


def test_when_cameras_die_mid_motion_expect_no_motion_beyond_the_age_allowed_to_an_observation(
    ros, tmp_path
):
    with ClosedLoop(tmp_path, relay=True) as system:
        moving(system)
        killed_s = time.monotonic()
        os.kill(system.processes.pid("camera_relay"), signal.SIGKILL)
        system.expect(
            lambda: system.operator.mode.startswith("HOLD: policy fault"),
            WIDOWX.watchdogs.observation_s + WIDOWX.watchdogs.policy_s + 3.0,
            "autonomy ends",
        )
        moved_s = system.moved_until_s() - killed_s
        print(f"moved for {moved_s:.2f} s after the cameras died")
        assert moved_s < WIDOWX.watchdogs.observation_s + LATE_S
        granted, reason = system.operator.request("engage_policy")
        assert not granted
        message = system.operator.diagnostics["/policy_node"][0]
        assert "over_shoulder" in message and "wrist" in message, message
        system.check_commands()


def test_when_the_robot_s_driver_is_killed_mid_motion_expect_hold_and_its_topic_named(
    ros, tmp_path
):
    with ClosedLoop(tmp_path) as system:
        moving(system)
        killed_s = time.monotonic()
        os.kill(system.processes.pid("sim_node"), signal.SIGKILL)
        system.expect(lambda: system.operator.mode.startswith("HOLD"), 5.0, "it holds")
        print(f"held {time.monotonic() - killed_s:.3f} s after the driver died")
        assert time.monotonic() - killed_s < WIDOWX.watchdogs.joint_states_s + LATE_S
        assert "wx250s/joint_states" in system.operator.mode
        assert system.held_for(0.5)
        system.check_commands()


def test_when_only_the_demo_s_own_process_is_interrupted_expect_it_to_leave_no_process(tmp_path):
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
