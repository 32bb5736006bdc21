"""Measure the ranges of actions and states, and write them into an embodiment file.

Example:
  qwen-vla data quantiles recordings/my_arm --embodiment my_arm.yaml
  qwen-vla data quantiles recordings/my_arm --embodiment my_arm.yaml --out my_arm.yaml

q01 and q99 say which numbers a policy sees as -1 and 1; what lies beyond is clipped. A checkpoint
belongs to the numbers with which it was trained: a changed file needs a new training. Without
--out nothing is written. A gripper's ends, and channels that did not move, stay as they are.
"""

import argparse
from pathlib import Path

from .arguments import add_episodes, embodiment_file
from .outputs import require_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data quantiles`."""
    add_episodes(parser)
    parser.add_argument(
        "--out", type=Path, help="write the embodiment file with these numbers here"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print them beside those of the file, and write where asked."""
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_core.whole_file import write_text_whole
    from qwen_vla_data.quantiles import with_quantiles
    from qwen_vla_data.sources import find_all
    from qwen_vla_eval.data.quantiles import measure_quantiles, table
    from qwen_vla_eval.data.robot import robot_of
    from qwen_vla_eval.tables import show

    require_writable(arguments.out)
    sources = find_all(arguments.episodes)
    robot = robot_of(sources, arguments.embodiment)
    path = embodiment_file(arguments.embodiment or robot.name)
    ranges = measure_quantiles(sources, robot, arguments.workers)
    show([table(ranges)])
    if arguments.out is None:
        print("nothing was written; --out FILE writes the embodiment with these numbers")
        return 0
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise QwenVlaError(f"{path} cannot be read: {error.strerror}") from error
    source = f"quantiles of {len(sources)} episodes by qwen-vla data quantiles"
    write_text_whole(arguments.out, with_quantiles(text, str(path), ranges, source))
    print(f"{arguments.out} has them; check it with: qwen-vla check {arguments.out}")
    return 0
