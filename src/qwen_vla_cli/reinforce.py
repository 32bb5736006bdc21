"""Have a policy learn from its own successes in simulation, round by round.

Example:
  qwen-vla reinforce --config config/reinforcements/widowx.yaml --out runs/reinforced

Each round tries scenes several times with other noise, keeps what succeeded where something
failed as well, trains on it beside the recipe's recordings, and compares in scenes of its own. A
round that harms a task does not count and is the last. An interrupted command is simply repeated.
"""

import argparse
from pathlib import Path

from .arguments import add_workers
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla reinforce`."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the rounds")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rounds")
    add_workers(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the rounds; say where the best checkpoint is."""
    with output_folder(arguments.out):
        from qwen_vla_eval.reinforce import load_reinforcement, reinforce

        plan = load_reinforcement(arguments.config)
        checkpoint = reinforce(plan, arguments.out, arguments.workers)
    robot = plan.tasks[0].embodiment
    print(
        f"the checkpoint is in {checkpoint}; to measure it: "
        f"qwen-vla evaluate --embodiment {robot} --checkpoint {checkpoint}"
    )
    return 0


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    return f"what was done is in {arguments.out}; the same command goes on with the rest"
