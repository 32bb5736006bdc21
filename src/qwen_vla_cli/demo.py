"""Simulated robots, the control node and the policy as separate processes over DDS.

Example:
  qwen-vla demo                             # all robots and tasks of the checkpoint's training
  qwen-vla demo --embodiment widowx --episodes 3 --out out/demo
  qwen-vla demo --embodiment aloha --instruction "pick up the red cube with the left arm"
  qwen-vla demo --remote                    # one policy server for all robots

Writes demo.mp4, demo.png, commands.png and summary.json for each embodiment. It stays on this
machine and on a ROS domain of its own, so that it can never command a real robot.
With --remote no robot loads weights: one `qwen-vla serve` on this machine answers all of them over
its websocket, as a machine with a GPU would; its output is in server.log.
An instruction runs in the first scenes that it fits. One that fits no task runs in scenes of the
robot's usual task: the film shows what was done, and success is not judged.
"""

import argparse
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from qwen_vla_core.instruction import check_instruction

from .arguments import add_checkpoint, checkpoint_folder, not_negative, positive
from .outputs import output_folder

EXIT_STATUSES = (
    "Exit status: 0 all judged episodes succeeded, 1 fewer did, 2 could not be done, "
    "130 interrupted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla demo`."""
    parser.add_argument(
        "--embodiment", default="all", help="name in embodiments/, YAML file, or all (all)"
    )
    parser.add_argument("--episodes", type=positive, default=1, help="scenes of each task (1)")
    parser.add_argument("--seed", type=not_negative, default=0, help="seed of the first scene (0)")
    parser.add_argument("--instruction", help="what to do; runs in scenes that it fits")
    add_checkpoint(parser)
    parser.add_argument(
        "--remote", action="store_true", help="robots ask one policy server on this machine"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="results (out/demo)")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo for each embodiment and print where the results are."""
    from qwen_vla_eval.demo import choose_episodes, find_robots, run_embodiment
    from qwen_vla_eval.server_process import server_process
    from qwen_vla_eval.simulated_robot import isolated_environment
    from qwen_vla_eval.status_line import StatusLine

    if arguments.instruction is not None:
        check_instruction(arguments.instruction)
    with output_folder(arguments.out):
        checkpoint = checkpoint_folder(arguments.checkpoint)
        robots = find_robots(arguments.embodiment, checkpoint)
        episodes = choose_episodes(
            [robot for _, robot in robots],
            checkpoint,
            arguments.instruction,
            arguments.seed,
            arguments.episodes,
        )
        environment = isolated_environment(*(robot for _, robot in robots))
        os.environ.update(environment)
        if shutil.which("ros2"):
            print(f"watch it with: ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']} ros2 topic list")
        shown = [(path, robot) for path, robot in robots if episodes[robot.name]]
        outcomes = []
        with ExitStack() as stack:
            server = None
            if arguments.remote:
                paths, log = [path for path, _ in shown], arguments.out / "server.log"
                server = stack.enter_context(server_process(checkpoint, paths, log, StatusLine()))
            for path, robot in shown:
                out, wanted = arguments.out / robot.name, episodes[robot.name]
                outcomes += run_embodiment(path, robot, checkpoint, wanted, out, server)
    judged = [outcome["success"] for outcome in outcomes if outcome["success"] is not None]
    print(_closing(judged, len(outcomes)) + f"; films and figures are in {arguments.out}")
    return 0 if all(judged) else 1


def _closing(judged: list[bool], episodes: int) -> str:
    """How many succeeded, of those that could be judged."""
    unjudged = episodes - len(judged)
    words = [f"{sum(judged)} of {len(judged)} episodes succeeded"] if judged else []
    words += [f"{unjudged} not judged, see the film"] if unjudged else []
    return ", ".join(words) or "no episode was run"


def when_interrupted(arguments: argparse.Namespace) -> str:
    """What is there and how to go on."""
    return f"what was finished is in {arguments.out}; the same command starts again"
