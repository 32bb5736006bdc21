"""Write a file for your own robot, from the shipped one that is most like it.

Example:
  qwen-vla new my_base --like mobile_base
"""

import argparse
from pathlib import Path

from qwen_vla_core.embodiment import find_embodiment, write_new_embodiment
from qwen_vla_core.resources import embodiments_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla new`."""
    parser.add_argument("name", help="of your robot: letters, digits and _")
    parser.add_argument(
        "--like",
        required=True,
        help="the robot to copy: a name in embodiments/ (aloha, mobile_base, widowx, "
        "widowx_mobile) or the path of a YAML file",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write NAME.yaml here; say what to do with it."""
    path = Path(f"{arguments.name}.yaml")
    like = find_embodiment(arguments.like, embodiments_directory())
    count = write_new_embodiment(path, arguments.name, like)
    print(f"{path}: change its {count} lines marked CHANGE, then: qwen-vla check {path}")
    return 0
