"""The plan being played: chunks of targets, looked up by time and joined without a step.

Between points positions and velocities are interpolated linearly. That never leaves the range of
the two neighbouring points, which a spline does, and at chunk rates near the command rate there
are hardly any corners for a spline to round; the safety filter's acceleration limit rounds them.

A mobile base is driven by velocities along its own axes. Each chunk has axes of its own, those of
the pose at its observation, so its base velocities are turned into the base's axes when it is
accepted. From then on chunks that were observed at different poses can be faded into each other.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from ..observation import FUTURE_TOLERANCE_S
from ..types import ActionChunk

CROSSFADE_S = 0.1
"""Time over which a new chunk fades in, s: five commands at 50 Hz, a third of a chunk of 16."""


STEP_TOLERANCE_S = 1e-6
"""A step on the wire is a whole number of nanoseconds."""

AGREEMENT = 0.01
"""Velocities and positions of a base may lead this far apart beside one step's motion, m or rad:
what rounding and the chords of a curve make of a chunk."""


class ChunkVerdict(Enum):
    """What became of a chunk; all but the first leave the old one playing."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    NON_FINITE = "non-finite"
    FUTURE = "future"
    BEFORE_MODE = "before mode"
    OLD = "old"
    LATE = "late"
    JUMP = "jump"
    FAR = "far"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The verdict on a chunk, and the reason in words."""

    verdict: ChunkVerdict
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Targets at one instant: float64 [D], rad or m, and rad/s or m/s.

    Of a base only the velocities count: ahead, to the left, and turning to the left.
    """

    positions_D: np.ndarray
    velocities_D: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A chunk, and when it began to fade in over the layer below it."""

    chunk: ActionChunk
    since_s: float


class Timeline:
    """Holds the chunk in use and, while it fades in, what it replaces. Not thread-safe."""

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        step_s: float,
        points: int,
        jump_limit: float | np.ndarray,
        crossfade_s: float = CROSSFADE_S,
        base: slice | None = None,
        reach_D: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Start with no chunk.

        Args:
            names: joint names, D of them.
            step_s: time between a chunk's points, s: the robot's action step.
            points: how many points a chunk has: the robot's horizon, and the one it starts from.
            jump_limit: largest distance from the command in force to a new chunk's target now,
                for all joints or one each, rad or m, > 0; inf for joints driven by velocity,
                whose positions are displacements from the observation's pose.
            crossfade_s: time over which a new chunk fades in over the old one, s, > 0.
            base: where base_x, base_y and base_yaw stand among the joints, if the robot has them;
                what they are sent are velocities, which have to agree with their positions.
            reach_D: lowest and highest position a chunk may name, float64 [D] each, +-inf where
                it may name any (an arm: the safety filter clamps those).
        Raises:
            ValueError: a limit or the time is NaN or not positive.
        """
        self._names, self._step_s, self._points = names, step_s, points
        self._jump_limit_D = np.broadcast_to(np.float64(jump_limit), (len(names),))
        if not ((self._jump_limit_D > 0.0).all() and crossfade_s > 0.0):
            raise ValueError("jump limits and crossfade time must be positive")
        self._crossfade_s = crossfade_s
        self._base, self._reach_D = base, reach_D
        self._valid_from_s = -np.inf
        self._layers: deque[_Layer] = deque()

    @property
    def observed_s(self) -> float:
        """ROS time at which the newest chunk was observed, s; -inf while there is none."""
        return self._layers[-1].chunk.stamp_s if self._layers else -np.inf

    def clear(self, valid_from_s: float) -> None:
        """Drop everything; from now on take only chunks observed at ``valid_from_s`` or later."""
        self._layers.clear()
        self._valid_from_s = valid_from_s

    def offer(self, chunk: ActionChunk, *, now_s: float, command_D: np.ndarray) -> Offer:
        """Take a chunk, or refuse it whole and let the old one go on.

        Args:
            chunk: the new plan.
            now_s: ROS time, s.
            command_D: the command in force, float64 [D], rad or m; a chunk that follows nothing
                fades in from here.
        Returns:
            The verdict, with the reason when refused.
        """
        refusal = self._refusal(chunk, now_s, command_D)
        if refusal is not None:
            return refusal
        if self._base is not None:
            chunk = in_base_axes(chunk, self._base)
        if self.sample(now_s) is None:
            # Nothing plays: the robot holds its command, so that is what the chunk fades in over.
            held = ActionChunk(
                stamp_s=now_s,
                step_s=self._crossfade_s,
                positions_TD=np.array(command_D, dtype=np.float64)[np.newaxis],
                velocities_TD=np.zeros((1, len(command_D))),
            )
            self._layers = deque([_Layer(chunk=held, since_s=now_s)])
        self._layers.append(_Layer(chunk=chunk, since_s=max(now_s, chunk.stamp_s)))
        return Offer(verdict=ChunkVerdict.ACCEPTED)

    def sample(self, now_s: float) -> Sample | None:
        """The targets at ``now_s``, or None before the first or beyond the last point.

        None means hold: the caller repeats its last command. Positions are continuous over every
        splice. Velocities fade from those of one plan to those of the other.
        """
        while len(self._layers) > 1 and self._weight(self._layers[1], now_s) >= 1.0:
            self._layers.popleft()
        if not self._layers:
            return None
        if not self._layers[0].chunk.stamp_s <= now_s <= self._layers[-1].chunk.end_s:
            return None
        layers = iter(self._layers)
        sample = _interpolate(next(layers).chunk, now_s)
        for layer in layers:
            weight = self._weight(layer, now_s)
            above = _interpolate(layer.chunk, now_s)
            sample = Sample(
                positions_D=(1.0 - weight) * sample.positions_D + weight * above.positions_D,
                velocities_D=(1.0 - weight) * sample.velocities_D + weight * above.velocities_D,
            )
        return sample

    def _weight(self, layer: _Layer, now_s: float) -> float:
        """How much of a layer is in, 0 to 1; smoothstep, so that speeds do not step either."""
        share = min(max((now_s - layer.since_s) / self._crossfade_s, 0.0), 1.0)
        return share * share * (3.0 - 2.0 * share)

    def _refusal(self, chunk: ActionChunk, now_s: float, command_D: np.ndarray) -> Offer | None:
        dof = len(self._names)
        if chunk.positions_TD.shape[1] != dof:
            reason = f"{chunk.positions_TD.shape[1]} joints, not {dof}"
            return Offer(verdict=ChunkVerdict.MALFORMED, reason=reason)
        kinds = {chunk.positions_TD.dtype.kind, chunk.velocities_TD.dtype.kind}
        if kinds != {"f"}:
            return Offer(
                verdict=ChunkVerdict.MALFORMED, reason="positions and velocities not floats"
            )
        if len(chunk.positions_TD) != self._points:
            reason = f"{len(chunk.positions_TD)} points; a chunk of this robot has {self._points}"
            return Offer(verdict=ChunkVerdict.MALFORMED, reason=reason)
        if not all(
            np.isfinite(values).all()
            for values in (chunk.positions_TD, chunk.velocities_TD, chunk.stamp_s, chunk.step_s)
        ):
            return Offer(verdict=ChunkVerdict.NON_FINITE, reason="a value is NaN or infinite")
        if abs(chunk.step_s - self._step_s) > STEP_TOLERANCE_S:
            reason = f"a step of {chunk.step_s:g} s; this robot's is {self._step_s:g} s"
            return Offer(verdict=ChunkVerdict.MALFORMED, reason=reason)
        if chunk.stamp_s > now_s + FUTURE_TOLERANCE_S:
            reason = f"observed {chunk.stamp_s - now_s:.3f} s in the future"
            return Offer(verdict=ChunkVerdict.FUTURE, reason=reason)
        if chunk.stamp_s < self._valid_from_s:
            reason = f"observed {self._valid_from_s - chunk.stamp_s:.3f} s before this mode began"
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason=reason)
        if self._layers and chunk.stamp_s <= self._layers[-1].chunk.stamp_s:
            behind_s = self._layers[-1].chunk.stamp_s - chunk.stamp_s
            reason = f"observed {behind_s:.3f} s before the chunk in use"
            return Offer(verdict=ChunkVerdict.OLD, reason=reason)
        if now_s > chunk.end_s:
            reason = f"its last point passed {now_s - chunk.end_s:.3f} s ago"
            return Offer(verdict=ChunkVerdict.LATE, reason=reason)
        if self._reach_D is not None:
            lowest_D, highest_D = self._reach_D
            beyond_TD = (chunk.positions_TD < lowest_D) | (chunk.positions_TD > highest_D)
            if beyond_TD.any():
                k, d = np.argwhere(beyond_TD)[0]
                reason = (
                    f"{self._names[d]} would come to {chunk.positions_TD[k, d]:.3f}, allowed "
                    f"{lowest_D[d]:g} to {highest_D[d]:g}"
                )
                return Offer(verdict=ChunkVerdict.FAR, reason=reason)
        if self._base is not None:
            apart = _contradiction(chunk, self._base)
            # Velocities may be taken anywhere within a step, which is at most one step of them.
            fastest = np.abs(chunk.velocities_TD[:, self._base]).max(axis=0) * chunk.step_s
            bad = np.flatnonzero(~(apart <= fastest + AGREEMENT))
            if len(bad):
                name = self._names[self._base.start + bad[0]]
                reason = f"{name}: its velocities lead {apart[bad[0]]:.3f} beside its positions"
                return Offer(verdict=ChunkVerdict.CONTRADICTION, reason=reason)
        jump_D = np.abs(_interpolate(chunk, now_s).positions_D - command_D)
        if not (jump_D <= self._jump_limit_D).all():
            d = int(np.argmax(jump_D / self._jump_limit_D))
            reason = (
                f"{self._names[d]} would jump {jump_D[d]:.3f}, limit {self._jump_limit_D[d]:.3f}"
            )
            return Offer(verdict=ChunkVerdict.JUMP, reason=reason)
        return None


