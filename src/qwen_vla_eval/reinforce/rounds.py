"""Rounds of trying, learning and comparing; interrupted, they go on where they were."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.whole_file import write_text_whole
from qwen_vla_core.worker_pool import WorkerPool

from ..episodes import directly
from ..rates import lost_by_chance
from ..runner import EpisodeRunner, EvaluationCase
from ..tables import Table, show, write_json
from .own_episode import RecordedPolicy
from .plan import Practice, Reinforcement

if TYPE_CHECKING:
    from qwen_vla_model.training.recipe import Recipe
    from qwen_vla_sim.tasks.task import Scene

START = 0
"""In the place of a round's number: before all of them."""


def reinforce(plan: Reinforcement, out: Path, workers: int) -> Path:
    """Run the rounds, print what each came to; returns the checkpoint of the last that counts.

    Args:
        out: has a folder for each round: what was tried and kept, its recipe and training, and
            how it compares. What is there is not done again.
        workers: processes that try and compare.
    Raises:
        QwenVlaError: the plan's recipe, robots, tasks or checkpoint are unusable, or something
            cannot be written.
    """
    from qwen_vla_model.hub import find_checkpoint
    from qwen_vla_model.training.recipe import load_recipe

    recipe = load_recipe(plan.recipe)
    checkpoint = find_checkpoint(recipe.start_from)
    before = _compare(plan, checkpoint, out / f"{START}", workers)
    _say(plan, START, before, before)
    for number in range(1, plan.rounds + 1):
        folder = out / f"{number}"
        own = [
            practice
            for practice in plan.tasks
            if _try(plan, practice, checkpoint, number, folder, workers)
            > recipe.validation_episodes
        ]
        if not own:
            print(
                f"round {number} learns nothing: in hardly any scene did it both succeed and "
                "fail; more scenes or tries, or diverse: true"
            )
            break
        candidate = _learn(plan, recipe, own, checkpoint, folder)
        after = _compare(plan, candidate, folder, workers)
        _say(plan, number, before, after)
        if harmed := [n for n in after if _by_chance(before[n], after[n]) < plan.harm]:
            print(f"round {number} does not count: it harmed {', '.join(harmed)}")
            break
        checkpoint, before = candidate, after
    return checkpoint


def _case(practice: Practice, checkpoint: Path) -> EvaluationCase:
    robot = practice.embodiment
    return EvaluationCase(
        embodiment=robot, task=practice.task, checkpoint=checkpoint, prompt_embodiment=robot
    )


def _scenes(plan: Reinforcement, practice: Practice, seeds: Sequence[int]) -> list["Scene"]:
    from qwen_vla_sim.registry import find_tasks
    from qwen_vla_sim.tasks.diversity import diversify

    robot = load_embodiment(practice.embodiment)
    (task,) = find_tasks(robot, practice.task)
    scenes = [task.sample(seed) for seed in seeds]
    if not plan.diverse:
        return scenes
    cameras = [camera.name for camera in robot.cameras]
    return [diversify(scene, task.colours, cameras) for scene in scenes]


def _try(
    plan: Reinforcement,
    practice: Practice,
    checkpoint: Path,
    number: int,
    folder: Path,
    workers: int,
) -> int:
    """Try the scenes of a round; how many episodes are kept."""
    from qwen_vla_sim.progress import progress_bar

    kept, tried = folder / practice.name, folder / f"{practice.name}_tried"
    for made in (kept, tried):
        made.mkdir(parents=True, exist_ok=True)
    seeds = plan.seeds(number)
    missing = [seed for seed in seeds if not (tried / f"{seed}.json").exists()]
    done = len(seeds) - len(missing)
    title = f"round {number}, {practice.name}"
    case = _case(practice, checkpoint)
    with progress_bar(len(seeds), "scene", initial=done, title=title) as bar:
        for seed, successes in _outcomes(plan, practice, case, missing, kept, workers):
            outcome = {"seed": seed, "successes": successes}
            write_text_whole(tried / f"{seed}.json", json.dumps(outcome))
            bar.update()
    return len(list(kept.glob("*.npz")))


def _outcomes(
    plan: Reinforcement,
    practice: Practice,
    case: EvaluationCase,
    seeds: Sequence[int],
    kept: Path,
    workers: int,
) -> Iterator[tuple[int, list[bool]]]:
    if not seeds:
        return
    scenes = _scenes(plan, practice, seeds)
    with WorkerPool(min(workers, len(seeds)), _start_worker, case, plan.tries, kept) as pool:
        yield from zip(seeds, pool.map(_try_scene, scenes), strict=True)


