"""What the cameras showed in some episodes."""

from collections.abc import Sequence

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation import resize_view
from qwen_vla_data.images import decode_image
from qwen_vla_data.sources import EpisodeSource
from qwen_vla_data.view_statistics import ViewStatistics, patches_of_episode, statistics_of

from .each_episode import each_episode


def measure_views(
    sources: Sequence[EpisodeSource], robot: Embodiment, workers: int
) -> dict[str, ViewStatistics]:
    """By view tag, over all episodes.

    Raises:
        QwenVlaError: an episode cannot be read, or has no images of a camera.
    """
    found = list(each_episode(_patches, sources, robot, workers, "images"))
    return {
        camera.tag: statistics_of([one for of_episode in found for one in of_episode[camera.tag]])
        for camera in robot.cameras
        if any(of_episode[camera.tag] for of_episode in found)
    }


def _patches(source: EpisodeSource, codec: EmbodimentCodec) -> dict[str, list[np.ndarray]]:
    images = source.load(codec).images
    found = {}
    for camera in codec.embodiment.cameras:
        if camera.name not in images:
            raise QwenVlaError(f"{source}: no images of camera {camera.name}")
        what = f"{source}: an image of camera {camera.name}"
        shown = [resize_view(decode_image(data, what), camera) for data in images[camera.name]]
        found[camera.tag] = patches_of_episode(shown)
    return found
