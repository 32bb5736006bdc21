"""The nodes as executables: where ROS is missing, one line instead of a traceback."""

import importlib
import sys

from qwen_vla_core.exit_status import NOT_STARTED
from qwen_vla_core.missing_ros import explain_missing_ros


def control_node() -> None:
    """Run control_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.control_node")


def policy_node() -> None:
    """Run policy_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.policy_node")


def teleop_node() -> None:
    """Run teleop_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.teleop_node")


def page_node() -> None:
    """Run page_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.page_node")


def visualizer_node() -> None:
    """Run visualizer_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.visualizer_node")


def recorder_node() -> None:
    """Run recorder_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_ros.nodes.recorder_node")


def sim_node() -> None:
    """Run sim_node until it receives SIGINT or SIGTERM."""
    _run("qwen_vla_sim.node.sim_node")


def _run(module: str) -> None:
    try:
        node = importlib.import_module(module)
    except ModuleNotFoundError as error:
        explanation = explain_missing_ros(error)
        if explanation is None:
            raise
        print(f"{module.rpartition('.')[2]}: {explanation}", file=sys.stderr)
        sys.exit(NOT_STARTED)
    node.main()
