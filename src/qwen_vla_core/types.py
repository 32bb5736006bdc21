"""The two things that travel through the suite: an observation in, a chunk of targets out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .errors import ChunkError


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One synchronised set of what the robot sees and where it is.

    Attributes:
        stamp_s: ROS time at which the oldest of the images was taken, s.
        images: camera name -> uint8 RGB [H, W, 3], any size; depth is rendered to colours.
        history: camera name -> its images before that, oldest first, as many as the camera's
            ``history_steps``; cameras without are left out.
        positions_D: measured joint positions, float64 [D], embodiment joint order, rad or m.
        commanded_D: what had been commanded at ``stamp_s``, same layout. Deltas are integrated
            from here (BridgeData's convention), not from the measured pose.
        instruction: the task in words.
    """

    stamp_s: float
    images: Mapping[str, np.ndarray]
    positions_D: np.ndarray
    commanded_D: np.ndarray
    instruction: str
    history: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ActionChunk:
    """Joint targets over time: point k is the target at ``stamp_s + k * step_s``.

    Attributes:
        stamp_s: ROS time of the observation the chunk answers, s; identifies the chunk.
        step_s: time between points, s, > 0.
        positions_TD: float64 [T, D], T >= 1, embodiment joint order, rad or m.
        velocities_TD: float64 [T, D], rad/s or m/s.

    Raises:
        ChunkError: shapes disagree, the chunk is empty, or the step is not positive. Values are
            not checked here: the timeline refuses what is not finite.
    """

    stamp_s: float
    step_s: float
    positions_TD: np.ndarray
    velocities_TD: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.positions_TD.ndim != 2 or len(self.positions_TD) == 0:
            raise ChunkError(f"chunk positions have shape {self.positions_TD.shape}, not [T>0, D]")
        if self.velocities_TD.shape != self.positions_TD.shape:
            raise ChunkError(
                f"chunk velocities {self.velocities_TD.shape} do not match "
                f"positions {self.positions_TD.shape}"
            )
        if not self.step_s > 0.0:
            raise ChunkError(f"chunk step is {self.step_s} s; it must be positive")

    @property
    def end_s(self) -> float:
        """ROS time of the last point, s."""
        return self.stamp_s + (len(self.positions_TD) - 1) * self.step_s
