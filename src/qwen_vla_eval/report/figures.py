"""The figures of one robot in a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runner import EpisodeRunner
from .cells import Cell
from .denoising import draw_denoising, scene_to_show
from .films import draw_failures, film
from .looking import Looking, draw_looking, measure_looking
from .plan import IN_DISTRIBUTION, Plan

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was drawn of a robot.

    Attributes:
        task: what it does in them.
        files: names in the robot's folder -> what they show.
        looking: whether it looks at what is named.
    """

    task: str
    files: Mapping[str, str]
    looking: Looking


def draw_figures(
    folder: Path, plan: Plan, shown: Mapping[str, tuple[Cell, Mapping[str, Any]]]
) -> Figures:
    """Films, failures, denoising and where the policy looks, into the robot's folder.

    Args:
        shown: shift -> cell and its summary, of one case.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cell, _ = shown[IN_DISTRIBUTION]
    runner, files = EpisodeRunner(cell.case), {}
    successes, failures = (_scenes(runner, shown, success) for success in (True, False))
    for ending, scenes in (("success", successes), ("failure", failures)):
        if film(folder / ending, runner, scenes, ending == "success"):
            files[f"{ending}.mp4"] = f"a {ending}"
            files[f"{ending}.png"] = f"a {ending}, from its start to its end"
    if failures:
        draw_failures(folder / "failures.png", runner, failures)
        files["failures.png"] = "how failures end"
    scenes = [runner.task.sample(seed) for seed in range(plan.seed, plan.seed + plan.scenes)]
    scene = scene_to_show(runner, scenes)
    draw_denoising(folder / "denoising.png", runner, scene)
    files["denoising.png"] = "denoising of a chunk, for two instructions"
    draw_looking(folder / "looking.png", runner, scene)
    files["looking.png"] = "where hiding a part of the image changes the chunk, same scene"
    looking = measure_looking(runner, scenes)
    runner.world.close()
    return Figures(task=cell.task, files=files, looking=looking)


def _scenes(
    runner: EpisodeRunner, shown: Mapping[str, tuple[Cell, Mapping[str, Any]]], success: bool
) -> list["Scene"]:
    """Scenes that ended so: all in distribution, then of the shifts by turns."""
    from qwen_vla_sim.tasks.shifts import Shift

    by_shift = {
        shift: [
            runner.task.sample(episode["seed"], Shift(shift))
            for episode in summary["episodes"]
            if episode["success"] == success
        ]
        for shift, (_, summary) in shown.items()
    }
    own = by_shift.pop(IN_DISTRIBUTION)
    by_turns = chain.from_iterable(zip_longest(*by_shift.values()))
    return [*own, *(scene for scene in by_turns if scene is not None)]
