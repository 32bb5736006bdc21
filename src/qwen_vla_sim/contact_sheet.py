"""Draws what every robot's tasks look like to its cameras: start, middle and end of an episode."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec, load_embodiment

from .registry import make_tasks, make_world
from .rollout import ExpertPolicy, roll_out
from .tasks.task import Task
from .worlds.world import World

WIDTH_PX, CAPTION_PX, GAP_PX = 1320, 26, 4
HIGHEST_PX = 220
"""Height of a row of images at most; many cameras make it lower."""
_PAPER, _INK = 255, (40, 40, 40)


def draw(robots: Sequence[Embodiment], seed: int) -> np.ndarray:
    """One row for each task of each robot, uint8 RGB; the expert carries out the seed's scene."""
    rows = []
    for robot in robots:
        world = make_world(robot)
        for task in make_tasks(robot).values():
            scene = task.sample(seed)
            rows.append(_caption(f"{robot.name}, {task.name}: {scene.instruction}"))
            rows.append(_side_by_side(_moments(EmbodimentCodec(robot), world, task, seed)))
        world.close()
    return np.concatenate(rows)


def _moments(
    codec: EmbodimentCodec, world: World, task: Task, seed: int
) -> list[list[np.ndarray]]:
    """What each camera shows at the start, in the middle and at the end."""
    scene = task.sample(seed)
    seen = []
    roll_out(
        ExpertPolicy(task.expert(world, scene), codec),
        codec,
        world,
        task,
        scene,
        on_step=lambda observation, *_: seen.append(list(observation.images.values())),
    )
    return [seen[0], seen[len(seen) // 2], seen[-1]]


def _side_by_side(moments: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """A row of images, wider gaps between moments."""
    gaps_px = GAP_PX * (sum(len(views) for views in moments) + 2 * len(moments))
    aspect = sum(view.shape[1] / view.shape[0] for views in moments for view in views)
    height = min(HIGHEST_PX, int((WIDTH_PX - gaps_px) / aspect))
    row = np.full((height + 2 * GAP_PX, WIDTH_PX, 3), _PAPER, dtype=np.uint8)
    left = GAP_PX
    for views in moments:
        for view in views:
            width = int(height * view.shape[1] / view.shape[0])
            small = cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)
            row[:height, left : left + width] = small
            left += width + GAP_PX
        left += 2 * GAP_PX
    return row


def _caption(text: str) -> np.ndarray:
    bar = np.full((CAPTION_PX, WIDTH_PX, 3), _PAPER, dtype=np.uint8)
    place = (GAP_PX, CAPTION_PX - 8)
    return cv2.putText(bar, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)


def main() -> None:
    """Entry point of python -m qwen_vla_sim.contact_sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python -m qwen_vla_sim.contact_sheet embodiments/*.yaml "
        "--out resource/tasks.png",
    )
    parser.add_argument("embodiments", type=Path, nargs="+", help="embodiment YAMLs")
    parser.add_argument("--out", type=Path, required=True, help="the figure, PNG")
    parser.add_argument("--seed", type=int, default=0, help="of every scene (0)")
    arguments = parser.parse_args()
    robots = [load_embodiment(path) for path in arguments.embodiments]
    sheet = draw([robot for robot in robots if robot.simulated_world], arguments.seed)
    cv2.imwrite(str(arguments.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
