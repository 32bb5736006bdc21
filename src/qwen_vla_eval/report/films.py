"""What success and failure look like: a video of each, and how failures end, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from qwen_vla_core.modes import Mode
from qwen_vla_core.scene import SceneMaker, Status
from qwen_vla_core.whole_file import write_whole

from ..runner import EpisodeRunner
from ..scene_film import SceneFilm
from ..video import EpisodeVideo

if TYPE_CHECKING:
    from qwen_vla_core.types import ActionChunk, Observation
    from qwen_vla_sim.tasks.task import Scene

FRAMES_HZ = 10.0
LAST_FRAMES = 15
"""How often the last frame of a video is repeated, so that the end can be seen."""
TRIES = 3
FAILURES, COLUMNS, LINE = 8, 4, 34

Images = Mapping[str, np.ndarray]


def film(path: Path, runner: EpisodeRunner, scenes: Sequence["Scene"], success: bool) -> bool:
    """Carry out the first of some scenes again that ends as it did before, and film it.

    Writes ``path`` with ``.mp4`` and, as a film strip, with ``.png``.

    Args:
        scenes: those that ended so; on the same machine the first does so again.
    Returns:
        Whether one did.
    """
    step_s = runner.codec.embodiment.action_step_s
    every = max(1, round(1.0 / (FRAMES_HZ * step_s)))
    for scene in scenes[:TRIES]:
        frames, result = _record(runner, scene, every)
        if result["success"] != success:
            continue
        with EpisodeVideo(path.with_suffix(".mp4"), 1.0 / (every * step_s)) as video:
            for i, frame in enumerate(frames[:-1]):
                video.add(frame, (scene.instruction, f"{i * every * step_s:4.1f} s"))
            end = f"{result['steps'] * step_s:4.1f} s: {_ending(runner, scene, result)}"
            video.add(frames[-1], (scene.instruction, end), times=LAST_FRAMES)
            video.end_episode()
        video.save_strip(path.with_suffix(".png"))
        return True
    return False


def _record(
    runner: EpisodeRunner, scene: "Scene", every: int
) -> tuple[list[Images], dict[str, Any]]:
    """What the cameras saw at every few action steps and at the end, and what came of it.

    What the robot was about to do is drawn over it.
    """
    robot, world = runner.codec.embodiment, runner.world
    film, maker = SceneFilm(robot), SceneMaker(robot)
    status = Status(mode=Mode.AUTONOMY.value, instruction=scene.instruction)
    frames: list[Images] = []
    steps, played = 0, None

    def see(observation: "Observation", chunk: "ActionChunk | None", committed: int) -> None:
        nonlocal steps, played
        if chunk is not None and chunk is not played:
            played = chunk
            maker.on_chunk(chunk, observation.stamp_s, committed)
        if steps % every == 0:
            maker.on_joints(dict(zip(robot.joint_names, observation.positions_D, strict=True)))
            if world.base is not None:
                maker.on_base(world.base.pose, observation.stamp_s)
            drawn = maker.scene(observation.stamp_s, status)
            frames.append(film.drawn(observation.images, drawn))
        steps += 1

    result = runner.run(scene, on_step=see)
    return [*frames, _images(runner)], result


def _ending(runner: EpisodeRunner, scene: "Scene", result: Mapping[str, Any]) -> str:
    """What was done, or where the robot ended if it was nothing."""
    from qwen_vla_sim.worlds.tool_paths import tool_paths

    if result["done"] is not None:
        return f"did: {result['done']}"
    paths = tool_paths(runner.world, runner.world.positions_D[None])
    places = {name: runner.world.body_position(body) for body, name in scene.names.items()}
    away_m, nearest = min(
        (float(np.linalg.norm(path[0] - place)), name)
        for path in paths.values()
        for name, place in places.items()
    )
    return f"did nothing, ended {100 * away_m:.0f} cm from the {nearest}"


def _images(runner: EpisodeRunner) -> Images:
    return {c.name: runner.world.render(c.name) for c in runner.codec.embodiment.cameras}


def draw_failures(path: Path, runner: EpisodeRunner, scenes: Sequence["Scene"]) -> None:
    """The last images of some failures, with the instruction and what was done instead."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    some = scenes[:FAILURES]
    columns = min(COLUMNS, len(some))
    rows = -(-len(some) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.4 * columns, 3.2 * rows), squeeze=False
    )
    camera = runner.codec.embodiment.cameras[0].name
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, scene in zip(axes.flat, some, strict=False):
        result = runner.run(scene)
        axis.imshow(runner.world.render(camera))
        lines = [
            f"seed {scene.seed}, {scene.shift.value.replace('_', ' ')}",
            fill(f"instruction: {scene.instruction}", LINE),
            fill(_ending(runner, scene, result), LINE),
        ]
        axis.set_title("\n".join(lines), fontsize=7.5, loc="left")
    figure.tight_layout()
    with write_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=100, bbox_inches="tight")
    pyplot.close(figure)
