"""Measure control_node: its period, emergency stop, hold, takeover and recovery, beside loads.

Example:
  qwen-vla bench control
  qwen-vla bench control --embodiment mobile_base --trials 20 --json control.json
  qwen-vla bench control --soak-minutes 30              # how memory grows

Starts the simulated robot and control_node as processes, three times: beside nothing, beside
images of three cameras, and beside a policy that infers. Each trial lays out a scene, engages,
waits until the robot moves, and then presses the stop, asks for hold, or takes over as a person;
what is measured is the time until the first command that answers. With --soak-minutes the trials
go on for that long with policy, teleoperation, visualizer, page and a recorder that records each
of them; it fails if the memory of a node grows by more than 2 % after the first fifth.
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
    parser.add_argument("--soak-minutes", type=positive, help="go on for this many minutes")
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    path = embodiment_file(arguments.embodiment)
    checkpoint = str(checkpoint_folder(arguments.checkpoint))
    measure = _soak if arguments.soak_minutes else _measure
    measured, status = measure(path, checkpoint, arguments)
    save_json(arguments.json, {"cores": os.cpu_count(), "robot": measured})
    return status


def _measure(path: Path, checkpoint: str, arguments: argparse.Namespace) -> tuple[list, int]:
    from qwen_vla_eval.bench.control import ACTIONS, BESIDE, measure_control, table
    from qwen_vla_eval.tables import show
    from qwen_vla_sim.progress import progress_bar

    total = len(BESIDE) * arguments.trials * len(ACTIONS)
    with progress_bar(total, "trial") as bar:
        results = measure_control(path, checkpoint, arguments.trials, bar.update)
    show([table(result, result["beside"]) for result in results])
    return results, 0


def _soak(path: Path, checkpoint: str, arguments: argparse.Namespace) -> tuple[dict, int]:
    from qwen_vla_eval.bench.control import MOST_GROWTH, soak, table
    from qwen_vla_eval.tables import show
    from qwen_vla_sim.progress import progress_bar

    with progress_bar(None, "trial") as bar:
        result = soak(path, checkpoint, 60.0 * arguments.soak_minutes, bar.update)
    show([table(result, f"all nodes for {result['minutes']:g} minutes")])
    for name, growth in result["memory_growth"].items():
        print(f"{name}: {result['memory_mib'][name]:.0f} MiB, grown by {growth:.1%}")
    grown = [name for name, growth in result["memory_growth"].items() if growth > MOST_GROWTH]
    if grown:
        print(f"more than {MOST_GROWTH:.0%}: {', '.join(grown)}")
    return result, 1 if grown else 0
