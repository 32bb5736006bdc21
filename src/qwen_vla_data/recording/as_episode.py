"""A recording as an episode: what the policy would have observed at every action step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import ObservationError, QwenVlaError, RecordingError
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation import (
    COMMAND,
    Fault,
    Instant,
    MessageObserver,
    Refusal,
    resize_view,
)
from qwen_vla_core.types import Observation

from ..episode import Episode
from ..images import encode_png
from ..takeovers import DRIVEN
from .labels import Outcome
from .reader import Recording
from .streams import Series, Streams, read_streams
from .topics import COMMAND as COMMAND_TOPIC

JUDGED = {Outcome.SUCCESS: True, Outcome.FAILURE: False}
LEAST_STEPS = 2
"""One step has nothing after it to learn from."""
BRIDGED_S = 0.5
"""Where the robot could not be observed for at most this long, the recording goes on, s: a busy
computer delivers joint states or an image late. So long a silence of the commands means that the
control node is gone (``COMMAND_MAX_AGE_S``)."""
NEGLIGIBLE_S = 0.5
"""So much of what was driven may be missing at the ends without a word, s: the first step is the
first at which every stream was there."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was observed at one action step.

    Attributes:
        time_s: ROS time of the step; the observation is of its stamp, a little before.
        observed: False where the robot could not be observed: the observation before stands.
    """

    time_s: float
    observation: Observation
    observed: bool = True


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The longest part of a recording that goes on, and what ended the parts.

    Attributes:
        gaps: (ROS time, s; why the robot could not be observed), from when it could not: at the
            beginning of the recording and at the end of each part.
    """

    steps: list[Step]
    gaps: list[tuple[float, str]]


def episode_of(recording: Recording, codec: EmbodimentCodec, *, views: bool = True) -> Episode:
    """The longest part of a recording without a gap of more than ``BRIDGED_S``.

    Commands are taken on the even grid of the steps, as long before each as its observation's
    stamp is in the median: stamps come as unevenly as a camera's frames, plans must not.

    Args:
        codec: of the robot that is to learn from it.
        views: images have the size at which the model sees them; without, their own.
    Raises:
        QwenVlaError: it is of another robot, or no part of it can be observed; one line.
    """
    robot = codec.embodiment
    _check_robot(recording, robot)
    observed = observe(recording, robot)
    steps, streams = observed.steps, read_streams(recording)
    seen = [step for step in steps if step.observed]
    lag_s = float(np.median([step.time_s - step.observation.stamp_s for step in seen]))
    times_T = np.array([step.time_s for step in steps]) - lag_s
    observations = [step.observation for step in steps]
    positions_TD = np.stack([observation.positions_D for observation in observations])
    return Episode(
        embodiment=robot.name,
        stride=1,
        instructions=(recording.instruction,),
        images=_images(observations, robot, views),
        states_TS=np.stack([codec.state(p) for p in positions_TD]).astype(np.float32),
        commanded_TD=_commanded(recording, streams, robot, times_T).astype(np.float32),
        positions_TD=positions_TD,
        stamps_T=np.array([observation.stamp_s for observation in observations]),
        modes_T=_during([(at_s, mode.value) for at_s, mode, _ in streams.modes], times_T),
        interventions_T=_during(streams.interventions, times_T),
        observed_T=None if seen == steps else np.array([step.observed for step in steps]),
        left_out=_left_out(recording, streams, robot, observed),
        success=JUDGED.get(recording.end.outcome),
    )


def observe(recording: Recording, robot: Embodiment) -> Observed:
    """The observations at the action steps of the longest part without a gap.

    Every message is taken when it was received, and by the code that takes it on the robot. Steps
    of a gap of at most ``BRIDGED_S`` are part of it, and marked.

    Raises:
        RecordingError: there is no part of ``LEAST_STEPS``; it says why the robot could not be
            observed.
    """
    observer = MessageObserver(robot, simulated=recording.start.simulated)
    names = {camera.topic: camera.name for camera in robot.cameras}
    names |= {stream.topic: stream.topic for stream in joint_streams(robot)}
    names[COMMAND_TOPIC] = COMMAND
    longest: list[Step] = []
    current: list[Step] = []  # ends with an observed step
    missed: list[Step] = []  # what follows it unobserved, until it is observed again
    gaps: list[tuple[float, str]] = []
    refusal, next_s = "nothing was received", None
    for message in recording.messages(names):
        while next_s is not None and next_s < message.received_s:
            found = observer.assemble(recording.instruction, _instant(next_s))
            if not isinstance(found, Refusal):
                current += [*missed, Step(time_s=next_s, observation=found)]
                missed = []
                longest = max(longest, current, key=len)
                next_s += robot.action_step_s
                continue
            refusal = str(found)
            last = current[-1] if current else None
            if not last or next_s - last.time_s > BRIDGED_S or _time_went_back(found):
                gaps.append((last.time_s if last else next_s, refusal))
                current, missed, next_s = [], [], None
                break
            missed.append(Step(time_s=next_s, observation=last.observation, observed=False))
            next_s += robot.action_step_s
        try:
            observer.take(names[message.topic], message.decode(), _instant(message.received_s))
        except (ObservationError, RecordingError) as error:
            refusal = str(error)
            continue
        if next_s is None:
            found = observer.assemble(recording.instruction, _instant(message.received_s))
            if isinstance(found, Refusal):
                refusal = str(found)
            else:
                if not gaps:  # until now it could not be observed
                    gaps.append((recording.start_s, refusal))
                next_s = message.received_s
    if current and recording.end_s - current[-1].time_s > BRIDGED_S:
        gaps.append((current[-1].time_s, refusal if missed else "nothing more was received"))
    if len(longest) < LEAST_STEPS:
        raise RecordingError(f"{recording.path}: {robot.name} cannot be observed: {refusal}")
    return Observed(steps=longest, gaps=gaps)


