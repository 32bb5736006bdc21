"""Measure success in simulation, without ROS, faster than real time.

Example:
  qwen-vla evaluate --embodiment widowx --episodes 50 --seed 0 --json result.json
  qwen-vla evaluate --embodiment widowx --task pick_up --shift background

Chance is the success of a policy that does any of what can be asked for in a scene without reading
the instruction. A shift changes one thing against all that was trained on: colour, instance,
position, background or instruction.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec, find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_ros.resources import embodiments_directory, shipped_checkpoint

from .arguments import not_negative, positive

Z_95 = 1.96
"""Normal quantile of a two-sided 95 % interval."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla evaluate`."""
    parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
    parser.add_argument("--task", help="name of a task of the robot (its usual one)")
    parser.add_argument(
        "--shift", default="in_distribution", help="what is new in the scenes (in_distribution)"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder of weights (the shipped one)")
    parser.add_argument("--episodes", type=positive, default=50, help="number of episodes (50)")
    parser.add_argument(
        "--seed",
        type=not_negative,
        default=0,
        help="seed of the first scene (0; training uses 10000 on)",
    )
    parser.add_argument(
        "--replan-steps", type=positive, default=4, help="actions used per chunk (4)"
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), help="processes (all cores)"
    )
    parser.add_argument("--json", type=Path, help="write every episode and the summary here")


def run(arguments: argparse.Namespace) -> int:
    """Run the episodes in parallel and print success, chance and mistakes."""
    from tqdm import tqdm

    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.task import Shift

    path = find_embodiment(arguments.embodiment, embodiments_directory())
    embodiment = load_embodiment(path)
    task = find_tasks(embodiment, arguments.task)[0].name
    if arguments.shift not in (shifts := [shift.value for shift in Shift]):
        raise QwenVlaError(f"--shift {arguments.shift}: choose one of {', '.join(shifts)}")
    checkpoint = arguments.checkpoint or shipped_checkpoint(embodiment.name)
    QwenVlaPolicy.load(checkpoint, embodiment)  # refused here in words, not in every worker
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    with ProcessPoolExecutor(
        arguments.workers,
        mp_context=get_context("spawn"),  # fork is unsafe once torch has threads
        initializer=_start_worker,
        initargs=(path, checkpoint, task, arguments.shift, arguments.replan_steps),
    ) as pool:
        futures = [pool.submit(_episode, seed) for seed in seeds]
        episodes = []
        with tqdm(total=len(futures), unit="episode") as progress:
            for future in as_completed(futures):
                episodes.append(future.result())
                successes = sum(episode["success"] for episode in episodes)
                progress.set_postfix_str(f"success {successes}/{len(episodes)}")
                progress.update()
    episodes.sort(key=lambda episode: episode["seed"])
    summary = {
        "embodiment": embodiment.name,
        "checkpoint": str(checkpoint),
        "task": task,
        "shift": arguments.shift,
    }
    summary |= summarize(episodes)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({**summary, "episodes": episodes}, indent=1))
    print(report(summary))
    return 0


def summarize(episodes: list[dict]) -> dict:
    """Rates over episodes, as ``_episode`` describes them."""
    n = len(episodes)
    rate = sum(episode["success"] for episode in episodes) / n
    asked = sorted({episode["instruction"] for episode in episodes})
    return {
        "n": n,
        "success_rate": rate,
        "success_interval_95": wilson_interval(rate, n),
        "chance": sum(1.0 / episode["instructions"] for episode in episodes) / n,
        "did_another": sum(e["done"] not in (None, e["instruction"]) for e in episodes) / n,
        "did_nothing": sum(e["done"] is None for e in episodes) / n,
        "median_steps": float(np.median([e["steps"] for e in episodes if e["success"]] or [0])),
        "by_instruction": {
            instruction: [
                sum(e["success"] for e in episodes if e["instruction"] == instruction),
                sum(e["instruction"] == instruction for e in episodes),
            ]
            for instruction in asked
        },
    }


def wilson_interval(rate: float, n: int) -> tuple[float, float]:
    """95 % interval of a success rate over n episodes (Wilson score; right at 0 and 1 too)."""
    centre = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def report(summary: dict) -> str:
    """The summary in lines for a person."""
    low, high = summary["success_interval_95"]
    by_instruction = "\n".join(
        f"  {successes}/{n} {instruction}"
        for instruction, (successes, n) in summary["by_instruction"].items()
    )
    return (
        f"{summary['embodiment']}, {summary['task']}, {summary['shift']}\n"
        f"success        {summary['success_rate']:.0%} of {summary['n']} episodes "
        f"(95 % interval {low:.0%} to {high:.0%}); chance {summary['chance']:.0%}\n"
        f"mistakes       did something else {summary['did_another']:.0%}, "
        f"nothing {summary['did_nothing']:.0%}\n"
        f"median length  {summary['median_steps']:.0f} action steps when successful\n"
        f"{by_instruction}"
    )


_worker: dict = {}


def _start_worker(
    embodiment_path: Path, checkpoint: Path, task: str, shift: str, replan_steps: int
) -> None:
    """Load policy and world once per process."""
    from qwen_vla_model.policy import QwenVlaPolicy
    from qwen_vla_sim.registry import find_tasks, make_world
    from qwen_vla_sim.tasks.task import Shift

    embodiment = load_embodiment(embodiment_path)
    _worker["policy"] = QwenVlaPolicy.load(checkpoint, embodiment)
    _worker["codec"] = EmbodimentCodec(embodiment)
    _worker["world"] = make_world(embodiment)
    _worker["task"] = find_tasks(embodiment, task)[0]
    _worker["shift"] = Shift(shift)
    _worker["replan_steps"] = replan_steps


def _episode(seed: int) -> dict:
    from qwen_vla_sim.rollout import roll_out

    task = _worker["task"]
    scene = task.sample(seed, _worker["shift"])
    rollout = roll_out(
        _worker["policy"],
        _worker["codec"],
        _worker["world"],
        task,
        scene,
        replan_steps=_worker["replan_steps"],
    )
    return {
        "seed": seed,
        "task": task.name,
        "shift": scene.shift.value,
        "instruction": scene.instruction,
        "instructions": len(scene.instructions),
        "done": rollout.outcome.done,
        "success": bool(rollout.outcome.success),
        "steps": rollout.steps,
    }
