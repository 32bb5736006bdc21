"""A recording as an episode: what the policy would have observed at every action step."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError, RecordingError
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation import resize_view
from qwen_vla_core.types import Observation

from ..episode import Episode
from ..images import encode_png
from ..takeovers import DRIVEN
from .labels import Outcome
from .observed import Observed, observe
from .reader import Recording
from .streams import Series, Streams, read_streams

JUDGED = {Outcome.SUCCESS: True, Outcome.FAILURE: False}
NEGLIGIBLE_S = 0.5
"""So much of what was driven may be missing at the ends without a word, s: the first step is the
first at which every stream was there."""


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
