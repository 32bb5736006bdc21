"""Look at recorded episodes, find what is wrong, convert them, and measure their ranges.

Example:
  qwen-vla data info recordings/widowx
  qwen-vla data check recordings/widowx
  qwen-vla data export recordings/widowx --out datasets/red_block
  qwen-vla data export --help

An episode is a file of this program, a recording, or part of a LeRobot folder (v3.0); a folder of
episodes is all that it holds. docs/data.md has all steps.
"""

import argparse

from . import (
    data_check,
    data_export,
    data_images,
    data_import,
    data_info,
    data_play,
    data_quantiles,
)
from .parser import add_command

EXIT_STATUSES = "Exit status: 0 done, 1 `check` found something, 2 refused, 130 interrupted."

ACTIONS = {
    "info": data_info,
    "check": data_check,
    "export": data_export,
    "import": data_import,
    "play": data_play,
    "images": data_images,
    "quantiles": data_quantiles,
}
"""Name -> its module, which has ``add_arguments`` and ``run`` like a command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each of them."""
    subparsers = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in ACTIONS.items():
        add_command(subparsers, name, module)


def run(arguments: argparse.Namespace) -> int:
    """Do what was named."""
    return ACTIONS[arguments.action].run(arguments)


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    if arguments.action in ("export", "import", "play"):
        return f"the same command goes on with what {arguments.out} lacks"
    return "nothing was changed"
