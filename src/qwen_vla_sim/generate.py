"""Records episodes for training, with the expert's plans, in parallel processes."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.embodiment.loader import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import resize_view
from qwen_vla_core.policy import Policy
from qwen_vla_core.whole_file import write_text_whole
from qwen_vla_core.worker_pool import WorkerPool
from qwen_vla_data.episode import Episode
from qwen_vla_data.images import encode_png

from .disturbance import Disturbance
from .progress import progress_bar
from .registry import find_tasks, make_world
from .robot_chain import RobotChain
from .rollout import make_histories, observe
from .tasks.asking import scenes_asking
from .tasks.diversity import diversify
from .tasks.shifts import FIRST_TRAINING_SEED
from .tasks.task import Task
from .worlds.world import World

STEPS_AFTER_SUCCESS = 4
"""Recorded after it, so that staying there is learned too."""
RECORDED_HZ = 5.0
"""Largest number of action steps recorded in a second: at 50 Hz neighbours are all alike."""
ORIGIN = "origin.json"
"""File in a folder of episodes: the robot, the task and which policy drove."""

Driver = Callable[[int], Policy]
"""The policy that drives the robot in the scene of a seed."""


def record_episode(
    codec: EmbodimentCodec,
    world: World,
    task: Task,
    seed: int,
    driver: Driver | None = None,
    diverse: bool = False,
) -> Episode:
    """Someone carries out the scene of ``seed``, and the expert says what it would have done.

    At each recorded step, the plan for every instruction of the scene is stored: the same images
    with other words.

    Args:
        driver: a policy, so that its own mistakes are met, and the way out of them is learned
            (DAgger); None for the expert under disturbances.
        diverse: with other grounds, light, colours and cameras, see ``diversity.py``.
    """
    robot = codec.embodiment
    disturbance = Disturbance(seed, robot)
    scene = disturbance.start(task, task.sample(seed))
    if diverse:
        scene = diversify(scene, task.colours, [camera.name for camera in robot.cameras])
    scene.lay_out(world)
    expert, chain = task.expert(world, scene), RobotChain(codec, world)
    targets = [task.target(scene, instruction) for instruction in scene.instructions]
    stride = max(1, round(robot.action_hz / RECORDED_HZ))
    images = {camera.name: [] for camera in robot.cameras}
    states, positions, commanded, actions, valid, boxes = [], [], [], [], [], []
    done, seen = [], []
    policy, histories = driver and driver(seed), make_histories(robot)
    replan_steps = max(stride, robot.replan_steps)
    remaining = round(task.time_limit_s * robot.action_hz)
    step = 0
    while remaining:
        if step % stride == 0:
            plans = [
                expert.plan(chain.commanded_D, instruction, robot.horizon)
                for instruction in scene.instructions
            ]
            for camera in robot.cameras:
                view = resize_view(world.render(camera.name), camera)
                images[camera.name].append(encode_png(view))
            bodies = [*targets, *scene.names]
            in_views = [world.visible_boxes(camera.name, bodies) for camera in robot.cameras]
            boxes.append([of_view[: len(targets)] for of_view in in_views])
            seen.append([of_view[len(targets) :] for of_view in in_views])
            judged = task.judge(world, scene).done
            done.append([instruction == judged for instruction in scene.instructions])
            positions.append(world.positions_D)
            states.append(codec.state(positions[-1]))
            commanded.append(chain.commanded_D)
            actions.append(plans)
            feasible = [expert.feasible(instruction) for instruction in scene.instructions]
            valid.append(np.tile(np.array(feasible)[:, None], robot.horizon))
            if policy is None:
                # What goes on for several steps is played as one chunk, as on the robot: new
                # chunks at every step would only fade into each other and hardly move.
                played_HC = disturbance.apply(plans[0][: 1 if stride == 1 else None])
                chain.play(codec.normalize_actions(played_HC))
        if policy is not None and (histories or step % replan_steps == 0):
            observation = observe(codec, world, chain, scene.instruction, histories)
            if step % replan_steps == 0:
                chain.play(policy.infer(observation))
        chain.advance(robot.action_step_s)
        step += 1
        remaining -= 1
        success = task.judge(world, scene).success
        if success:
            remaining = min(remaining, STEPS_AFTER_SUCCESS * stride)
    return Episode(
        embodiment=robot.name,
        stride=stride,
        seed=seed,
        instructions=scene.instructions,
        images={name: tuple(frames) for name, frames in images.items()},
        states_TS=np.array(states, dtype=np.float32),
        commanded_TD=np.array(commanded, dtype=np.float32),
        positions_TD=np.array(positions),
        success=success,
        actions_NTHC=np.array(actions, dtype=np.float32).swapaxes(0, 1),
        valid_NTH=np.array(valid).swapaxes(0, 1),
        boxes_NTV4=np.array(boxes).transpose(2, 0, 1, 3),
        done_NT=np.array(done).T,
        things=tuple(scene.names.values()),
        seen_KTV4=np.array(seen).transpose(2, 0, 1, 3),
    )


def generate(
    embodiment: Path,
    out: Path,
    first_seed: int,
    episodes: int,
    workers: int,
    task: str | None = None,
    driver: Driver | None = None,
    driver_name: str = "expert",
    diverse: bool = False,
    instruction: str | None = None,
) -> int:
    """Record the episodes that ``out`` lacks, one file each; may be interrupted and repeated.

    Args:
        embodiment: the robot's YAML.
        out: folder of the episodes.
        first_seed: at least ``FIRST_TRAINING_SEED``.
        episodes: how many.
        workers: processes.
        task: its name; None for all that the robot can do, seed by seed in turn.
        driver: see ``record_episode``; it has to be picklable.
        driver_name: tells it from any other.
        diverse: see ``record_episode``.
        instruction: only scenes that ask for this, in any wording; None for all.
    Returns:
        How many were recorded now.
    Raises:
        QwenVlaError: ``first_seed`` belongs to the evaluation, or the robot cannot be simulated,
            or not do the task, or no scene asks for the instruction, or ``out`` has episodes of
            another robot, task, instruction or driver.
    """
    robot = load_embodiment(embodiment)
    tasks = find_tasks(robot, task)  # refused here with its message, not in every worker
    if first_seed < FIRST_TRAINING_SEED:
        raise QwenVlaError(
            f"seeds below {FIRST_TRAINING_SEED} are for evaluation; got {first_seed}"
        )
    origin = {"embodiment": robot.model_dump(mode="json"), "task": task, "driver": driver_name}
    if diverse:
        origin["look"] = "diverse"
    seeds: Sequence[int] = range(first_seed, first_seed + episodes)
    if instruction is not None:
        origin["instruction"] = instruction
        asking = scenes_asking(tasks, instruction, first_seed)
        seeds = [scene.seed for scene in islice(asking, episodes)]
    _claim(out, origin)
    missing = [seed for seed in seeds if not _file(out, seed).exists()]
    with (
        _origin_of_something(out),
        WorkerPool(workers) as pool,
        progress_bar(episodes, "episode", initial=episodes - len(missing)) as progress,
    ):
        record = partial(_record, embodiment, task, driver, diverse, out)
        for _ in pool.map(record, missing):
            progress.update()
    return len(missing)


def _claim(out: Path, origin: dict[str, Any]) -> None:
    """Make the folder; refuse one of another origin, whose episodes would pass for these."""
    path = out / ORIGIN
    try:
        before = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise QwenVlaError(
            f"{path}: {error}; whose episodes these are is not known, so choose another folder"
        ) from error
    if before or any(out.glob("*.npz")):
        keys = dict.fromkeys((*origin, *before))
        if differs := [key for key in keys if before.get(key, ...) != origin.get(key, ...)]:
            raise QwenVlaError(
                f"{out} has episodes of another {' and '.join(differs)} (see {ORIGIN} there); "
                "choose another folder, or remove this one"
            )
        return
    write_text_whole(path, json.dumps(origin, indent=1))


@contextmanager
def _origin_of_something(out: Path) -> Iterator[None]:
    """What says whose episodes these are goes again if there is none in the end."""
    try:
        yield
    finally:
        if not any(out.glob("*.npz")):
            (out / ORIGIN).unlink(missing_ok=True)


def _file(out: Path, seed: int) -> Path:
    return out / f"{seed}.npz"


@cache
def _workplace(
    embodiment: Path, task: str | None
) -> tuple[EmbodimentCodec, World, tuple[Task, ...]]:
    robot = load_embodiment(embodiment)
    return EmbodimentCodec(robot), make_world(robot), find_tasks(robot, task)


def _record(
    embodiment: Path,
    task: str | None,
    driver: Driver | None,
    diverse: bool,
    out: Path,
    seed: int,
) -> None:
    codec, world, tasks = _workplace(embodiment, task)
    task_here = tasks[seed % len(tasks)]
    record_episode(codec, world, task_here, seed, driver, diverse).save(_file(out, seed))
