"""Measure the simulator: physics, images and the recording of training episodes.

Example:
  qwen-vla bench sim
  qwen-vla bench sim --embodiment widowx --seconds 20 --json sim.json

`physics` advances a scene of the robot's usual task while nothing is commanded; `images` is one
camera, of the size that is published; `episodes` records the expert with all that belongs to it,
control loop, images, boxes, counterfactual plans and compression, in `--workers` processes.
"""

import argparse
import os
from pathlib import Path

from qwen_vla_core.resources import embodiments_directory

from .arguments import add_workers, embodiment_file, positive
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench sim`."""
    parser.add_argument(
        "--embodiment", default="all", help="name in embodiments/, YAML file, or all (all)"
    )
    parser.add_argument(
        "--seconds", type=positive, default=10, help="duration of each measurement (10)"
    )
    add_workers(parser)
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_eval.bench.sim import measure_sim, tables
    from qwen_vla_eval.tables import show

    everything = arguments.embodiment == "all"
    shipped = sorted(embodiments_directory().glob("*.yaml"))
    robots = []
    for path in shipped if everything else [embodiment_file(arguments.embodiment)]:
        if everything and load_embodiment(path).simulated_world is None:
            continue
        robots.append(measure_sim(path, arguments.seconds, arguments.workers))
        show(tables(robots[-1]))
    save_json(arguments.json, {"cores": os.cpu_count(), "robots": robots})
    return 0
