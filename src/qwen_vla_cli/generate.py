"""Record simulated episodes to train from, in parallel processes.

Example:
  qwen-vla generate --embodiment widowx --task pick_up --episodes 1000 --out runs/widowx/pick_up
  qwen-vla generate --embodiment aloha --checkpoint runs/generalist/3_pretraining/checkpoint \\
      --first-seed 20000 --episodes 200 --out runs/aloha/own_mistakes

The scripted expert controls the robot, under disturbances. With --checkpoint a policy does, and
the expert labels every step with its own action (DAgger): the way out of the policy's mistakes.
With --diverse tables, light, colours, their words and cameras vary, but never into what
`qwen-vla evaluate --shift` shows.
What the folder has already is not recorded again, so an interrupted command is simply repeated; a
folder with episodes of another robot, task, instruction, checkpoint or look is refused.
"""

import argparse
from pathlib import Path

from .arguments import (
    add_instruction,
    add_policy,
    add_workers,
    embodiment_file,
    policy_name,
    positive,
)
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla generate`."""
    parser.add_argument("--embodiment", required=True, help="name in embodiments/, or a YAML file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes")
    parser.add_argument("--task", help="name of a task (all tasks of the robot, in turn)")
    parser.add_argument(
        "--episodes", type=positive, default=1000, help="number of episodes (1000)"
    )
    parser.add_argument(
        "--first-seed", type=positive, help="seed of the first scene (the first for training)"
    )
    add_instruction(parser, "only scenes that ask for this, in any wording (all scenes)")
    parser.add_argument("--diverse", action="store_true", help="vary how scenes look")
    policy = parser.add_mutually_exclusive_group()
    add_policy(policy, "the scripted expert controls the robot")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record, show progress, and say what is there."""
    embodiment = embodiment_file(arguments.embodiment)
    driver, driver_name = None, "expert"
    with output_folder(arguments.out):
        from qwen_vla_sim.generate import generate
        from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED

        if arguments.checkpoint is not None or arguments.policy_url is not None:
            from qwen_vla_eval.policy_driver import policy_driver

            checkpoint = policy_name(arguments.checkpoint, arguments.policy_url)
            driver, driver_name = policy_driver(checkpoint, embodiment)
        recorded = generate(
            embodiment,
            arguments.out,
            arguments.first_seed or FIRST_TRAINING_SEED,
            arguments.episodes,
            arguments.workers,
            arguments.task,
            driver,
            driver_name,
            arguments.diverse,
            arguments.instruction,
        )
    print(
        f"{recorded} episodes recorded, {_count(arguments.out)} are in {arguments.out}; a recipe "
        "trains from them that names this folder, see config/recipes/finetune_widowx.yaml"
    )
    return 0


def _count(folder: Path) -> int:
    return len(list(folder.glob("*.npz")))


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    there = f"{_count(arguments.out)} episodes are in {arguments.out}"
    return f"{there}; the same command goes on with the rest"
