"""Find what is wrong with episodes, before you train on them.

Example:
  qwen-vla data check recordings/widowx

Gaps, damaged, black or frozen images, joints outside their limits or in another unit, actions
that do not explain the motion, exchanged cameras, missing instructions, NaN; and whether a LeRobot
folder is one that LeRobot loads. Each finding names the file and the second.
"""

import argparse
from pathlib import Path

from .arguments import add_episodes
from .outputs import require_writable, save_json

FOUND = 1
EXIT_STATUSES = "Exit status: 0 nothing found, 1 something found, 2 refused, 130 interrupted."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data check`."""
    add_episodes(parser)
    parser.add_argument("--json", type=Path, help="write the findings here too")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit status says whether there are some."""
    from dataclasses import asdict

    from qwen_vla_data.sources import find_all
    from qwen_vla_eval.data.check import check
    from qwen_vla_eval.data.robot import robot_of

    require_writable(arguments.json)
    sources = find_all(arguments.episodes)
    robot = robot_of(sources, arguments.embodiment)
    found = check(sources, robot, arguments.workers)
    for one in found:
        print(one)
    save_json(arguments.json, {"findings": [asdict(one) for one in found]})
    where = len({one.where for one in found})
    print(f"{len(sources)} episodes of {robot.name}: {len(found)} findings in {where} of them")
    return FOUND if found else 0
