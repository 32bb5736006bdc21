"""Add to a checkpoint what the cameras showed in its training, for `qwen-vla check --live`.

Example:
  qwen-vla data images runs/aloha/pick_up_cube --embodiment aloha --checkpoint my_checkpoint

A training does this by itself. The command is for checkpoints from before, and for other episodes
than those of the training; the weights stay as they are. A few KB in images.json, for each camera:
the mean image in 8 x 8 patches, the range of mean colours, and how alike the images are.
"""

import argparse
from pathlib import Path

from .arguments import add_episodes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data images`."""
    add_episodes(parser)
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="folder to which they are added"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, and say what was seen."""
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_data.sources import find_all
    from qwen_vla_data.view_statistics import FILE, save_view_statistics
    from qwen_vla_eval.data.robot import robot_of
    from qwen_vla_eval.data.views import measure_views

    folder = arguments.checkpoint
    if not (folder / "embodiments.json").is_file():
        raise QwenVlaError(f"{folder} is no checkpoint: it has no embodiments.json")
    sources = find_all(arguments.episodes)
    robot = robot_of(sources, arguments.embodiment)
    views = measure_views(sources, robot, arguments.workers)
    save_view_statistics(folder, {robot.name: views})
    for tag, one in views.items():
        print(f"{tag}: {one.images} images, 99 % of them alike by {one.alike_q01:g} or more")
    print(f"{folder / FILE} has them")
    return 0
