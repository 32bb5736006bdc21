"""Two ways to have a policy carry out scenes: in simulated time, and through the real nodes.

Either yields what ``runner.episode_result`` describes for each scene, in their order.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.worker_pool import WorkerPool
from qwen_vla_ros.bringup import describe_bringup

from .runner import EpisodeRunner, EvaluationCase, episode_result
from .simulated_robot import SimulatedRobot, isolated_environment

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene


def directly(
    case: EvaluationCase,
    scenes: Sequence["Scene"],
    *,
    workers: int,
    replan_steps: int | None = None,
) -> Iterator[dict]:
    """Faster than real time, in parallel processes: core's control loop and no ROS."""
    with WorkerPool(min(workers, len(scenes)), _start_worker, case, replan_steps) as pool:
        yield from pool.map(_run, scenes)


def through_ros(case: EvaluationCase, scenes: Sequence["Scene"]) -> Iterator[dict]:
    """In real time, one after the other: the real nodes over DDS, and sim_node as the robot.

    The prompt describes the policy's own robot. Each result also has the mode at the end.

    Raises:
        QwenVlaError: a node ended, or the policy cannot be engaged.
    """
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.rollout import HELD_S

    embodiment = load_embodiment(case.embodiment)
    (task,) = find_tasks(embodiment, case.task)
    os.environ.update(isolated_environment(embodiment))
    nodes = describe_bringup(
        embodiment=str(case.embodiment),
        checkpoint=case.checkpoint and str(case.checkpoint),
        backend=case.backend,
        weights=case.weights,
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
            result = episode_result(
                task.name,
                scene,
                success=outcome["success"],
                # In the words of this scene, which may be typed otherwise than the simulator's.
                done=scene.instruction if outcome["success"] else outcome["done"],
                steps=round(outcome["duration_s"] * embodiment.action_hz),
                wall_s=outcome["duration_s"],
            )
            yield {**result, "mode": outcome["mode"]}


_runner: EpisodeRunner
"""State of a worker process."""


def _start_worker(case: EvaluationCase, replan_steps: int | None) -> None:
    """Load policy and world once per process."""
    global _runner
    _runner = EpisodeRunner(case, replan_steps)


def _run(scene: "Scene") -> dict:
    return _runner.run(scene)
