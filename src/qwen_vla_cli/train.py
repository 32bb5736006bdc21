"""Train a policy from a recipe, or continue a run.

Example:
  qwen-vla train --config config/train_widowx.yaml
  qwen-vla train --config config/train_widowx.yaml --resume
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla train`."""
    parser.add_argument("--config", type=Path, required=True, help="the recipe, a YAML file")
    parser.add_argument(
        "--resume", action="store_true", help="continue from the run's newest checkpoint"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train as the recipe says; shows progress, writes checkpoints and curves."""
    from qwen_vla_model.training.trainer import train

    train(arguments.config, resume=arguments.resume)
    return 0
