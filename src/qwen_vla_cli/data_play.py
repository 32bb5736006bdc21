"""Make films of episodes: all cameras, and below them what was commanded and measured.

Example:
  qwen-vla data play recordings/widowx --out out/films
  qwen-vla data play datasets/red_block --episode 3 --out out/films
"""

import argparse
from pathlib import Path

from .arguments import add_episodes, not_negative
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data play`."""
    add_episodes(parser)
    parser.add_argument("--episode", type=not_negative, help="only this one, counted from 0 (all)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/films"), help="folder of the films (out/films)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the films, show progress, and say where they are."""
    from qwen_vla_core.errors import QwenVlaError
    from qwen_vla_data.sources import find_all
    from qwen_vla_eval.data.play import play
    from qwen_vla_eval.data.robot import robot_of

    sources = find_all(arguments.episodes)
    if arguments.episode is not None:
        if arguments.episode >= len(sources):
            raise QwenVlaError(
                f"there is no episode {arguments.episode}; there are {len(sources)}, from 0 on"
            )
        sources = [sources[arguments.episode]]
    robot = robot_of(sources, arguments.embodiment)
    with output_folder(arguments.out):
        lines = play(sources, robot, arguments.out, arguments.workers)
    print("\n".join(lines))
    return 0
