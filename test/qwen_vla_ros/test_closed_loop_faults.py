"""Processes that something is missing for, or that are given something wrong."""

import re
import subprocess
import sys

import pytest

from closed_loop import PATH, START_S, ClosedLoop
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_ros.load_policy import HOLD

pytestmark = pytest.mark.timeout(300)
WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None  # which takes five seconds to import
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


def test_when_cameras_never_come_expect_no_engagement_and_their_names(ros, tmp_path):
    with ClosedLoop(tmp_path, ("control_node", "policy_node"), checkpoint=HOLD) as system:
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
    command = [sys.executable, "-c", WITHOUT_TORCH, f"qwen_vla_ros.nodes.{node}", "--ros-args"]
    for key, value in parameters.items():
        command += ["-p", f"{key}:={value.format(**values)}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    errors = [line for line in ended.stderr.splitlines() if "[ERROR]" in line]
    assert ended.returncode == 1 and len(errors) == 1 and words in errors[0], ended.stderr