def _left_out(
    recording: Recording, streams: Streams, robot: Embodiment, observed: Observed
) -> str | None:
    """How much of what was driven is not in an episode, and why; None where it is nothing."""
    changes = streams.modes or ((recording.start_s, Mode.TELEOP, ""),)
    ends_s = [*(at_s for at_s, *_ in changes[1:]), recording.end_s]
    first_s = observed.steps[0].time_s
    last_s = observed.steps[-1].time_s + robot.action_step_s
    driven_s = before_s = after_s = 0.0
    for (from_s, mode, _), to_s in zip(changes, ends_s, strict=True):
        if mode in DRIVEN:
            driven_s += to_s - from_s
            before_s += max(min(to_s, first_s) - from_s, 0.0)
            after_s += max(to_s - max(from_s, last_s), 0.0)
    if before_s + after_s <= NEGLIGIBLE_S:
        return None
    before = [gap for gap in observed.gaps if gap[0] <= first_s]
    after = [gap for gap in observed.gaps if gap[0] > first_s]
    at_s, why = before[-1] if before_s > after_s or not after else after[0]
    return (
        f"{before_s + after_s:.1f} s of the {driven_s:.1f} s that were driven are left out: "
        f"{why}, from {at_s - recording.start_s:.1f} s of the recording on"
    )


def _time_went_back(refusal: Refusal) -> bool:
    return any(reason.fault is Fault.TIME_WENT_BACK for reason in refusal.reasons)


def _instant(time_s: float) -> Instant:
    return Instant(ros_s=time_s, steady_s=time_s)


def _check_robot(recording: Recording, robot: Embodiment) -> None:
    if recording.start.embodiment != robot.name:
        raise RecordingError(
            f"{recording.path}: recorded on {recording.start.embodiment}, not on {robot.name}"
        )
    recorded = recording.embodiment.joint_names
    if recorded != robot.joint_names:
        raise RecordingError(
            f"{recording.path}: recorded with the joints {', '.join(recorded)}, but {robot.name} "
            f"has {', '.join(robot.joint_names)}; use the embodiment file of that time"
        )
    for camera in robot.cameras:
        if not camera.optional and not recording.counts.get(camera.topic):
            there = [c.name for c in robot.cameras if recording.counts.get(c.topic)]
            raise RecordingError(
                f"{recording.path}: no image of camera {camera.name} on {camera.topic}; it has "
                f"{', '.join(there) or 'none'}"
            )


def _images(
    observations: list[Observation], robot: Embodiment, views: bool
) -> dict[str, tuple[bytes, ...]]:
    """Encoded without loss; an optional camera is left out where it has no image at all."""
    images = {}
    for camera in robot.cameras:
        seen = [observation.images.get(camera.name) for observation in observations]
        if all(image is None for image in seen):
            continue
        if views:
            seen = [None if image is None else resize_view(image, camera) for image in seen]
        images[camera.name] = tuple(b"" if i is None else encode_png(i) for i in seen)
    return images


def _commanded(
    recording: Recording, streams: Streams, robot: Embodiment, times_T: np.ndarray
) -> np.ndarray:
    """[T, D]: what was commanded at times; of a base its pose in the world, by odometry."""
    commanded_TD = _interpolated(streams.commands, times_T)
    if robot.base is None:
        return commanded_TD
    if not len(streams.odometry.stamps_s_T):
        topic = robot.base.driver.odometry_topic
        raise QwenVlaError(f"{recording.path}: nothing was received on {topic}")
    commanded_TD[:, np.array(robot.base_D)] = _interpolated(streams.odometry, times_T, turns=2)
    return commanded_TD


def _interpolated(series: Series, times_T: np.ndarray, turns: int | None = None) -> np.ndarray:
    """Values at times, [T, N]; before the first and after the last, those.

    Args:
        turns: the column of an angle that may pass from pi to -pi.
    """
    order = np.argsort(series.stamps_s_T, kind="stable")
    stamps_T, values_TN = series.stamps_s_T[order], series.values_TN[order].copy()
    if turns is not None:
        values_TN[:, turns] = np.unwrap(values_TN[:, turns])
    columns = [np.interp(times_T, stamps_T, values_TN[:, n]) for n in range(values_TN.shape[1])]
    return np.stack(columns, axis=1)


def _during(changes: Sequence[tuple[float, Any]], times_T: np.ndarray) -> np.ndarray | None:
    """The value that was the last at each time, or the first before it; None for no value."""
    if not changes:
        return None
    starts = [start_s for start_s, _ in changes]
    rows_T = np.searchsorted(starts, times_T, side="right") - 1
    return np.array([value for _, value in changes])[np.maximum(rows_T, 0)]
