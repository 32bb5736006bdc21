"""Write episodes as a LeRobot dataset (v3.0), which LeRobot's own trainings load.

Example:
  qwen-vla data export recordings/widowx --out datasets/red_block
  qwen-vla data export runs/aloha/pick_up_cube --out datasets/cubes --exact

Beside LeRobot's columns there are `commanded`, `positions`, `stamp` (ROS time), `mode`,
`intervention` and `success`; docs/data.md says what they mean. An interrupted export goes on where
it was; the dataset is validated at the end.
"""

import argparse
from pathlib import Path

from .arguments import add_episodes
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data export`."""
    add_episodes(parser)
    parser.add_argument("--format", choices=("lerobot",), default="lerobot", help="(lerobot)")
    parser.add_argument("--out", type=Path, required=True, help="new folder of the dataset")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="keep the images bit by bit, inside the tables; several times larger",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, show progress, and say what is there."""
    from qwen_vla_data.sources import find_all
    from qwen_vla_eval.data.export import export_lerobot
    from qwen_vla_eval.data.robot import robot_of

    sources = find_all(arguments.episodes)
    robot = robot_of(sources, arguments.embodiment)
    with output_folder(arguments.out):
        lines = export_lerobot(
            sources, robot, arguments.out, arguments.workers, exact=arguments.exact
        )
    print("\n".join(lines))
    return 0
