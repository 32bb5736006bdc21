"""One observation out of many streams: the freshest sample of each, or the reason why not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import QwenVlaError
from ..types import Observation
from .command_history import CommandHistory
from .image_history import ImageHistory
from .joints import match_joints
from .stream import Fault, Instant, SampleReport, SampleVerdict, Stream, StreamFault

FROZEN_AFTER_S = 2.0
"""Identical pixels for longer than this are a frozen camera, s: sensor noise alone changes some
in every frame."""

COMMAND_MAX_AGE_S = 0.5
"""The control node publishes its command in every period, also while it holds; silence for longer
than this means that it is gone, s."""

BACK_TOLERANCE_S = 0.05
"""ROS time may be read this much out of order, s, by callbacks that overtake each other."""

USED = (SampleVerdict.ACCEPTED, SampleVerdict.UNSTAMPED)


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """A camera: its name in the observation and what makes its image unusable.

    Attributes:
        name: key in ``Observation.images``.
        max_age_s: oldest usable image, s.
        optional: without a usable image the observation goes on without it.
        frozen_after_s: longest time the pixels may stay identical, s; None for simulation.
        history_s: how long before the newest image the model also wants one, s, rising.
    """

    name: str
    max_age_s: float
    optional: bool = False
    frozen_after_s: float | None = FROZEN_AFTER_S
    history_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JointsSpec:
    """A joint state topic.

    Attributes:
        name: what to call it.
        max_age_s: oldest usable sample, s.
        joints: the joints to read from its messages, as they are called there.
        rows: where they stand in the embodiment's order.
    """

    name: str
    max_age_s: float
    joints: tuple[str, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why there is no observation."""

    reasons: tuple[StreamFault, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.reasons))


