"""The denoising of a chunk, step by step, as paths of the tools over what a camera sees."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qwen_vla_core.whole_file import write_whole

from ..runner import EpisodeRunner
from .looking import first_observation, two_sentences

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene

LINES = ("-", "--", ":")
"""Colours of the first tool, the second, ..."""
BESIDE = 0.3
"""How far beside the image paths are drawn, as a part of its sides."""
UNUSUAL = 20
"""Starts to search."""


def chunk_paths(
    runner: EpisodeRunner, scene: "Scene", sentence: str
) -> list[dict[str, np.ndarray]]:
    """Paths in the world of every tool and the base, after each Euler step, noise first.

    The policy observes the scene's beginning. The last are the paths of the chunk that it sends.
    """
    from qwen_vla_model.introspection import denoising
    from qwen_vla_sim.worlds.tool_paths import tool_paths

    observation = replace(first_observation(runner, scene), instruction=sentence)
    return [
        tool_paths(
            runner.world,
            runner.codec.decode(actions_HC, observation.commanded_D, 0.0).positions_TD,
        )
        for actions_HC in denoising(runner.policy, observation, scene.seed)
    ]


def draw_denoising(path: Path, runner: EpisodeRunner, scene: "Scene") -> None:
    """The paths of two sentences in the same scene, from the same noise, over the first camera."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from qwen_vla_sim.worlds.projection import project

    camera = runner.codec.embodiment.cameras[0].name
    sentences = two_sentences(runner, scene) or (scene.instruction,)
    size = (4.6 * len(sentences), 5.4)
    figure, axes = pyplot.subplots(1, len(sentences), figsize=size, squeeze=False)
    colours = pyplot.get_cmap("plasma_r")
    ends = []  # where the chunks themselves lead
    for axis, sentence in zip(axes[0], sentences, strict=True):
        steps = chunk_paths(runner, scene, sentence)
        image = runner.world.render(camera)
        height, width, _ = image.shape
        axis.imshow(image, extent=(0, width, height, 0))
        for i, paths in enumerate(steps):
            done = i / (len(steps) - 1)
            for line, (tool, places) in zip(LINES, paths.items(), strict=False):
                pixels = project(runner.world, camera, places, (width, height))
                ends += [pixels] if done == 1.0 else []
                axis.plot(
                    *pixels.T,
                    line,
                    color=colours(0.1 + 0.9 * done),
                    linewidth=1.0 + 2.0 * done,
                    marker="o" if done == 1.0 else None,
                    markersize=3.5,
                    label=tool if done == 1.0 else None,
                )
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"“{sentence}”", fontsize=11)
    for axis in axes[0]:
        (left, top), (right, bottom) = _limits(ends, (width, height))
        axis.set(xlim=(left, right), ylim=(bottom, top))
        if len(steps[-1]) > 1:
            axis.legend(fontsize=8, loc="upper right", handlelength=4)
    scale = ScalarMappable(Normalize(0, len(steps) - 1), colours)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.12, wspace=0.03)
    bar = figure.colorbar(
        scale, cax=figure.add_axes((0.3, 0.07, 0.4, 0.025)), orientation="horizontal"
    )
    bar.set_ticks([0, len(steps) - 1], labels=["noise", f"{len(steps) - 1} Euler steps"])
    with write_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=100)
    pyplot.close(figure)


def _limits(pixels: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Left top and right bottom of the drawing: the image, and a chunk that begins beside it."""
    points, beside = np.concatenate([*pixels, [(0.0, 0.0), size]]), BESIDE * np.array(size)
    lowest, highest = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    return np.stack([np.maximum(lowest, -beside), np.minimum(highest, size + beside)])


def scene_to_show(runner: EpisodeRunner, scenes: Sequence["Scene"]) -> "Scene":
    """The first with two sentences, and with a tool in the first camera's image.

    Some robots begin with their tools beside the image: then one of the scene's unusual starts.
    """
    scene = next(scene for scene in scenes if two_sentences(runner, scene))
    rng = np.random.default_rng(scene.seed)
    unusual = (runner.task.scatter(scene, rng) for _ in range(UNUSUAL))
    return next((each for each in (scene, *unusual) if _tool_in_sight(runner, each)), scene)


def _tool_in_sight(runner: EpisodeRunner, scene: "Scene") -> bool:
    """Whether there is an arm whose tool is in the first camera's image."""
    from qwen_vla_sim.worlds.projection import project
    from qwen_vla_sim.worlds.tool_paths import BASE, tool_paths

    scene.lay_out(runner.world)
    camera = runner.codec.embodiment.cameras[0].name
    paths = tool_paths(runner.world, runner.world.positions_D[None])
    places = [path[0] for name, path in paths.items() if name != BASE]
    pixels = project(runner.world, camera, np.reshape(places, (-1, 3)), (1, 1))
    return bool(((pixels > 0.0) & (pixels < 1.0)).all(1).any())
