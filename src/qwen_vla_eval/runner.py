"""A policy in a simulated world, without ROS: one episode after the other, in this process."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_ros.load_policy import load_policy

if TYPE_CHECKING:
    from qwen_vla_sim.rollout import StepWatcher
    from qwen_vla_sim.tasks.task import Scene

SERVER_S = 30.0
"""How long an answer of a server may take: simulated time waits for it, and workers share it."""


@dataclass(frozen=True, kw_only=True)
class EvaluationCase:
    """One evaluation case: a policy, a robot and a task.

    Attributes:
        embodiment: YAML file of the robot.
        task: name of the task that the scenes are of.
        checkpoint: the policy, as for ``load_policy``; None for the scripted expert. A server's
            noise is its own, so that episodes with it are not the same the next time.
        weights: data type of the policy's weights, see ``qwen_vla_model.precision``.
        prompt_embodiment: YAML file of the robot that the prompt describes, its own except to
            measure what that sentence is worth; None for no such sentence.
        backend: format of another's server, as for ``load_policy``.
    """

    embodiment: Path
    task: str
    checkpoint: Path | str | None
    prompt_embodiment: Path | None
    weights: str = "float32"
    backend: str = ""


class EpisodeRunner:
    """Everything that the episodes of a case need.

    Attributes:
        codec, world, task: of its robot.
        policy: None for the scripted expert, which is made for each scene.
    """

    def __init__(self, case: EvaluationCase, replan_steps: int | None = None) -> None:
        """Load it.

        Args:
            replan_steps: action steps from one observation to the next; the robot's, if None.
        Raises:
            QwenVlaError: robot, task or checkpoint are unusable, or do not fit each other.
        """
        from qwen_vla_sim.registry import find_tasks, make_world

        embodiment = load_embodiment(case.embodiment)
        self.codec = EmbodimentCodec(embodiment)
        (self.task,) = find_tasks(embodiment, case.task)
        self._replan_steps = replan_steps
        self.policy = None
        if case.checkpoint is not None:
            self.policy = load_policy(
                case.checkpoint,
                embodiment,
                backend=case.backend,
                weights=case.weights,
                deadline_s=SERVER_S,
            )
            if case.prompt_embodiment != case.embodiment:  # only of weights of ours
                prompt_robot = case.prompt_embodiment and load_embodiment(case.prompt_embodiment)
                self.policy.processor.prompt_embodiment = prompt_robot
            self.policy.warm_up()
        self.world = make_world(embodiment)

    def run(self, scene: "Scene", on_step: "StepWatcher | None" = None) -> dict[str, Any]:
        """One episode, as ``episode_result`` describes it; the scene decides all of it.

        Args:
            on_step: for films.
        """
        from qwen_vla_sim.rollout import ExpertPolicy, roll_out

        begin_s = time.monotonic()
        policy = self.policy
        if policy is None:
            policy = ExpertPolicy(self.task.expert(self.world, scene), self.codec)
        else:
            policy.reseed(scene.seed)
        rollout = roll_out(
            policy,
            self.codec,
            self.world,
            self.task,
            scene,
            replan_steps=self._replan_steps,
            on_step=on_step,
        )
        return episode_result(
            self.task.name,
            scene,
            success=rollout.outcome.success,
            done=rollout.outcome.done,
            steps=rollout.steps,
            wall_s=time.monotonic() - begin_s,
        )


def episode_result(
    task: str, scene: "Scene", *, success: bool, done: str | None, steps: int, wall_s: float
) -> dict[str, Any]:
    """What is kept of an episode, in JSON's types.

    Args:
        done: the instruction that was carried out, the given one or another, if any.
        steps: action steps until success or the end.
        wall_s: real time.
    """
    return {
        "seed": scene.seed,
        "task": task,
        "shift": scene.shift.value,
        "instruction": scene.instruction,
        "instructions": len(scene.instructions),
        "done": done,
        "success": bool(success),
        "steps": steps,
        "wall_s": round(wall_s, 2),
    }