class ObservationAssembler:
    """Collects samples as they come and assembles an observation on demand. Not thread-safe."""

    def __init__(
        self,
        *,
        cameras: Sequence[CameraSpec],
        joint_streams: Sequence[JointsSpec],
        joint_names: Sequence[str],
        unmeasured_rows: Sequence[int] = (),
        max_skew_s: float,
    ) -> None:
        """Start with nothing received.

        Args:
            cameras: the cameras.
            joint_streams: the joint state topics; together they read every joint once.
            joint_names: embodiment joint order.
            unmeasured_rows: joints without a topic, which are 0 by definition (a base's).
            max_skew_s: longest time between the oldest and the newest sample used, s, > 0.
        Raises:
            ValueError: stream names repeat, a joint is read never or twice, or a limit is not
                positive.
        """
        names = [spec.name for spec in (*cameras, *joint_streams)]
        if len({*names, "command"}) != len(names) + 1:
            raise ValueError(f"stream names must differ from each other and 'command': {names}")
        read = [row for spec in joint_streams for row in spec.rows]
        if sorted([*read, *unmeasured_rows]) != list(range(len(joint_names))):
            raise ValueError(f"joints {joint_names} must each be read once, not rows {read}")
        if not max_skew_s > 0.0:
            raise ValueError(f"max_skew_s is {max_skew_s}; it must be positive")
        self._cameras = {
            spec.name: Stream(
                name=spec.name, max_age_s=spec.max_age_s, frozen_after_s=spec.frozen_after_s
            )
            for spec in cameras
        }
        self._history = {
            spec.name: ImageHistory(spec.history_s, tolerance_s=spec.max_age_s)
            for spec in cameras
            if spec.history_s
        }
        self._optional = [spec.name for spec in cameras if spec.optional]
        self._joints = {
            spec.name: Stream(name=spec.name, max_age_s=spec.max_age_s) for spec in joint_streams
        }
        self._joints_of = {spec.name: spec.joints for spec in joint_streams}
        self._rows_of = {spec.name: list(spec.rows) for spec in joint_streams}
        self._joint_names = tuple(joint_names)
        self._max_skew_s = max_skew_s
        self._command = Stream(name="command", max_age_s=COMMAND_MAX_AGE_S)
        self._commands = CommandHistory()
        self._ros_s = -np.inf
        self._time_fault: StreamFault | None = None

    def add_image(
        self, name: str, image_HWC: np.ndarray, *, stamp_s: float, now: Instant
    ) -> SampleReport:
        """Take an image: uint8 RGB [H, W, 3], not written to afterwards.

        Raises:
            KeyError: there is no such camera.
        """
        self._follow_ros_time(now)
        stream = self._cameras[name]
        if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
            return _malformed(name, f"{image_HWC.dtype} {image_HWC.shape} is no RGB image")
        report = stream.add(image_HWC, stamp_s=stamp_s, now=now)
        if name in self._history and report.verdict in USED:
            self._history[name].add(stream.stamp_s, image_HWC)
        return report

    def add_joints(
        self,
        name: str,
        joints: Sequence[str],
        positions: Sequence[float],
        *,
        stamp_s: float,
        now: Instant,
    ) -> SampleReport:
        """Take a joint state message: names and positions in any order, rad or m.

        Raises:
            KeyError: there is no such joint stream.
        """
        self._follow_ros_time(now)
        wanted = self._joints_of[name]
        return self._take_joints(
            self._joints[name], joints, positions, wanted, stamp_s=stamp_s, now=now
        )

    def add_command(
        self, joints: Sequence[str], positions: Sequence[float], *, stamp_s: float, now: Instant
    ) -> SampleReport:
        """Take what was commanded at ``stamp_s``: names and positions in any order, rad or m."""
        self._follow_ros_time(now)
        report = self._take_joints(
            self._command, joints, positions, self._joint_names, stamp_s=stamp_s, now=now
        )
        if report.verdict in USED:
            self._commands.add(self._command.stamp_s, self._command.data)
        return report

    def ages_s(self, now: Instant) -> dict[str, float]:
        """Age of every stream, s; inf where nothing was received."""
        return {stream.name: stream.age_s(now) for stream in self._streams()}

    def assemble(self, instruction: str, now: Instant) -> Observation | Refusal:
        """The observation now, or every reason why there is none.

        An optional camera that is missing, old, frozen or too far from the others is left out; no
        image is ever made up.
        """
        self._follow_ros_time(now)
        if self._time_fault is not None:
            reasons, self._time_fault = (self._time_fault,), None
            return Refusal(reasons=reasons)
        needed = [s for name, s in self._cameras.items() if name not in self._optional]
        needed += self._joints.values()
        faults = [stream.fault(now) for stream in (*needed, self._command)]
        if any(faults):
            return Refusal(reasons=tuple(fault for fault in faults if fault is not None))

        skew_s = _span_s(needed)
        if skew_s > self._max_skew_s:
            oldest = min(needed, key=lambda stream: stream.stamp_s)
            newest = max(needed, key=lambda stream: stream.stamp_s)
            detail = f"{skew_s:.3f} s behind {newest.name}, limit {self._max_skew_s:.3f} s"
            return _refusal(oldest.name, Fault.SKEWED, detail)
        used = needed
        for name in self._optional:
            stream = self._cameras[name]
            if stream.fault(now) is None and _span_s([*used, stream]) <= self._max_skew_s:
                used = [*used, stream]

        images = [stream for stream in self._cameras.values() if stream in used]
        stamp_s = min(stream.stamp_s for stream in images or used)
        commanded_D = self._commands.at(stamp_s)
        if commanded_D is None:
            detail = f"nothing known of what was sent {now.ros_s - stamp_s:.3f} s ago"
            return _refusal(self._command.name, Fault.NO_COMMAND, detail)
        positions_D = np.zeros(len(self._joint_names))
        for name, stream in self._joints.items():
            positions_D[self._rows_of[name]] = stream.data
        return Observation(
            stamp_s=stamp_s,
            images={stream.name: stream.data for stream in images},
            history={
                stream.name: self._history[stream.name].before()
                for stream in images
                if stream.name in self._history
            },
            positions_D=positions_D,
            commanded_D=commanded_D,
            instruction=instruction,
        )

    def _take_joints(
        self,
        stream: Stream,
        joints: Sequence[str],
        positions: Sequence[float],
        wanted: Sequence[str],
        *,
        stamp_s: float,
        now: Instant,
    ) -> SampleReport:
        try:
            positions_D = match_joints(joints, positions, wanted)
        except QwenVlaError as error:
            return _malformed(stream.name, str(error))
        return stream.add(positions_D, stamp_s=stamp_s, now=now)

    def _streams(self) -> tuple[Stream, ...]:
        return (*self._cameras.values(), *self._joints.values(), self._command)

    def _follow_ros_time(self, now: Instant) -> None:
        """Forget everything when ROS time goes back: a bag that loops, a simulator that resets."""
        if now.ros_s < self._ros_s - BACK_TOLERANCE_S:
            detail = f"ROS time went back by {self._ros_s - now.ros_s:.3f} s; buffers flushed"
            self._time_fault = StreamFault(
                stream="clock", fault=Fault.TIME_WENT_BACK, detail=detail
            )
            for kept in (*self._streams(), *self._history.values(), self._commands):
                kept.clear()
        elif now.ros_s < self._ros_s:
            return
        self._ros_s = now.ros_s


def _span_s(streams: Sequence[Stream]) -> float:
    stamps_s = [stream.stamp_s for stream in streams]
    return max(stamps_s) - min(stamps_s)


def _refusal(stream: str, fault: Fault, detail: str) -> Refusal:
    return Refusal(reasons=(StreamFault(stream=stream, fault=fault, detail=detail),))


def _malformed(name: str, reason: str) -> SampleReport:
    return SampleReport(verdict=SampleVerdict.MALFORMED, reason=f"{name}: {reason}")
