"""Measure success in simulation, faster than real time or through the real nodes.

Example:
  qwen-vla evaluate --embodiment widowx --episodes 50 --seed 0 --json result.json
  qwen-vla evaluate --embodiment mobile_base --task go_to --shift background
  qwen-vla evaluate --embodiment aloha --expert --ros --episodes 30
  qwen-vla evaluate --report                # all of config/report.yaml, with pictures; hours

Chance is the success of a policy that does any of what can be asked for in a scene without reading
the instruction. A shift changes one thing against all that was trained on: colour, instance,
position, background or instruction. With --ros the same scenes are also carried out in real time
by the nodes that drive a robot, over DDS; with --expert by the task's scripted expert, which shows
what everything but the policy loses. --report measures and draws what a plan lists, and goes on
where it was interrupted.
"""

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.resources import SHIPPED_CHECKPOINT, embodiments_directory, share_directory

from .arguments import not_negative, positive
from .episodes import directly, through_ros
from .rates import steps_text, summarize
from .stage import Candidate

AUTONOMY = "AUTONOMY"
"""Mode of a robot that nothing stopped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla evaluate`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    parser.add_argument("--task", help="name of a task of the robot (its usual one)")
    parser.add_argument(
        "--shift", default="in_distribution", help="what is new in the scenes (in_distribution)"
    )
    policy = parser.add_mutually_exclusive_group()
    policy.add_argument(
        "--checkpoint", type=Path, help="a folder, or owner/model on the hub (the shipped one)"
    )
    policy.add_argument(
        "--expert", action="store_true", help="the scripted expert in the place of a policy"
    )
    parser.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "float16", "int8", "nf4"),
        default="float32",
        help="what to hold the policy's weights as (float32)",
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
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), help="processes (all cores)"
    )
    parser.add_argument("--json", type=Path, help="write every episode and the summary here")
    parser.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="PLAN",
        help="measure what a plan says instead (config/report.yaml), with --workers and --out",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/report"), help="folder of the report (out/report)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes and print success, chance and mistakes; or make a report."""
    if arguments.report is not None:
        from .report import make_report

        shipped = share_directory() / "config" / "report.yaml"
        make_report(Path(arguments.report or shipped), arguments.out, arguments.workers)
        print(f"see {arguments.out / 'report.md'}")
        return 0
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.shifts import Shift

    path = find_embodiment(arguments.embodiment, embodiments_directory())
    embodiment = load_embodiment(path)
    task = find_tasks(embodiment, arguments.task)[0]
    if arguments.shift not in (shifts := [shift.value for shift in Shift]):
        raise QwenVlaError(f"--shift {arguments.shift}: choose one of {', '.join(shifts)}")
    checkpoint = None
    if not arguments.expert:
        checkpoint = _checkpoint(arguments.checkpoint, embodiment, arguments.weights)
    candidate = Candidate(
        embodiment=path,
        task=task.name,
        checkpoint=checkpoint,
        told=path,
        weights=arguments.weights,
    )
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    scenes = [task.sample(seed, Shift(arguments.shift)) for seed in seeds]

    summary = {
        "embodiment": embodiment.name,
        "policy": f"{checkpoint} as {arguments.weights}" if checkpoint else "scripted expert",
        "task": task.name,
        "shift": arguments.shift,
    }
    print(", ".join(summary.values()))
    summary |= _measured(
        "directly",
        directly(
            candidate, scenes, workers=arguments.workers, replan_steps=arguments.replan_steps
        ),
        len(scenes),
    )
    if arguments.ros:
        summary["through_ros"] = _measured(
            "through ROS", through_ros(candidate, scenes), len(scenes)
        )
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(summary, indent=1))
    return 0


def _checkpoint(folder: Path | None, embodiment: Embodiment, weights: str) -> Path:
    """The weights to use; what does not fit is refused here in words, not in every worker."""
    from qwen_vla_model.policy import QwenVlaPolicy

    folder = folder or SHIPPED_CHECKPOINT
    QwenVlaPolicy.load(folder, embodiment, weights=weights)
    return folder


def _measured(way: str, episodes: Iterable[dict], n: int) -> dict:
    """Run the episodes, show how they go, and print and return what came of them."""
    from tqdm import tqdm

    results = []
    with tqdm(total=n, unit="episode", desc=way) as progress:
        for episode in episodes:
            results.append(episode)
            successes = sum(episode["success"] for episode in results)
            progress.set_postfix_str(f"success {successes}/{len(results)}")
            progress.update()
    summary = summarize(results)
    print(report(way, summary))
    for episode in results:
        if not (mode := episode.get("mode", AUTONOMY)).startswith(AUTONOMY):
            print(f"  seed {episode['seed']} was stopped, {mode}")
    return {**summary, "episodes": results}


def report(way: str, summary: dict) -> str:
    """The summary in lines for a person."""
    low, high = summary["success_interval_95"]
    by_instruction = "\n".join(
        f"  {successes}/{n} {instruction}"
        for instruction, (successes, n) in summary["by_instruction"].items()
    )
    return (
        f"{way}\n"
        f"success        {summary['success_rate']:.0%} of {summary['n']} episodes "
        f"(95 % interval {low:.0%} to {high:.0%}); chance {summary['chance']:.0%}\n"
        f"mistakes       did something else {summary['did_another']:.0%}, "
        f"nothing {summary['did_nothing']:.0%}\n"
        f"median length  {steps_text(summary)} action steps when successful\n"
        f"{by_instruction}"
    )
