"""Does the policy look at what the sentence names? Measured by occlusion, and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import resize_view
from qwen_vla_core.whole_file import write_whole

from ..rates import Z_95, Interval
from ..runner import EpisodeRunner
from .occlusion import density, occlusion_map

if TYPE_CHECKING:
    from qwen_vla_core.types import Observation
    from qwen_vla_sim.tasks.task import Scene

PATCH = 1 / 8
"""Side of the patch that hides, as a part of the image's shorter side: 12 of 96 pixels."""
BATCH = 64
"""Images that go through the network together."""


@dataclass(frozen=True, kw_only=True)
class Looking:
    """How much more a chunk depends on what is named than on what another sentence names.

    Attributes:
        share: mean over scenes and sentences of named / (named + other): the map's mass per area
            in the box of either object, all cameras together. 0.5 is a policy that does not read.
        interval: 95 % interval of the mean.
        n: how many scenes, each with two sentences.
    """

    share: float
    interval: Interval
    n: int


def two_sentences(runner: EpisodeRunner, scene: "Scene") -> tuple[str, str] | None:
    """The scene's instruction, and the first that names another object; None if none does."""
    target = runner.task.target(scene, scene.instruction)
    others = (i for i in scene.instructions if runner.task.target(scene, i) != target)
    other = next(others, None)
    return None if other is None else (scene.instruction, other)


def measure_looking(runner: EpisodeRunner, scenes: Sequence["Scene"]) -> Looking:
    """Over scenes in which two objects can be named and are seen, each with both instructions.

    Both see the same images: whatever draws the eye by itself, colour or place, counts once for
    the named object and once against it.

    Raises:
        QwenVlaError: there are too few such scenes.
    """
    from qwen_vla_sim.progress import progress_bar

    shares = []
    title = f"{runner.task.name}: where it looks"
    with progress_bar(len(scenes), "scene", title=title) as progress:
        for scene in scenes:
            if (share := _share(runner, scene)) is not None:
                shares.append(share)
            progress.update()
    if len(shares) < 2:
        raise QwenVlaError(
            f"{runner.task.name}: two objects are seen in {len(shares)} scenes only"
        )
    mean = float(np.mean(shares))
    half = Z_95 * float(np.std(shares, ddof=1)) / len(shares) ** 0.5
    return Looking(
        share=mean, interval=(max(0.0, mean - half), min(1.0, mean + half)), n=len(shares)
    )


def _share(runner: EpisodeRunner, scene: "Scene") -> float | None:
    """The mean share of one scene's two sentences; None where no two objects can be named."""
    if (sentences := two_sentences(runner, scene)) is None:
        return None
    observation = first_observation(runner, scene)
    bodies = [runner.task.target(scene, sentence) for sentence in sentences]
    mass = np.zeros((2, 2))  # of each sentence, in the box of what it names and of the other
    for camera in runner.codec.embodiment.cameras:
        boxes = runner.world.visible_boxes(camera.name, bodies)
        if np.isfinite(boxes).all():
            for i, sentence in enumerate(sentences):
                heat = heat_map(runner, observation, sentence, camera.name, overlap=1)
                mass[i] += density(heat, boxes[i]), density(heat, boxes[1 - i])
    return float((mass[:, 0] / mass.sum(1)).mean()) if mass.any() else None


def first_observation(runner: EpisodeRunner, scene: "Scene") -> "Observation":
    """What the robot sees when the scene begins, at the size at which the model sees it."""
    from qwen_vla_core.types import Observation

    scene.lay_out(runner.world)
    robot, positions_D = runner.codec.embodiment, runner.world.positions_D
    images = {c.name: resize_view(runner.world.render(c.name), c) for c in robot.cameras}
    return Observation(
        stamp_s=0.0,
        images=images,
        history={c.name: (images[c.name],) * len(c.history_steps) for c in robot.cameras},
        positions_D=positions_D,
        commanded_D=positions_D,
        instruction=scene.instruction,
    )


def heat_map(
    runner: EpisodeRunner, observation: "Observation", sentence: str, camera: str, overlap: int
) -> np.ndarray:
    """The occlusion map [H, W] of the predicted chunk over the newest image of a camera.

    Args:
        overlap: patches that cover a pixel in each direction: 1 to measure, more for a figure.
    """
    from qwen_vla_model.introspection import predictions

    def predict(images: np.ndarray) -> np.ndarray:
        shown = [
            replace(
                observation, instruction=sentence, images={**observation.images, camera: image}
            )
            for image in images
        ]
        parts = [shown[i : i + BATCH] for i in range(0, len(shown), BATCH)]
        return np.concatenate([predictions(runner.policy, part) for part in parts])

    image = observation.images[camera]
    patch_px = round(PATCH * min(image.shape[:2]))
    return occlusion_map(predict, image, patch_px, max(1, patch_px // overlap))


def draw_looking(path: Path, runner: EpisodeRunner, scene: "Scene") -> None:
    """The maps of two sentences over the same scene, a row for each camera, all on one scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sentences, observation = two_sentences(runner, scene), first_observation(runner, scene)
    bodies = [runner.task.target(scene, sentence) for sentence in sentences]
    cameras = [camera.name for camera in runner.codec.embodiment.cameras]
    maps = {
        camera: [heat_map(runner, observation, s, camera, overlap=2) for s in sentences]
        for camera in cameras
    }
    highest = max(heat.max() for pair in maps.values() for heat in pair)
    figure, axes = pyplot.subplots(
        len(cameras), 2, figsize=(8.0, 4.0 * len(cameras)), squeeze=False, layout="constrained"
    )
    for row, (camera, pair) in zip(axes, maps.items(), strict=True):
        image, boxes = runner.world.render(camera), runner.world.visible_boxes(camera, bodies)
        for axis, heat, box in zip(row, pair, boxes, strict=True):
            axis.imshow(_overlaid(image, heat / highest))
            if np.isfinite(box).all():
                _outline(axis, box * np.tile(image.shape[1::-1], 2))
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(camera)
    for axis, sentence in zip(axes[0], sentences, strict=True):
        axis.set_title(f"“{sentence}”", fontsize=11)
    with write_whole(path) as partial:
        figure.savefig(partial, format="png", dpi=100)
    pyplot.close(figure)


def _overlaid(image: np.ndarray, heat_HW: np.ndarray) -> np.ndarray:
    """Heat of 0 to 1 in colours over a pale image, float [height, width, 3]."""
    from matplotlib import colormaps

    height, width, _ = image.shape
    heat = cv2.resize(heat_HW, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    grey = image.mean(-1, keepdims=True)
    pale = (0.4 * image + 0.6 * grey) / 255
    opacity = 0.9 * np.sqrt(heat)
    return (1 - opacity) * pale + opacity * colormaps["inferno"](heat[..., 0])[..., :3]


def _outline(axis, box: np.ndarray) -> None:
    """The outline of left, top, right, bottom, pixels."""
    left, top, right, bottom = box
    axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="white")
