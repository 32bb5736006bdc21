"""control_node and teleop_node before all else where that is allowed, as ever where it is not."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

CAP_SYS_NICE = 23
STATUS = Path("/proc/self/status").read_text()
MAY = int(re.search(r"CapEff:\s*(\w+)", STATUS)[1], 16) >> CAP_SYS_NICE & 1
NOBODY = 65534


def tried(before=""):
    """Whether a process that may not have it by ``ulimit -r`` runs first."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; from qwen_vla_ros.nodes.priority import run_first, runs_first; "
            f"{before}run_first(); print(runs_first())",
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.stdout.strip() or ended.stderr


def test_when_a_user_may_not_have_real_time_priority_expect_the_usual_one():
    assert tried(f"os.setuid({NOBODY}); " if MAY else "") == "False"


@pytest.mark.skipif(not MAY, reason="this process has no right to it")
def test_when_real_time_priority_is_allowed_expect_it():
    assert tried() == "True"


@pytest.mark.skipif(not MAY, reason="this process has no right to it")
def test_when_nodes_start_expect_a_persons_hands_before_all_else_but_the_control_loop():
    priorities = {}
    for node in ("control_node", "teleop_node"):
        code = (
            f"import os; from qwen_vla_ros.nodes import {node} as node; "
            "node.run = lambda *_, **__: print(os.sched_getparam(0).sched_priority); node.main()"
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
        priorities[node] = int(ended.stdout)
    assert priorities["control_node"] > priorities["teleop_node"] > 0
