"""Train a policy from a recipe, or from one for each stage; or continue where it ended.

Example:
  qwen-vla train --config config/recipes/finetune_widowx.yaml
  qwen-vla train --config config/recipes/finetune_widowx.yaml --resume
  qwen-vla train --config config/recipes/generalist/*.yaml --out runs/generalist
  qwen-vla train --config config/recipes/generalist/*.yaml --robot aloha --out runs/only_aloha
"""

import argparse
import os
import signal
import sys
from pathlib import Path

NOTHING = "nothing was changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla train`."""
    parser.add_argument(
        "--config",
        type=Path,
        nargs="+",
        required=True,
        help="the recipe, a YAML file; or several, each of which goes on from the one before",
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the runs, each named as its recipe (the recipe's out)"
    )
    parser.add_argument(
        "--robot", help="learn from this one of the mixture, with as many steps as it has there"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint; what is finished stays",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train as the recipes say; shows progress, writes checkpoints and curves."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        from qwen_vla_model.training.stages import train

        train(*arguments.config, out=arguments.out, robot=arguments.robot, resume=arguments.resume)
    except KeyboardInterrupt as interrupt:
        print(f"\nqwen-vla train: interrupted; {interrupt or NOTHING}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not by the interpreter's way out, which waits for the passes of all threads: a step of
        # a large network takes longer than anybody waits after Ctrl-C. Saves are whole anyway.
        os._exit(130)
    return 0
