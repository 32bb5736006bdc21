"""Runs what a report still lacks, and keeps it."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_vla_core.embodiment import load_embodiment

from ..episodes import directly, through_ros
from ..rates import summarize
from ..runner import EpisodeRunner
from .cells import Cell, Store

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene, Task

RESET_S = 3.0
"""Real time that an episode through ROS takes besides: hold, lay out the scene, engage."""


def measure_cells(
    cells: Iterable[Cell], seeds: Sequence[int], store: Store, workers: int
) -> dict[Cell, dict[str, Any]]:
    """Run the missing episodes of all cells; may be interrupted and repeated.

    Args:
        seeds: of the scenes, the same in every cell.
    Returns:
        For each cell the episodes, and what ``rates.summarize`` makes of them.
    """
    from qwen_vla_sim.progress import progress_bar

    done = {cell: store.load(cell) for cell in cells}
    missing = _missing(done, seeds)
    if missing:
        print(_estimate(missing, done, store, workers), flush=True)
        missing = _missing(done, seeds)
    total = len(done) * len(seeds)
    left = sum(len(seeds) for wanted in missing.values() for _, seeds in wanted)
    with progress_bar(total, "episode", initial=total - left) as progress:
        for (case, ros), wanted in missing.items():
            jobs = [(cell, seed) for cell, seeds in wanted for seed in seeds]
            scenes = [_scene(cell, seed) for cell, seed in jobs]
            episodes = (
                through_ros(case, scenes) if ros else directly(case, scenes, workers=workers)
            )
            for (cell, seed), episode in zip(jobs, episodes, strict=True):
                done[cell][seed] = episode
                store.save(cell, done[cell])
                progress.set_postfix_str(cell.name.rpartition("-")[0], refresh=False)
                progress.update()
    return {
        cell: {**summarize(chosen), "episodes": chosen}
        for cell, episodes in done.items()
        for chosen in [[episodes[seed] for seed in seeds]]
    }


def _missing(done: dict[Cell, dict], seeds: Sequence[int]) -> dict[tuple, list]:
    """Cells that lack episodes, with the seeds; by what one set of processes can run."""
    missing = defaultdict(list)
    for cell, episodes in done.items():
        if wanted := [seed for seed in seeds if seed not in episodes]:
            missing[cell.case, cell.variant.ros].append((cell, wanted))
    return missing


def _estimate(missing: dict, done: dict[Cell, dict], store: Store, workers: int) -> str:
    """How long it will take, by one episode of each robot and task, timed here."""
    timed, count, seconds = {}, 0, 0.0
    for (case, ros), wanted in missing.items():
        what = case.embodiment, case.task
        if what not in timed:
            begin_s = time.monotonic()
            runner, (cell, (seed, *_)) = EpisodeRunner(case), wanted[0]
            start_s = time.monotonic() - begin_s
            episode = runner.run(_scene(cell, seed))
            if not ros:
                done[cell][seed] = episode
                store.save(cell, done[cell])
            timed[what] = episode, start_s, runner.codec.embodiment.action_step_s
            runner.world.close()
        episode, start_s, step_s = timed[what]
        each_s = episode["steps"] * step_s + RESET_S if ros else episode["wall_s"] / workers
        episodes = sum(len(seeds) for _, seeds in wanted)
        count, seconds = count + episodes, seconds + start_s + episodes * each_s
    first = ", ".join(
        f"{episode['task']} {episode['wall_s']:.1f} s for {episode['steps']} steps"
        for episode, _, _ in timed.values()
    )
    return (
        f"{count} episodes, about {seconds / 60:.0f} minutes before the figures if all are like "
        f"the first: {first}"
    )


def _scene(cell: Cell, seed: int) -> "Scene":
    from qwen_vla_sim.tasks.shifts import Shift

    task = _task(cell.case.embodiment, cell.task)
    return task.sample(seed, Shift(cell.variant.shift))


@cache
def _task(embodiment: Path, name: str) -> "Task":
    from qwen_vla_sim.registry import find_tasks

    (task,) = find_tasks(load_embodiment(embodiment), name)
    return task
