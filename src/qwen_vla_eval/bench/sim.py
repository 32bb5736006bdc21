"""The simulator: physics, images and the recording of training episodes."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.worker_pool import WorkerPool

from ..tables import Table

BATCH = 20
"""Calls between two looks at the clock."""


def measure_sim(path: Path, seconds: float, workers: int) -> dict:
    """All figures of one robot; all of it can be JSON.

    Raises:
        EmbodimentError: it cannot be simulated.
    """
    # Processes of its own for each robot: so many renderers in one would share its memory.
    with WorkerPool(workers) as pool:
        return _measure(pool, path, seconds, workers)


def _measure(pool: WorkerPool, path: Path, seconds: float, workers: int) -> dict:
    (result,) = pool.map(partial(_measure_world, path), [seconds])
    for name, task in result["tasks"].items():
        done = list(pool.map(partial(_record, path, name, seconds), range(workers)))
        task["workers"] = workers
        task["episodes_per_min"] = sum(60.0 * n / spent_s for n, spent_s, _ in done)
        task["episode_kb"] = sum(size for _, _, size in done) / sum(n for n, _, _ in done) / 1e3
    return result


def tables(robot: dict) -> tuple[Table, Table]:
    """What a person reads."""
    return (
        Table(
            title=f"{robot['embodiment']}: {robot['degrees_of_freedom']} degrees of freedom",
            columns=("physics and images", "per second", "times real time"),
            rows=[
                (
                    f"steps of {1e3 * robot['timestep_s']:g} ms",
                    f"{robot['steps_per_s']:.0f}",
                    f"{robot['steps_per_s'] * robot['timestep_s']:.1f}",
                ),
                *(
                    (
                        f"{name}, {camera['width']} x {camera['height']}",
                        f"{camera['frames_per_s']:.0f}",
                        "",
                    )
                    for name, camera in robot["cameras"].items()
                ),
            ],
        ),
        Table(
            title=f"{robot['embodiment']}: recording",
            columns=("episodes", "per minute", "processes", "kB each"),
            rows=[
                (
                    name,
                    f"{task['episodes_per_min']:.0f}",
                    str(task["workers"]),
                    f"{task['episode_kb']:.0f}",
                )
                for name, task in robot["tasks"].items()
            ],
        ),
    )


def rate(call: Callable[[], object], seconds: float) -> float:
    """How often a call can be made per second; the first one does not count."""
    call()
    count, started_s = 0, time.perf_counter()
    while (spent_s := time.perf_counter() - started_s) < seconds:
        for _ in range(BATCH):
            call()
        count += BATCH
    return count / spent_s


def _measure_world(path: Path, seconds: float) -> dict:
    from qwen_vla_sim.registry import make_tasks, make_world

    robot = load_embodiment(path)
    world, tasks = make_world(robot), make_tasks(robot)
    next(iter(tasks.values())).sample(0).lay_out(world)
    cameras = {}
    for camera in robot.cameras:
        height, width = world.render(camera.name).shape[:2]
        frames_per_s = rate(lambda name=camera.name: world.render(name), seconds)
        cameras[camera.name] = {"width": width, "height": height, "frames_per_s": frames_per_s}
    return {
        "embodiment": robot.name,
        "degrees_of_freedom": world.model.nv,
        "timestep_s": world.timestep_s,
        "steps_per_s": rate(lambda: world.step(world.timestep_s), seconds),
        "cameras": cameras,
        "tasks": {name: {} for name in tasks},
    }


def _record(path: Path, task: str, seconds: float, worker: int) -> tuple[int, float, int]:
    """Number of episodes recorded, in how many seconds, and their size in bytes together."""
    from qwen_vla_core.embodiment import EmbodimentCodec
    from qwen_vla_sim.generate import record_episode
    from qwen_vla_sim.registry import find_tasks, make_world
    from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED

    robot = load_embodiment(path)
    codec, world, chosen = EmbodimentCodec(robot), make_world(robot), find_tasks(robot, task)[0]
    world.render(robot.cameras[0].name)  # sets up OpenGL
    count, size, started_s = 0, 0, time.perf_counter()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "episode.npz"
        while (spent_s := time.perf_counter() - started_s) < seconds:
            seed = FIRST_TRAINING_SEED + 1000 * worker + count
            record_episode(codec, world, chosen, seed).save(file)
            count, size = count + 1, size + file.stat().st_size
    return count, spent_s, size
