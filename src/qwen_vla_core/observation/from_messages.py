"""A robot's messages become its observations, live and from a recording, by the same code."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.streams import joint_streams
from ..from_messages import NOT_OURS, seconds
from ..images import image_from_message, rgb_from_image
from ..types import Observation
from .assembler import Refusal
from .of_embodiment import assembler_of
from .stream import Instant, SampleReport, SampleVerdict

COMMAND = "command"
"""The stream of what is commanded."""


class MessageObserver:
    """Takes decoded messages and assembles observations on demand. Not thread-safe.

    Streams are called as in the assembler: cameras by their names, joint states by their topics,
    and ``COMMAND``.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        *,
        simulated: bool,
        rgb: Callable[[Any, str], np.ndarray] = rgb_from_image,
    ) -> None:
        """Start with nothing received.

        Args:
            simulated: a still image is not a frozen camera.
            rgb: what converts raw colour images.
        """
        self._assembler = assembler_of(embodiment, simulated=simulated)
        self._cameras = {camera.name: camera for camera in embodiment.cameras}
        self._wanted = {s.topic: frozenset(s.driver_names) for s in joint_streams(embodiment)}
        self._rgb = rgb

    def take(self, stream: str, message: Any, now: Instant) -> SampleReport:
        """Take a message that was received ``now``.

        Raises:
            ObservationError: an image cannot be used. KeyError: there is no such stream.
        """
        stamp_s = seconds(message.header.stamp)
        if stream in self._cameras:
            image = image_from_message(self._cameras[stream], message, self._rgb)
            return self._assembler.add_image(stream, image, stamp_s=stamp_s, now=now)
        if stream == COMMAND:
            return self._assembler.add_command(
                message.name, message.position, stamp_s=stamp_s, now=now
            )
        if self._wanted[stream].isdisjoint(message.name):  # the wheels', a gripper's
            return SampleReport(verdict=SampleVerdict.NOT_OURS, reason=f"{stream}: {NOT_OURS}")
        return self._assembler.add_joints(
            stream, message.name, message.position, stamp_s=stamp_s, now=now
        )

    def assemble(self, instruction: str, now: Instant) -> Observation | Refusal:
        """The observation now, or every reason why there is none."""
        return self._assembler.assemble(instruction, now)

    def ages_s(self, now: Instant) -> dict[str, float]:
        """Age of every stream, s; inf where nothing was received."""
        return self._assembler.ages_s(now)
