"""A chunk on its way out of the noise, as paths of the tools over what a camera sees."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..stage import Stage
from .looking import first_observation, two_sentences

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene

LINES = ("-", "--", ":")
"""Of the first tool, the second, ..."""


def chunk_paths(stage: Stage, scene: "Scene", sentence: str) -> list[dict[str, np.ndarray]]:
    """Paths in the world of every tool and the base, after each Euler step, noise first.

    The policy observes the scene's beginning. The last are the paths of the chunk that it sends.
    """
    from dataclasses import replace

    from qwen_vla_model.introspection import denoising
    from qwen_vla_sim.worlds.tool_paths import tool_paths

    observation = replace(first_observation(stage, scene), instruction=sentence)
    return [
        tool_paths(
            stage.world,
            stage.codec.decode(actions_HC, observation.commanded_D, 0.0).positions_TD,
        )
        for actions_HC in denoising(stage.policy, observation, scene.seed)
    ]


def draw_denoising(path: Path, stage: Stage, scene: "Scene") -> None:
    """The paths of two sentences in the same scene, from the same noise, over the first camera."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from qwen_vla_sim.worlds.projection import project

    camera = stage.codec.embodiment.cameras[0].name
    sentences = two_sentences(stage, scene) or (scene.instruction,)
    size = (4.6 * len(sentences), 5.4)
    figure, axes = pyplot.subplots(1, len(sentences), figsize=size, squeeze=False)
    colours = pyplot.get_cmap("plasma_r")
    for axis, sentence in zip(axes[0], sentences, strict=True):
        steps = chunk_paths(stage, scene, sentence)
        picture = stage.world.render(camera)
        height, width, _ = picture.shape
        axis.imshow(picture, extent=(0, width, height, 0))
        for i, paths in enumerate(steps):
            done = i / (len(steps) - 1)
            for line, places in zip(LINES, paths.values(), strict=False):
                pixels = project(stage.world, camera, places, (width, height))
                axis.plot(
                    *pixels.T,
                    line,
                    color=colours(0.1 + 0.9 * done),
                    linewidth=1.0 + 2.0 * done,
                    marker="o" if done == 1.0 else None,
                    markersize=3.5,
                )
        axis.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
        axis.set_title(f"“{sentence}”", fontsize=11)
    scale = ScalarMappable(Normalize(0, len(steps) - 1), colours)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.12, wspace=0.03)
    bar = figure.colorbar(
        scale, cax=figure.add_axes((0.3, 0.07, 0.4, 0.025)), orientation="horizontal"
    )
    bar.set_ticks([0, len(steps) - 1], labels=["noise", f"{len(steps) - 1} Euler steps"])
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
