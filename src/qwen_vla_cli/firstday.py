"""A person's first day with a robot, in simulation: teleoperate, record, train, intervene.

Example:
  qwen-vla firstday --embodiment widowx            # a few episodes: does all of it work?
  qwen-vla firstday --embodiment widowx --full     # 50 demonstrations: hours
  qwen-vla firstday --embodiment aloha --task hand_over_cube --out runs/my_day

A scripted person moves the simulated robot through control_node, on teleop/command. Each step
shows the commands that do it with a robot of yours (docs/first_day.md). At the end it prints the
success rates before, after the demonstrations, and after the interventions. Everything is in one
folder. The same command goes on where it was interrupted; what is done is not done again.
"""

import argparse
from pathlib import Path

from .arguments import add_instruction, embodiment_file
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla firstday`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    parser.add_argument(
        "--task", help="task of the robot (its last one, which the shipped weights do not know)"
    )
    add_instruction(
        parser,
        "the only instruction of the day (all of the task; with --full that of its first scene)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="50 demonstrations, two trainings of an hour at most; four hours",
    )
    parser.add_argument("--out", type=Path, help="folder of the day (runs/firstday/<robot>)")


def run(arguments: argparse.Namespace) -> int:
    """Go through the day, and print the success rates."""
    from qwen_vla_eval.firstday.day import make_day, run_day
    from qwen_vla_eval.firstday.steps import steps_of, success_rates

    path, name = embodiment_file(arguments.embodiment), arguments.embodiment
    day = make_day(
        path, name, arguments.task, arguments.full, arguments.out, arguments.instruction
    )
    with output_folder(day.out):
        run_day(day, steps_of(day))
    print(f"\n{day.robot.name}, {day.instruction or day.task}")
    print("\n".join(success_rates(day)))
    print(f"everything is in {day.out}")
    return 0
