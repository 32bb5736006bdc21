"""Which episodes a demo shows: one of each task, or scenes that ask for a given sentence."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import InstructionError

SEARCHED = 500
"""Scenes to search: the rarest instruction, one of 24, is almost surely in one of 500."""


@dataclass(frozen=True, kw_only=True)
class DemoEpisode:
    """One episode.

    Attributes:
        task, seed: what the simulator lays out.
        instruction: what the policy gets.
        judged: whether the simulator can tell that this was done.
    """

    task: str
    seed: int
    instruction: str
    judged: bool = True


def each_task(
    embodiment: Embodiment, seed: int, episodes: int, trained: Collection[str]
) -> list[DemoEpisode]:
    """The first scenes of every task of a robot, from ``seed`` on, in the scenes' own sentences.

    Args:
        trained: the instructions of the checkpoint's training; scenes with others are left out.
    """
    from qwen_vla_sim.registry import find_tasks

    shown = []
    for task in find_tasks(embodiment, None):
        scenes = map(task.sample, range(seed, seed + SEARCHED))
        known = (scene for scene in scenes if scene.instruction in trained)
        shown += [
            DemoEpisode(task=task.name, seed=scene.seed, instruction=scene.instruction)
            for scene in islice(known, episodes)
        ]
    return shown


def asking_for(
    embodiment: Embodiment, instruction: str, seed: int, episodes: int
) -> list[DemoEpisode]:
    """The first scenes of a robot, from ``seed`` on, whose instruction means the same.

    Empty where no task of the robot can read it.
    """
    from qwen_vla_sim.registry import find_tasks

    for task in find_tasks(embodiment, None):
        try:
            wanted = task.wording.read(instruction)
        except InstructionError:
            continue
        seeds: Iterable[int] = (
            s
            for s in range(seed, seed + SEARCHED)
            if task.wording.read(task.sample(s).instruction) == wanted
        )
        return [
            DemoEpisode(task=task.name, seed=s, instruction=instruction)
            for s in islice(seeds, episodes)
        ]
    return []


def usual_scenes(
    embodiment: Embodiment, instruction: str, seed: int, episodes: int
) -> list[DemoEpisode]:
    """Scenes of the robot's usual task, for an instruction that none of its tasks can read."""
    from qwen_vla_sim.registry import find_tasks

    task = find_tasks(embodiment, None)[0].name
    return [
        DemoEpisode(task=task, seed=s, instruction=instruction, judged=False)
        for s in range(seed, seed + episodes)
    ]
