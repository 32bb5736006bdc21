"""Two ways to have a policy carry out scenes: in simulated time, and through the real nodes.

Either yields a dict for each scene, in their order: seed, task, shift, instruction, how many
instructions there are in the scene, what was done, success and action steps.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_ros.bringup import describe_bringup

from .simulated_robot import SimulatedRobot, isolated_environment

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Who is asked to do what.

    Attributes:
        embodiment: YAML file of the robot.
        task: name of the task that the scenes are of.
        checkpoint: folder of the policy's weights; None for the scripted expert.
    """

    embodiment: Path
    task: str
    checkpoint: Path | None


def directly(
    candidate: Candidate, scenes: Sequence["Scene"], *, workers: int, replan_steps: int | None
) -> Iterator[dict]:
    """Faster than real time, in parallel processes: core's control loop and no ROS."""
    with ProcessPoolExecutor(
        min(workers, len(scenes)),
        mp_context=get_context("spawn"),  # fork is unsafe once torch has threads
        initializer=_start_worker,
        initargs=(candidate, replan_steps),
    ) as pool:
        yield from pool.map(_roll_out, scenes)


def through_ros(candidate: Candidate, scenes: Sequence["Scene"]) -> Iterator[dict]:
    """In real time, one after the other: the real nodes over DDS, and sim_node as the robot.

    Raises:
        QwenVlaError: a node ended, or the policy cannot be engaged.
    """
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.rollout import HELD_S

    embodiment = load_embodiment(candidate.embodiment)
    (task,) = find_tasks(embodiment, candidate.task)
    os.environ.update(isolated_environment())
    nodes = describe_bringup(
        embodiment=str(candidate.embodiment),
        checkpoint=candidate.checkpoint and str(candidate.checkpoint),
        use_sim=True,
    )
    with (
        TemporaryDirectory() as logs,
        SimulatedRobot(embodiment, nodes, Path(logs)) as robot,
    ):
        for scene in scenes:
            robot.place(scene.seed, task.name, scene.shift.value)
            outcome = robot.carry_out(
                scene.instruction, time_limit_s=task.time_limit_s, held_s=HELD_S
            )
            steps = round(outcome["duration_s"] * embodiment.action_hz)
            yield _episode(task.name, scene, outcome["success"], outcome["done"], steps)


_worker: dict = {}


def _start_worker(candidate: Candidate, replan_steps: int | None) -> None:
    """Load policy and world once per process."""
    from qwen_vla_sim.registry import find_tasks, make_world

    embodiment = load_embodiment(candidate.embodiment)
    _worker["codec"] = EmbodimentCodec(embodiment)
    _worker["world"] = make_world(embodiment)
    (_worker["task"],) = find_tasks(embodiment, candidate.task)
    _worker["replan_steps"] = replan_steps
    _worker["policy"] = None
    if candidate.checkpoint is not None:
        from qwen_vla_model.policy import QwenVlaPolicy

        _worker["policy"] = QwenVlaPolicy.load(candidate.checkpoint, embodiment)


def _roll_out(scene: "Scene") -> dict:
    from qwen_vla_sim.rollout import ExpertPolicy, roll_out

    codec, world, task = _worker["codec"], _worker["world"], _worker["task"]
    policy = _worker["policy"] or ExpertPolicy(task.expert(world, scene), codec)
    rollout = roll_out(policy, codec, world, task, scene, replan_steps=_worker["replan_steps"])
    outcome = rollout.outcome
    return _episode(task.name, scene, outcome.success, outcome.done, rollout.steps)


def _episode(task: str, scene: "Scene", success: bool, done: str | None, steps: int) -> dict:
    return {
        "seed": scene.seed,
        "task": task,
        "shift": scene.shift.value,
        "instruction": scene.instruction,
        "instructions": len(scene.instructions),
        "done": done,
        "success": bool(success),
        "steps": steps,
    }
