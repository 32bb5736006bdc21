"""Run a policy on every recorded observation, and report how far it is from what was done.

Example:
  qwen-vla replay recordings/widowx --checkpoint runs/my_task/checkpoint
  qwen-vla replay datasets/red_block:3 --policy-url ws://gpu:8000 --out out/replay

Before a new policy moves a robot: errors per joint and per step of the chunk as a table and a
figure, beside those of standing still, the worst moments as frames, and the worst episode as a
film, with what was planned beside what was done. To do a recording again on the robot, slowly to
its first pose and then in its own time, name it as the policy:

  ros2 launch qwen_vla_ros widowx.launch.py dry_run:=true \\
      checkpoint:=recordings/widowx/20261127-153000.mcap

and engage; without dry_run the robot follows.
"""

import argparse
from pathlib import Path

from .arguments import add_policy, add_workers, policy_name
from .outputs import output_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla replay`."""
    parser.add_argument(
        "recording", nargs="+", help="episode files, LeRobot folders, folder:3 for one, or folders"
    )
    add_policy(parser.add_mutually_exclusive_group())
    parser.add_argument(
        "--embodiment", help="name in embodiments/, or a YAML file (the episodes' own)"
    )
    parser.add_argument("--device", default="cpu", help="torch device: cpu or cuda (cpu)")
    parser.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "float16", "int8", "nf4"),
        help="data type of the weights (bfloat16 on a GPU, float32 elsewhere)",
    )
    add_workers(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("out/replay"), help="folder of the report (out/replay)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run it, print the tables, and say where the report is."""
    from qwen_vla_data.sources import find_named
    from qwen_vla_eval.data.robot import robot_of
    from qwen_vla_eval.replay.measure import compare
    from qwen_vla_eval.replay.report import write_report
    from qwen_vla_eval.tables import show

    sources = find_named(arguments.recording)
    robot = robot_of(sources, arguments.embodiment)
    checkpoint = policy_name(arguments.checkpoint, arguments.policy_url)
    with output_folder(arguments.out):
        compared = compare(
            sources,
            robot,
            checkpoint,
            device=arguments.device,
            weights=arguments.weights,
            workers=arguments.workers,
        )
        show(write_report(arguments.out, compared, robot, str(checkpoint)))
    print(f"the report is {arguments.out / 'report.md'}")
    return 0


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there."""
    return "no report was written"
