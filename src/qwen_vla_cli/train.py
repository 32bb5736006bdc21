"""Train a policy from a recipe, or from one for each stage; or continue where it ended.

Example:
  qwen-vla train --config config/train_widowx.yaml
  qwen-vla train --config config/train_widowx.yaml --resume
  qwen-vla train --config config/generalist/*.yaml
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
        help="the recipe, a YAML file; or several, one for each stage, in their order",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint; what is finished stays",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train as the recipe says; shows progress, writes checkpoints and curves."""
    from qwen_vla_model.training.trainer import train

    train(*arguments.config, resume=arguments.resume)
    return 0
