"""Measure hand-overs between policy and person: latency and jump, beside a naive switch.

Example:
  qwen-vla bench handover --takeovers 20 --device joy
  qwen-vla bench handover --json handover.json

Starts the simulated robot, control_node, the policy and teleop_node as processes, for one device
after the other. The policy moves the robot, a person takes it over, moves it, and hands it back
while it moves; a takeover with its hand-back takes about two seconds.
"""

import argparse
import os
from pathlib import Path

from .arguments import add_checkpoint, checkpoint_folder, embodiment_file, positive
from .outputs import require_writable, save_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla bench handover`."""
    parser.add_argument(
        "--embodiment", default="widowx", help="name in embodiments/ or YAML file (widowx)"
    )
    add_checkpoint(parser)
    parser.add_argument(
        "--device", action="append", help="type of a device; may be repeated (all of the robot's)"
    )
    parser.add_argument(
        "--takeovers",
        type=positive,
        default=200,
        help="takeovers by each device, each with a hand-back (200)",
    )
    parser.add_argument("--json", type=Path, help="write everything here too")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write the files named by options."""
    require_writable(arguments.json)
    from qwen_vla_core.embodiment import load_embodiment
    from qwen_vla_eval.bench.handover import measure_handover, tables
    from qwen_vla_eval.tables import show
    from qwen_vla_ros.bringup import check_teleop
    from qwen_vla_sim.progress import progress_bar

    path = embodiment_file(arguments.embodiment)
    checkpoint = str(checkpoint_folder(arguments.checkpoint))
    robot = load_embodiment(path)
    devices = arguments.device or list(robot.teleop.types if robot.teleop else ["joy"])
    for device in devices:
        check_teleop(robot, device)
    total = arguments.takeovers * len(devices)
    with progress_bar(total, "takeover") as bar:
        result = measure_handover(path, checkpoint, devices, arguments.takeovers, bar.update)
    show(tables(result))
    save_json(arguments.json, {"cores": os.cpu_count(), "robot": result})
    return 0