def _contradiction(chunk: ActionChunk, base: slice) -> np.ndarray:
    """How far a base's velocities lead beside its positions at the most, [3], m and rad."""
    velocities_TB, positions_TB = chunk.velocities_TD[:, base], chunk.positions_TD[:, base]
    with np.errstate(over="ignore"):  # infinite is a contradiction as well
        means_TB = (velocities_TB[1:] + velocities_TB[:-1]) / 2.0
        led_TB = np.cumsum(means_TB, axis=0) * chunk.step_s
    return np.abs(led_TB - (positions_TB[1:] - positions_TB[0])).max(axis=0, initial=0.0)


def in_base_axes(chunk: ActionChunk, base: slice) -> ActionChunk:
    """The chunk with its base velocities along the base's own axes at each point.

    On the wire they lie along the axes of the pose at the observation.
    """
    yaw_T = chunk.positions_TD[:, base][:, 2]
    x_T, y_T, turn_T = chunk.velocities_TD[:, base].T
    ahead_T = np.cos(yaw_T) * x_T + np.sin(yaw_T) * y_T
    left_T = np.cos(yaw_T) * y_T - np.sin(yaw_T) * x_T
    velocities_TD = chunk.velocities_TD.copy()
    velocities_TD[:, base] = np.stack([ahead_T, left_T, turn_T], axis=1)
    return replace(chunk, velocities_TD=velocities_TD)


def _interpolate(chunk: ActionChunk, now_s: float) -> Sample:
    """The chunk at ``now_s``, linear between points, its first or last point beyond them."""
    last = len(chunk.positions_TD) - 1
    place = min(max((now_s - chunk.stamp_s) / chunk.step_s, 0.0), float(last))
    k = min(int(place), max(last - 1, 0))
    share, after = place - k, min(k + 1, last)
    return Sample(
        positions_D=(1.0 - share) * chunk.positions_TD[k] + share * chunk.positions_TD[after],
        velocities_D=(1.0 - share) * chunk.velocities_TD[k] + share * chunk.velocities_TD[after],
    )
