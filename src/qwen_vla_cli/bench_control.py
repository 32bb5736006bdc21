"""Measure control_node: its period, emergency stop, hold and takeover, while a policy infers.

Example:
  qwen-vla bench control
  qwen-vla bench control --embodiment mobile_base --trials 20 --json control.json

Starts the simulated robot, control_node and the policy as processes. Each trial lays out a scene,
engages, waits until the robot moves, and then presses the stop, asks for hold, or takes over as a
person; what is measured is the time until the first command that answers.
"""

import argparse
import os
from pathlib import Path

from .arguments import add_checkpoint, checkpoint_folder, embodiment_file, positive
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench control`."""
    parser.add_argument(
        "--embodiment", default="widowx", help="name in embodiments/ or YAML file (widowx)"
    )
    add_checkpoint(parser)
    parser.add_argument("--trials", type=positive, default=50, help="trials of each kind (50)")
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    from tqdm import tqdm

    from qwen_vla_eval.bench.control import BOUNDS_MS, measure_control, tables
    from qwen_vla_eval.tables import show

    require_writable(arguments.json)
    path = embodiment_file(arguments.embodiment)
    checkpoint = str(checkpoint_folder(arguments.checkpoint))
    with tqdm(total=arguments.trials * len(BOUNDS_MS), unit="trial", dynamic_ncols=True) as bar:
        result = measure_control(
            path, checkpoint, arguments.trials, lambda done: bar.update(done - bar.n)
        )
    show(tables(result))
    save_json(arguments.json, {"cores": os.cpu_count(), "robot": result})
    return 0
