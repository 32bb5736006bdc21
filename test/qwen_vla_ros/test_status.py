"""`qwen-vla status`: what all nodes say of themselves, and what a script learns from it."""

import subprocess
import sys

import pytest

from qwen_vla_ros import diagnostics
from qwen_vla_ros.diagnostics import DiagnosticsPublisher
from qwen_vla_ros.status_board import ERROR, OK, STALE, WARN, NodeStatus, StatusBoard
from spinning import SpinningThread


def said(name, level=OK, message="running", received_s=10.0, robot="widowx"):
    return NodeStatus(
        name=name, robot=robot, level=level, message=message, values={}, received_s=received_s
    )


def test_when_statuses_come_expect_the_last_of_each_by_robot_and_name():
    board = StatusBoard()
    board.receive(
        [said("/policy_node"), said("/control_node"), said("/a/control_node", robot="a")]
    )
    board.receive([said("/policy_node", WARN, "slow", 11.0)])
    found = [(s.robot, s.name, s.level, s.message) for s in board.statuses(12.0)]
    assert found == [
        ("a", "/a/control_node", OK, "running"),
        ("widowx", "/control_node", OK, "running"),
        ("widowx", "/policy_node", WARN, "slow"),
    ]


def test_when_a_node_falls_silent_expect_how_long_and_its_last_message():
    board = StatusBoard()
    board.receive([said("/control_node", ERROR, "HOLD: policy fault")])
    assert board.statuses(13.0)[0].level == ERROR
    (silent,) = board.statuses(17.2)
    assert silent.level == STALE
    assert silent.message == "silent for 7 s; its last: HOLD: policy fault"


@pytest.mark.parametrize("namespace", ["left", "/left", "/left/"])
def test_when_a_namespace_is_named_expect_its_robot_alone(namespace):
    board = StatusBoard(namespace)
    board.receive([said("/left/control_node"), said("/lefty/control_node"), said("/control_node")])
    assert [status.name for status in board.statuses(10.0)] == ["/left/control_node"]


@pytest.fixture
def two_robots(ros):
    """Publishes the same two statuses ten times a second."""
    nodes = [ros.create_node("control_node", namespace=name) for name in ("left", "right")]
    publishers = [DiagnosticsPublisher(node, "widowx") for node in nodes]
    nodes[0].create_timer(0.1, lambda: publishers[0].publish(diagnostics.OK, "HOLD: started", {}))
    nodes[1].create_timer(
        0.1, lambda: publishers[1].publish(diagnostics.ERROR, "no joint states", {"rate_hz": 0.0})
    )
    spinning = SpinningThread(*nodes)
    yield
    spinning.end()
    for node in nodes:
        node.destroy_node()


def status(*arguments):
    command = [sys.executable, "-m", "qwen_vla_cli.main", "status", "--once", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_when_a_robot_has_an_error_expect_its_reason_and_a_status_for_scripts(two_robots):
    ended = status("--values")
    assert ended.returncode == 1, ended.stderr
    lines = ended.stdout.splitlines()
    (left,) = [line for line in lines if "/left/control_node" in line]
    (right,) = [line for line in lines if "/right/control_node" in line]
    assert "OK" in left and "HOLD: started" in left
    assert "ERROR" in right and "no joint states" in right
    assert "rate_hz=0" in ended.stdout and "memory_mib=" in ended.stdout
    assert status("--namespace", "left").returncode == 0


def test_when_nobody_is_there_expect_one_line_that_says_what_to_do(ros_domain):
    ended = status()
    assert ended.returncode == 2 and ended.stdout == ""
    assert "published /diagnostics for 4 s: start the robot" in ended.stderr
    assert ended.stderr.count("\n") == 1
