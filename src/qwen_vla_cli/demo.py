"""Simulated robots, the control node and the policy as separate processes over DDS.

Example:
  qwen-vla demo                             # every robot and task that the weights know
  qwen-vla demo --embodiment widowx --episodes 3 --out out/demo
  qwen-vla demo --embodiment aloha --instruction "pick up the red cube with the left arm"

Writes demo.mp4, demo.png, commands.png and summary.json for each embodiment. The exit status is 0
when at least half of the episodes succeed, 1 when fewer do, 2 when something could not run. It
stays on this machine and on a ROS domain of its own, so that it can never command a real robot.
An instruction is told in the first scenes that ask for it. One that no task has words for is told
in scenes of the robot's usual task: then it is shown what was done, and nobody judges it.
"""

import argparse
import os
from pathlib import Path

from qwen_vla_core.instruction import check_instruction

from .arguments import not_negative, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla demo`."""
    parser.add_argument(
        "--embodiment", default="all", help="name in embodiments/, YAML file, or all (all)"
    )
    parser.add_argument("--episodes", type=positive, default=1, help="scenes of each task (1)")
    parser.add_argument("--seed", type=not_negative, default=0, help="seed of the first scene (0)")
    parser.add_argument("--instruction", help="what to do; a scene that asks for it is looked for")
    parser.add_argument("--checkpoint", type=Path, help="folder of weights (the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="results (out/demo)")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo for each embodiment and print where the results are."""
    from qwen_vla_eval.demo import choose_episodes, find_robots, run_embodiment
    from qwen_vla_eval.simulated_robot import isolated_environment

    if arguments.instruction is not None:
        check_instruction(arguments.instruction)
    robots = find_robots(arguments.embodiment, arguments.checkpoint)
    episodes = choose_episodes(robots, arguments.instruction, arguments.seed, arguments.episodes)
    environment = isolated_environment()
    os.environ.update(environment)
    print(f"watch it with: ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']} ros2 topic list")
    outcomes = []
    for path, embodiment, checkpoint in robots:
        if wanted := episodes[embodiment.name]:
            out = arguments.out / embodiment.name
            outcomes += run_embodiment(path, embodiment, checkpoint, wanted, out)
    judged = [outcome["success"] for outcome in outcomes if outcome["success"] is not None]
    print(f"{sum(judged)} of {len(judged)} judged episodes succeeded; see {arguments.out}")
    return 0 if 2 * sum(judged) >= len(judged) else 1
