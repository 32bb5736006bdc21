"""What the robot saw at a step of an episode, as a policy gets it."""

from collections.abc import Mapping

import numpy as np

from qwen_vla_core.embodiment import Camera, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.types import Observation

from .checks.finding import seconds_of
from .episode import Episode
from .images import decode_image


class EpisodeObservations:
    """The observations of one episode, for one robot."""

    def __init__(self, episode: Episode, codec: EmbodimentCodec) -> None:
        """Prepare an episode of this robot.

        Raises:
            QwenVlaError: past images that a camera shows were not recorded.
        """
        self._episode, self._codec, self._robot = episode, codec, codec.embodiment
        for camera in self._robot.cameras:
            if any(back % episode.stride for back in camera.history_steps):
                raise QwenVlaError(
                    f"every {episode.stride}th action step is recorded, so the history_steps "
                    f"{list(camera.history_steps)} of camera {camera.name} are not"
                )
        seconds_T = seconds_of(episode, self._robot)
        self._stamps_T = seconds_T if episode.stamps_T is None else episode.stamps_T

    def at(self, step: int) -> Observation:
        """The observation of a step; before the first image of a history the first stands.

        Raises:
            QwenVlaError: a camera that is not optional is missing, an image is damaged, or the
                state is none that the arm can be in.
        """
        episode = self._episode
        positions_D = self._positions(step)
        images, history = {}, {}
        for camera in self._robot.cameras:
            if camera.name not in episode.images:
                if camera.optional:
                    continue
                raise QwenVlaError(f"no images of camera {camera.name}")
            *past, images[camera.name] = self._images(camera, step)
            if past:
                history[camera.name] = tuple(past)
        return Observation(
            stamp_s=float(self._stamps_T[step]),
            images=images,
            history=history,
            positions_D=positions_D,
            commanded_D=np.where(
                self._robot.base_D, 0.0, episode.commanded_TD[step].astype(float)
            ),
            instruction=episode.instructions[0],
        )

    def _images(self, camera: Camera, step: int) -> list[np.ndarray]:
        """The images of a camera, oldest first."""
        frames: Mapping[str, tuple[bytes, ...]] = self._episode.images
        steps = [max(step - back // self._episode.stride, 0) for back in camera.frames]
        return [
            decode_image(frames[camera.name][t], f"image {t} of camera {camera.name}")
            for t in steps
        ]

    def _positions(self, step: int) -> np.ndarray:
        """Measured positions; where only states are known, those near what was commanded."""
        episode = self._episode
        if episode.positions_TD is not None:
            return np.asarray(episode.positions_TD[step], dtype=float)
        near_D = np.where(self._robot.base_D, 0.0, episode.commanded_TD[step])
        return self._codec.positions(episode.states_TS[step].astype(float), near_D)
