"""All nodes with a slow or killed policy, and an interrupted demo: `make faults`.

Not in `make test`: each takes a quarter of a minute, and needs both cores.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from closed_loop import EPISODE_S, START_S, WIDOWX, ClosedLoop

pytestmark = pytest.mark.timeout(300)


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
        system.ready()
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
