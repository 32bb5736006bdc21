"""Record simulated episodes to train from, in parallel processes.

Example:
  qwen-vla generate --embodiment widowx --task pick_up --episodes 1000 --out runs/widowx/pick_up
  qwen-vla generate --embodiment aloha --checkpoint runs/generalist/3_pretraining/checkpoint \\
      --first-seed 20000 --episodes 200 --out runs/aloha/own_mistakes

The scripted expert drives, under disturbances. With --checkpoint a policy drives, and the expert
says at every step what it would have done there: the way out of the policy's own mistakes. What
the folder has already is not recorded again, so an interrupted command is simply repeated; a
folder with episodes of another robot, task or checkpoint is refused.
"""

import argparse
import os
from pathlib import Path

from qwen_vla_core.embodiment import find_embodiment
from qwen_vla_ros.resources import embodiments_directory

from .arguments import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla generate`."""
    parser.add_argument("--embodiment", required=True, help="name in embodiments/, or a YAML file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes")
    parser.add_argument("--task", help="name of a task (all the robot can do, in turn)")
    parser.add_argument("--episodes", type=positive, default=1000, help="how many (1000)")
    parser.add_argument(
        "--first-seed", type=positive, help="of the scenes (the first that training may have)"
    )
    parser.add_argument("--checkpoint", type=Path, help="who drives (the scripted expert)")
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), help="processes (one for each core)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Record; shows progress."""
    from qwen_vla_sim.generate import generate
    from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED

    embodiment = find_embodiment(arguments.embodiment, embodiments_directory())
    driver, driver_name = None, "expert"
    if arguments.checkpoint is not None:
        from qwen_vla_eval.policy_driver import policy_driver

        driver, driver_name = policy_driver(arguments.checkpoint, embodiment)
    generate(
        embodiment,
        arguments.out,
        arguments.first_seed or FIRST_TRAINING_SEED,
        arguments.episodes,
        arguments.workers,
        arguments.task,
        driver,
        driver_name,
    )
    return 0
