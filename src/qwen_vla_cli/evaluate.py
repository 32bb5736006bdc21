"""Measure success in simulation, faster than real time or through the real nodes.

Example:
  qwen-vla evaluate --embodiment widowx --episodes 50 --seed 0 --json result.json
  qwen-vla evaluate --embodiment mobile_base --task go_to --shift background
  qwen-vla evaluate --embodiment aloha --expert --ros --episodes 30
  qwen-vla evaluate --task put_on_plate --instruction "put the red block on the yellow plate"
  qwen-vla evaluate --report       # all of config/reports/report.yaml, with figures; 35 minutes

Chance is the success of a policy that carries out any instruction of the scene without reading the
given one. A distribution shift changes one thing that training never varied in that way: colour,
instance, position, background or instruction. With --ros the same scenes are also carried out in
real time by the nodes that drive a robot, over DDS; with --expert by the task's scripted expert,
which shows how many episodes fail without any fault of the policy. --report measures and draws
what a plan lists, and goes on where it was interrupted. --policy-url ws://host:port uses a policy
server (`qwen-vla serve`), whose noise is its own: two runs of the same scenes are not the same.
With --backend it is another's, such as LeRobot's behind examples/serve_lerobot.py.
"""

import argparse
from pathlib import Path

from qwen_vla_core.resources import share_directory

from .arguments import (
    add_instruction,
    add_policy,
    add_workers,
    embodiment_file,
    not_negative,
    policy_name,
    positive,
)
from .outputs import output_folder, require_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla evaluate`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    parser.add_argument("--task", help="name of a task of the robot (its usual one)")
    parser.add_argument(
        "--shift",
        default="in_distribution",
        help="distribution shift of the scenes: colour, instance, ... (in_distribution)",
    )
    add_instruction(parser, "only scenes that ask for this, said as you type it (all scenes)")
    parser.add_argument(
        "--spelling",
        choices=("upper", "capital", "dot", "polite", "spaces"),
        help="type the instructions in another way (as the scenes have them)",
    )
    policy = parser.add_mutually_exclusive_group()
    add_policy(policy)
    policy.add_argument(
        "--expert", action="store_true", help="the scripted expert in the place of a policy"
    )
    parser.add_argument(
        "--backend",
        default="",
        help="format of another's server: a name in config/backends/, or a YAML file",
    )
    parser.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "float16", "int8", "nf4"),
        default="float32",
        help="data type of the policy's weights (float32)",
    )
    parser.add_argument("--ros", action="store_true", help="also through the real nodes over DDS")
    parser.add_argument("--episodes", type=positive, default=50, help="number of episodes (50)")
    parser.add_argument(
        "--seed",
        type=not_negative,
        default=0,
        help="seed of the first scene (0; training uses 10000 on)",
    )
    parser.add_argument(
        "--replan-steps",
        type=positive,
        help="actions used per chunk (a quarter of it); without ROS",
    )
    add_workers(parser)
    parser.add_argument("--json", type=Path, help="write every episode and the summary here")
    parser.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="PLAN",
        help="measure what a plan says (config/reports/report.yaml), with --workers and --out",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/report"), help="folder of the report (out/report)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes and print success, chance and mistakes; or make a report."""
    if arguments.report is not None:
        return _report(arguments)
    require_writable(arguments.json)
    from qwen_vla_eval.evaluation import evaluate
    from qwen_vla_eval.tables import write_json

    embodiment = embodiment_file(arguments.embodiment)
    checkpoint = (
        None if arguments.expert else policy_name(arguments.checkpoint, arguments.policy_url)
    )
    summary = evaluate(
        embodiment,
        checkpoint,
        range(arguments.seed, arguments.seed + arguments.episodes),
        task=arguments.task,
        shift=arguments.shift,
        spelling=arguments.spelling,
        weights=arguments.weights,
        replan_steps=arguments.replan_steps,
        workers=arguments.workers,
        ros=arguments.ros,
        backend=arguments.backend,
        instruction=arguments.instruction,
    )
    if arguments.json is not None:
        write_json(arguments.json, summary)
        print(f"every episode is in {arguments.json}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    shipped = share_directory() / "config" / "reports" / "report.yaml"
    with output_folder(arguments.out):
        from qwen_vla_eval.report import make_report

        make_report(Path(arguments.report or shipped), arguments.out, arguments.workers)
    print(f"the report is {arguments.out / 'report.md'}")
    return 0


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    if arguments.report is None:
        return "no result was written"
    cells = arguments.out / "cells"
    return f"finished episodes are in {cells}; the same command goes on with the rest"
