"""Train a policy from a recipe, or from one for each stage; or continue where it ended.

Example:
  qwen-vla train --config config/recipes/finetune_widowx.yaml
  qwen-vla train --config config/recipes/finetune_widowx.yaml --resume
  qwen-vla train --config config/recipes/generalist/*.yaml --out runs/generalist
  qwen-vla train --config config/recipes/generalist/*.yaml --robot aloha --out runs/only_aloha
  qwen-vla train --config config/published/*.yaml --out runs/published --dry-run
"""

import argparse
from pathlib import Path


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
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print memory, tokens a second and hours, and try some steps; writes nothing",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train as the recipes say; shows progress, writes checkpoints and curves."""
    from qwen_vla_model.training.stages import rehearse, train

    if arguments.dry_run:
        rehearse(arguments.config, arguments.out, arguments.robot)
        return 0
    train(*arguments.config, out=arguments.out, robot=arguments.robot, resume=arguments.resume)
    return 0


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What to say where the training itself does not: it was interrupted before it began."""
    return "nothing was changed"
