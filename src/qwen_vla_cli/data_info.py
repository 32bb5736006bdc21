"""List episodes: length, rate, gaps, instruction, success, a person's share; and totals.

Example:
  qwen-vla data info recordings/widowx
  qwen-vla data info datasets/red_block --json info.json
"""

import argparse
from pathlib import Path

from .arguments import add_episodes
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla data info`."""
    add_episodes(parser)
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Print tables, and write where asked."""
    from qwen_vla_data.sources import find_all
    from qwen_vla_eval.data.info import as_json, summaries, tables
    from qwen_vla_eval.data.robot import robot_of
    from qwen_vla_eval.tables import show

    require_writable(arguments.json)
    sources = find_all(arguments.episodes)
    robot = robot_of(sources, arguments.embodiment)
    found = summaries(sources, robot, arguments.workers)
    show(tables(sources, found, robot))
    save_json(arguments.json, as_json(sources, found))
    return 0