_runner: EpisodeRunner
_tries: int
_kept: Path
"""State of a worker process."""


def _start_worker(case: EvaluationCase, tries: int, kept: Path) -> None:
    global _runner, _tries, _kept
    _runner, _tries, _kept = EpisodeRunner(case), tries, kept


def _try_scene(scene: "Scene") -> list[bool]:
    """Whether each try succeeded; successes are kept if there was a failure as well."""
    from qwen_vla_sim.rollout import roll_out

    robot, episodes = _runner, []
    target = robot.task.target(scene, scene.instruction)
    cameras = [camera.name for camera in robot.codec.embodiment.cameras]

    def boxes() -> np.ndarray:
        return np.concatenate([robot.world.visible_boxes(name, [target]) for name in cameras])

    for number in range(_tries):
        robot.policy.reseed(scene.seed * _tries + number)
        policy = RecordedPolicy(robot.policy, robot.codec, boxes)
        rollout = roll_out(policy, robot.codec, robot.world, robot.task, scene)
        episodes.append(policy.episode(scene.seed, rollout.outcome.success))
    successes = [bool(episode.success) for episode in episodes]
    if not all(successes):
        for number, episode in enumerate(episodes):
            if episode.success:
                episode.save(_kept / f"{scene.seed}_{number}.npz")
    return successes


def _learn(
    plan: Reinforcement,
    recipe: "Recipe",
    own: Sequence[Practice],
    checkpoint: Path,
    folder: Path,
) -> Path:
    """Train from a checkpoint on the recipe's mixture and a round's own successes."""
    from qwen_vla_model.training.saves import saved_progress
    from qwen_vla_model.training.stages import train

    values = recipe.model_dump(mode="json", exclude_unset=True)
    values["mixture"] += [
        {
            "embodiment": str(practice.embodiment),
            "episodes": str(folder / practice.name),
            "weight": plan.weight,
        }
        for practice in own
    ]
    out = folder / "training"
    values |= {"start_from": str(checkpoint), "out": str(out)}
    written = folder / "recipe.yaml"
    write_text_whole(written, yaml.safe_dump(values, sort_keys=False))
    return train(written, resume=saved_progress(out) is not None)


def _compare(
    plan: Reinforcement, checkpoint: Path, folder: Path, workers: int
) -> dict[str, list[bool]]:
    """For each task, in which of the scenes that all rounds are compared in it succeeds."""
    from qwen_vla_sim.progress import progress_bar

    found = {}
    for practice in plan.tasks:
        file = folder / f"{practice.name}.json"
        if not file.exists():
            scenes = _scenes(plan, practice, plan.seeds(START))
            results: list[dict[str, Any]] = []
            with progress_bar(len(scenes), "scene", title=f"compare {practice.name}") as bar:
                for result in directly(_case(practice, checkpoint), scenes, workers=workers):
                    results.append(result)
                    bar.update()
            write_json(file, {"checkpoint": str(checkpoint), "episodes": results})
        episodes = json.loads(file.read_text())["episodes"]
        found[practice.name] = [episode["success"] for episode in episodes]
    return found


def _won_and_lost(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int]:
    pairs = list(zip(before, after, strict=True))
    return pairs.count((False, True)), pairs.count((True, False))


def _by_chance(before: Sequence[bool], after: Sequence[bool]) -> float:
    return lost_by_chance(*_won_and_lost(before, after))


def _say(
    plan: Reinforcement,
    number: int,
    before: dict[str, list[bool]],
    after: dict[str, list[bool]],
) -> None:
    """How a round compares."""
    rows = []
    for name, successes in after.items():
        won, lost = _won_and_lost(before[name], successes)
        rows.append(
            [
                name,
                f"{sum(before[name])} of {plan.compared}",
                f"{sum(successes)} of {plan.compared}",
                f"{won}",
                f"{lost}",
                f"{lost_by_chance(lost, won):.3f}",
            ]
        )
    title = f"round {number} of {plan.rounds}" if number else "before the first round"
    columns = ["task", "before", "after", "won", "lost", "p of a gain by chance"]
    show([Table(title=title, columns=columns, rows=rows)])
