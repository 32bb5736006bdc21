"""Move a robot with the keys of this terminal.

Example:
  ros2 launch qwen_vla_ros widowx.launch.py use_sim:=true teleop:=keyboard
  qwen-vla teleop

It publishes what teleop_node's device `keyboard` reads: space takes the robot and lets it go.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla teleop`."""
    parser.add_argument("--namespace", default="", help="ROS namespace of the robot")


def run(arguments: argparse.Namespace) -> int:
    """Publish keys until the person ends it."""
    from qwen_vla_ros.teleop.terminal import run_terminal

    run_terminal(arguments.namespace)
    return 0
