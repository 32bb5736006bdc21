"""Turn a LeRobot dataset (v3.0) or ALOHA's HDF5 files into episodes to train from.

Example:
  qwen-vla data import downloads/red_block --embodiment widowx --out runs/widowx/red_block
  qwen-vla data import downloads/aloha --embodiment aloha --instruction 'open the cup' \\
      --out runs/aloha/open_cup

Joints, channels and cameras are found by their names in the embodiment file. A LeRobot dataset can
be trained from as it is, too; imported, it loads faster. What the folder has already is not
imported again. Look at one film afterwards: qwen-vla data play.
"""

import argparse
from pathlib import Path

from .arguments import add_episodes
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data import`."""
    add_episodes(parser, "LeRobot folders, HDF5 files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes")
    parser.add_argument("--instruction", help="the task that was done; HDF5 files do not hold it")
    parser.add_argument(
        "--bgr",
        action="store_true",
        help="the first colour of HDF5 images is blue: where red things look blue in the film",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import, show progress, and say what is there."""
    from qwen_vla_eval.data.importing import find_foreign, import_episodes
    from qwen_vla_eval.data.robot import robot_of

    sources = [
        source
        for path in arguments.episodes
        for source in find_foreign(path, arguments.instruction, arguments.bgr)
    ]
    robot = robot_of(sources, arguments.embodiment)
    with output_folder(arguments.out):
        lines = import_episodes(sources, robot, arguments.out, arguments.workers)
    print("\n".join(lines))
    return 0
