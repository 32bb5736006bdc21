"""Without ROS the command says in one line what to do, and what needs no ROS works."""

import os
import subprocess
import sys

import pytest

# An import of these fails as if they were not installed.
WITHOUT_ROS = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, NotInstalled())
sys.argv = {arguments!r}
from {module} import {function} as main
main()
"""
ROS = ("rclpy", "std_msgs", "sensor_msgs", "rcl_interfaces", "domain_coordinator", "launch")


def run_without_ros(module, function, *arguments, missing=ROS):
    program = WITHOUT_ROS.format(
        missing=missing, arguments=["qwen-vla", *arguments], module=module, function=function
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ)
    )


@pytest.mark.parametrize(
    "node", ["control_node", "policy_node", "teleop_node", "page_node", "sim_node"]
)
def test_when_a_node_starts_without_ros_expect_one_line_that_says_what_to_do(node):
    run = run_without_ros("qwen_vla_cli.executables", node)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"{node}: ")
    assert "is not installed for" in line and "setup.bash" in line and "'.[ros]'" in line


def test_when_the_demo_starts_without_ros_expect_one_line_that_says_what_to_do(tmp_path):
    run = run_without_ros("qwen_vla_cli.main", "main", "demo", "--out", str(tmp_path / "out"))
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("qwen-vla demo: ") and "'.[ros]'" in line


def test_when_an_embodiment_is_checked_without_ros_expect_it_to_work():
    run = run_without_ros("qwen_vla_cli.main", "main", "check", "aloha")
    assert run.returncode == 0, run.stderr


def test_when_the_messages_of_interbotix_are_missing_expect_sim_node_to_get_to_its_embodiment():
    """A base needs none of them: what fails here is the embodiment, not an import."""
    arguments = ("--ros-args", "-p", "embodiment:=nosuch")
    run = run_without_ros(
        "qwen_vla_cli.executables", "sim_node", *arguments, missing=("interbotix_xs_msgs",)
    )
    assert run.returncode == 1
    assert "nosuch" in run.stderr and "interbotix_xs_msgs" not in run.stderr


@pytest.mark.parametrize("node", ["control_node", "sim_node"])
def test_when_an_arm_s_messages_are_missing_expect_one_line_that_says_what_to_do(node):
    arguments = ("--ros-args", "-p", "embodiment:=widowx")
    run = run_without_ros(
        "qwen_vla_cli.executables", node, *arguments, missing=("interbotix_xs_msgs",)
    )
    assert run.returncode == 1
    assert "cannot be configured: interbotix_xs_msgs is not installed; source " in run.stderr
    assert "Traceback" not in run.stderr


def test_when_another_module_is_missing_expect_the_traceback_that_names_it():
    run = run_without_ros("qwen_vla_cli.main", "main", "check", "aloha", missing=("numpy",))
    assert run.returncode == 1
    assert "No module named 'numpy'" in run.stderr and "Traceback" in run.stderr
