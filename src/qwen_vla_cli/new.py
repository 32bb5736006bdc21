"""Write a file for your own robot, from the shipped one that is most like it.

Example:
  qwen-vla new my_base --like mobile_base
"""

import argparse
from pathlib import Path

from .arguments import embodiment_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla new`."""
    parser.add_argument("name", help="name of your robot: letters, digits and _")
    parser.add_argument(
        "--like",
        required=True,
        help="the robot to copy: a name in embodiments/ (aloha, mobile_base, widowx, "
        "widowx_mobile) or the path of a YAML file",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write NAME.yaml here; say what to do with it."""
    from qwen_vla_core.embodiment import write_new_embodiment

    path = Path(f"{arguments.name}.yaml")
    count = write_new_embodiment(path, arguments.name, embodiment_file(arguments.like))
    print(f"{path}: change its {count} lines marked CHANGE, then: qwen-vla check {path}")
    return 0
